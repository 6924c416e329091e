//! What is left of a step is kept before it is gone: what its containers printed, its pod, the
//! pod's events.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::redact::Rules;
use common::{Result, ResultExt, whole_file, yaml};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::client::{ANSWER, Cluster, Pauses};
use super::executor::Executor;
use super::fault::Fault;
use super::pod::{self, Container};
use super::resource::Resource;
use super::submit::built;
use crate::cloud_logging;
use crate::record::Record;

/// How many of the last lines a summary shows, and how many bytes they may have.
const LAST_LINES: usize = 10;
const LAST_BYTES: usize = 4 * 1024;

/// How long a container that is just ending is listened to.
const STILL: Duration = Duration::from_secs(10);

/// A step, and where its pod is.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) resource: Resource,
    /// Name of the workflow object.
    pub(super) workflow: String,
    /// Name of the step for people.
    pub(super) step: String,
    /// Value of the label `step_name` on its pod, where it has one.
    pub(super) step_label: Option<String>,
    /// Name of its folder.
    pub(super) folder: String,
    pub(super) node_id: String,
    pub(super) pod: String,
}

/// What was found out about a step.
#[derive(Debug, Default)]
pub(super) struct StepEvidence {
    /// Why it ended as it did, from its pod and the pod's events.
    pub(super) reasons: Vec<String>,
    /// The last lines that it printed.
    pub(super) last_lines: Vec<String>,
    /// Where its files are.
    pub(super) place: Option<String>,
    /// The file with what its main container printed.
    pub(super) log: Option<PathBuf>,
    /// Where else to look: its pod was gone.
    pub(super) elsewhere: Option<String>,
}

/// What collecting needs.
pub(super) struct Collector<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) record: &'a Record,
    pub(super) rules: &'a Rules,
    /// Folder for files on their way.
    pub(super) folder: &'a Path,
    /// The Google Cloud project of the logs.
    pub(super) project: Option<&'a str>,
}

impl Collector<'_> {
    /// Collects what there is, until this time. What cannot be had is told in the log: it takes
    /// nothing from the verdict.
    pub(super) async fn collect(&self, subject: &Subject, until: Instant) -> StepEvidence {
        let mut evidence = StepEvidence::default();
        if let Err(error) = self.try_collect(subject, until, &mut evidence).await {
            warn!(
                "not all is kept of step {}: {}",
                subject.step,
                error.report()
            );
        }
        evidence
    }

    async fn try_collect(
        &self,
        subject: &Subject,
        until: Instant,
        evidence: &mut StepEvidence,
    ) -> Result<()> {
        let name = format!("steps/{}/{}", subject.workflow, subject.folder);
        let folder = self.folder.join("evidence").join(&name);
        std::fs::create_dir_all(&folder).or_failed(|| format!("make {}", folder.display()))?;
        evidence.place = Some(self.record.artifact_place(&name));
        let mut files = Files {
            collector: self,
            folder,
            name,
        };
        let what = || format!("read the pod of step {}", subject.step);
        let pod = self
            .pod(subject, until)
            .await
            .map_err(|fault| fault.explain(what()))?;
        let pod_name = pod
            .as_ref()
            .and_then(|pod| pod["metadata"]["name"].as_str());
        let pod_name = pod_name.unwrap_or(&subject.pod).to_owned();
        let events = self.events(subject, &pod_name, until).await;
        if let Some(pod) = &pod {
            evidence.reasons = pod::reasons(pod);
            files.text("pod.yaml", &yaml::to_string(pod)?).await?;
        }
        match events {
            Ok(events) => {
                // What the pod itself says of its end says more.
                if evidence.reasons.is_empty() {
                    evidence.reasons = pod::warnings(&events);
                }
                let lines = pod::event_lines(&events);
                if !lines.is_empty() {
                    files.text("events.txt", &(lines.join("\n") + "\n")).await?;
                }
            }
            Err(fault) => warn!("read the events of pod {pod_name}: {fault}"),
        }
        for reason in &mut evidence.reasons {
            *reason = self.rules.redact(reason);
        }
        match &pod {
            Some(pod) => {
                let main = pod::main_container(pod);
                for container in pod::containers(pod) {
                    let log = self.logs(subject, &pod_name, &container, until, &mut files);
                    if let Some((file, last)) = log.await?
                        && container.name == main
                    {
                        (evidence.log, evidence.last_lines) = (Some(file), last);
                    }
                }
            }
            None => self.tell_elsewhere(subject, &mut files, evidence).await?,
        }
        Ok(())
    }

    /// The pod, by its name or else by what it says of itself.
    async fn pod(&self, subject: &Subject, until: Instant) -> Result<Option<Value>, Fault> {
        let by_name = pod_request(&subject.resource, &subject.pod)?;
        match self.cluster.send_until(until, &by_name).await {
            Ok(pod) => return parsed(&pod).map(Some),
            Err(fault) if fault.code() == Some(404) => {}
            Err(fault) => return Err(fault),
        }
        let pods = self.pods(&subject.resource, &subject.workflow, until);
        let is_it = |pod: &Value| {
            pod["metadata"]["annotations"]["workflows.argoproj.io/node-id"] == *subject.node_id
        };
        Ok(pods.await?.into_iter().find(is_it))
    }

    /// The pods of an object that is on the cluster.
    pub(super) async fn pods(
        &self,
        resource: &Resource,
        name: &str,
        until: Instant,
    ) -> Result<Vec<Value>, Fault> {
        let selector = format!("{}={name}", resource.pod_label());
        let request = list_request(&resource.core_path("pods"), "labelSelector", &selector)?;
        let mut pods = parsed(&self.cluster.send_until(until, &request).await?)?;
        let pods = pods["items"].as_array_mut().map(std::mem::take);
        Ok(pods.unwrap_or_default())
    }

    async fn events(&self, subject: &Subject, pod: &str, until: Instant) -> Result<Value, Fault> {
        let path = subject.resource.core_path("events");
        let selector = format!("involvedObject.kind=Pod,involvedObject.name={pod}");
        let request = list_request(&path, "fieldSelector", &selector)?;
        parsed(&self.cluster.send_until(until, &request).await?)
    }

    /// Keeps what a container printed, before it was restarted as well; gives the file of the last
    /// time, and its last lines.
    async fn logs(
        &self,
        subject: &Subject,
        pod: &str,
        container: &Container,
        until: Instant,
        files: &mut Files<'_>,
    ) -> Result<Option<(PathBuf, Vec<String>)>> {
        let name = &container.name;
        if container.was_restarted {
            let what = ("previous", "true");
            let request = log_request(&subject.resource, pod, name, &[what]);
            let file = files
                .log(&format!("{name}-previous.log"), request, until)
                .await?;
            if file.is_none() {
                debug!("container {name} of pod {pod} has no previous log any more");
            }
        }
        if !container.has_started {
            return Ok(None);
        }
        // One that is just being stopped has its last lines still to say.
        let (follow, until): (&[_], _) = if container.is_running {
            (&[("follow", "true")], until.min(Instant::now() + STILL))
        } else {
            (&[], until)
        };
        let request = log_request(&subject.resource, pod, name, follow);
        files.log(&format!("{name}.log"), request, until).await
    }

    async fn tell_elsewhere(
        &self,
        subject: &Subject,
        files: &mut Files<'_>,
        evidence: &mut StepEvidence,
    ) -> Result<()> {
        let by_pod = cloud_logging::by_pod(&subject.resource.namespace, &subject.pod);
        let by_labels = cloud_logging::by_labels(&subject.workflow, subject.step_label.as_deref());
        let link = |query: &str| cloud_logging::link(query, self.project);
        let text = format!(
            "The pod {} of step {} was gone when this was written.\nCloud Logging may have what it \
             printed, by the pod's name:\n\n{by_pod}\n\n{}\n\nand by its labels:\n\n{by_labels}\n\n{}\n",
            subject.pod,
            subject.step,
            link(&by_pod),
            link(&by_labels)
        );
        evidence.elsewhere = Some(link(&by_pod));
        evidence
            .reasons
            .push(format!("its pod {} is gone", subject.pod));
        files.text("pod-is-gone.txt", &text).await
    }
}

/// The files of one step.
struct Files<'a> {
    collector: &'a Collector<'a>,
    folder: PathBuf,
    /// The folder's name below `artifacts`.
    name: String,
}

impl Files<'_> {
    async fn text(&mut self, name: &str, text: &str) -> Result<()> {
        let file = self.folder.join(name);
        let text = self.collector.rules.redact(text);
        let written = whole_file::replace(&file, |mut file| file.write_all(text.as_bytes()));
        written.or_failed(|| format!("write {}", file.display()))?;
        self.keep(name, &file).await
    }

    async fn keep(&self, name: &str, file: &Path) -> Result<()> {
        let name = format!("{}/{name}", self.name);
        self.collector.record.artifact(&name, file).await
    }

    /// Streams a log into a file; gives the file and its last lines, `None` where there is no such
    /// log. A log that breaks off is read from its start again.
    async fn log(
        &mut self,
        name: &str,
        request: Result<http::Request<Vec<u8>>, Fault>,
        until: Instant,
    ) -> Result<Option<(PathBuf, Vec<String>)>> {
        let what = || format!("read {name}");
        let request = request.map_err(|fault| fault.explain(what()))?;
        let file = self.folder.join(name);
        let mut pauses = Pauses::default();
        let last = loop {
            let mut out = LogFile::create(&file, self.collector.rules)
                .or_failed(|| format!("write {}", file.display()))?;
            let fault = match self.copy(&request, &mut out, until).await {
                Ok(Ok(())) => break out.finish(),
                // What there is of it is better than nothing.
                Ok(Err(Fault::Stalled(_))) if Instant::now() >= until => break out.finish(),
                Ok(Err(fault)) => fault,
                Err(error) => break Err(error),
            };
            if matches!(fault.code(), Some(400 | 404)) {
                let _ = std::fs::remove_file(&file);
                return Ok(None);
            }
            let pause = pauses.next(fault.wait());
            if !fault.may_pass() || Instant::now() + pause >= until {
                return Err(fault.explain(what()));
            }
            sleep(pause).await;
        };
        let last = last.or_failed(|| format!("write {}", file.display()))?;
        self.keep(name, &file).await?;
        Ok(Some((file, last)))
    }

    async fn copy(
        &self,
        request: &http::Request<Vec<u8>>,
        out: &mut LogFile,
        until: Instant,
    ) -> io::Result<Result<(), Fault>> {
        let mut pieces = match self.collector.cluster.open(request.clone()).await {
            Ok(pieces) => pieces,
            Err(fault) => return Ok(Err(fault)),
        };
        loop {
            let left = until.saturating_duration_since(Instant::now()).min(ANSWER);
            match pieces.next(left).await {
                None => return Ok(Ok(())),
                Some(Err(fault)) => return Ok(Err(fault)),
                Some(Ok(piece)) => out.write(&piece)?,
            }
        }
    }
}

/// A log on its way to a file, without secrets, its end kept in mind.
struct LogFile {
    file: File,
    redactor: common::redact::Redactor,
    last: VecDeque<u8>,
}

impl LogFile {
    fn create(path: &Path, rules: &Rules) -> io::Result<Self> {
        Ok(LogFile {
            file: File::create(path)?,
            redactor: rules.redactor(),
            last: VecDeque::new(),
        })
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        let shown = self.redactor.push(piece);
        keep_last(&mut self.last, shown);
        self.file.write_all(shown)
    }

    fn finish(mut self) -> io::Result<Vec<String>> {
        let shown = self.redactor.finish();
        keep_last(&mut self.last, shown);
        self.file.write_all(shown)?;
        Ok(last_lines(self.last.make_contiguous()))
    }
}

fn keep_last(last: &mut VecDeque<u8>, shown: &[u8]) {
    last.extend(&shown[shown.len().saturating_sub(LAST_BYTES)..]);
    last.drain(..last.len().saturating_sub(LAST_BYTES));
}

/// The last lines of the step in what a log ends with; the first one may be the end of a longer one.
fn last_lines(end: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(end);
    let mut executor = Executor::default();
    let lines: Vec<&str> = (text.trim_end().lines())
        .filter(|line| !executor.says(line.as_bytes()))
        .collect();
    let first = lines.len().saturating_sub(LAST_LINES);
    let shown = lines[first..].iter().map(|line| (*line).to_owned());
    shown.filter(|line| !line.is_empty()).collect()
}

/// Asks for a pod. Names come from the cluster and from names of ours: as a part of a path they
/// are checked.
pub(super) fn pod_request(resource: &Resource, pod: &str) -> Result<http::Request<Vec<u8>>, Fault> {
    let request = kube::core::Request::new(resource.core_path("pods"));
    request
        .get(pod, &kube::api::GetParams::default())
        .map_err(built)
}

pub(super) fn list_request(
    path: &str,
    kind: &str,
    selector: &str,
) -> Result<http::Request<Vec<u8>>, Fault> {
    let selector = cloud_logging::percent_encoded(selector);
    plain(&format!("{path}?{kind}={selector}&limit=500"))
}

/// Asks for what a container printed.
pub(super) fn log_request(
    resource: &Resource,
    pod: &str,
    container: &str,
    more: &[(&str, &str)],
) -> Result<http::Request<Vec<u8>>, Fault> {
    let encoded = cloud_logging::percent_encoded;
    let (pods, pod) = (resource.core_path("pods"), encoded(pod));
    let mut url = format!("{pods}/{pod}/log?container={}", encoded(container));
    for (name, value) in more {
        url = format!("{url}&{name}={}", encoded(value));
    }
    plain(&url)
}

fn plain(url: &str) -> Result<http::Request<Vec<u8>>, Fault> {
    let request = http::Request::get(url).body(Vec::new());
    request.map_err(|error| Fault::Broken(kube::Error::HttpError(error)))
}

pub(super) fn parsed(json: &[u8]) -> Result<Value, Fault> {
    let mut value: Value = serde_json::from_slice(json)
        .map_err(|error| Fault::Garbled(format!("an answer that is no object: {error}")))?;
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    Ok(value)
}

/// The name of a step's folder: a step's name may hold what a path may not.
pub(super) fn folder_name(step: &str) -> String {
    let valid = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = step.chars().map(valid).take(100).collect();
    let name = name.trim_matches(|c| "-.".contains(c));
    if name.is_empty() {
        "step".to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_steps_are_plain_names() {
        assert_eq!(folder_name("test(0:a/b)"), "test-0-a-b");
        assert_eq!(folder_name("../../etc"), "etc");
        assert_eq!(folder_name("…"), "step");
    }

    #[test]
    fn the_last_lines_are_kept_whatever_the_length() {
        let mut last = VecDeque::new();
        for number in 0..10_000 {
            keep_last(&mut last, format!("line {number}\n").as_bytes());
        }
        keep_last(&mut last, b"end");
        let lines = last_lines(last.make_contiguous());
        assert_eq!(lines.len(), LAST_LINES);
        assert_eq!(lines[0], "line 9991");
        assert_eq!(lines[9], "end");
        assert!(last.len() <= LAST_BYTES);
    }

    #[test]
    fn a_name_within_a_request_leads_nowhere_else() {
        let resource = Resource::workflows("ci").unwrap();
        let request = log_request(&resource, "../x?y", "a&b", &[("sinceTime", "1+1")]).unwrap();
        assert_eq!(
            request.uri().to_string(),
            "/api/v1/namespaces/ci/pods/..%2Fx%3Fy/log?container=a%26b&sinceTime=1%2B1"
        );
    }
}
