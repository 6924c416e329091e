//! submit-e2e on a cluster. The objects are real and so is the API server; what the controller would write into their
//! status is written here, so that it is known when, and no pod's start is measured.

mod end;
mod life;
mod many;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use e2e::{Cluster, Namespace};
use serde_json::{Value, json};

use crate::figure::Figure;
use crate::job::Job;
use crate::{Outcome, note};

/// Whose workflows these are: not the controller's that runs.
const INSTANCE: &str = "bench";

/// A workflow that the controller leaves alone, as it is another's.
const MANIFEST: &str = "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: bench-, labels: {workflows.argoproj.io/controller-instanceid: bench}}
spec:
  entrypoint: step
  templates:
  - name: step
    container: {image: none, command: [\"true\"]}
";

/// Measures it where there is a cluster.
pub(crate) fn measure() -> Outcome<Vec<Figure>> {
    if std::env::var_os("TEST_KUBECONFIG").is_none() {
        note("argo is not measured: there is no cluster; see tests/cluster/README.md")?;
        return Ok(Vec::new());
    }
    let cluster = Cluster::connect();
    let mut figures = end::measure(&cluster)?;
    figures.extend(life::measure(&cluster)?);
    figures.extend(many::measure(&cluster)?);
    Ok(figures)
}

/// A job of some workflows in a namespace of its own.
struct Bench<'a> {
    job: Job,
    namespace: Namespace<'a>,
    kubeconfig: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(cluster: &'a Cluster, entries: usize) -> Outcome<Self> {
        let job = Job::new("")?;
        job.write("workflow.yaml", MANIFEST)?;
        let entries = (0..entries).map(|n| format!("- {{name: w{n}, manifest: workflow.yaml}}\n"));
        let config = format!("workflows:\n{}", entries.collect::<String>());
        job.write("prow_config.yaml", &config)?;
        let namespace = cluster.namespace();
        let kubeconfig = job.repository().with_file_name("kubeconfig");
        namespace.kubeconfig("submit-e2e", &cluster.address(), &kubeconfig);
        Ok(Bench {
            job,
            namespace,
            kubeconfig,
        })
    }

    /// Starts submit-e2e, and waits until it follows so many workflows.
    fn start(&self, build: usize, workflows: usize) -> Outcome<Child> {
        let mut command = self.job.command(build, &["run", "--engine=argo"])?;
        let bucket = self.job.results(build);
        let bucket = bucket.ancestors().nth(3).ok_or("a bucket")?;
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("PROW_JOB_ID", format!("bench-{build}"))
            .arg(format!("--namespace={}", self.namespace.name()))
            .arg(format!("--bucket=file://{}", bucket.display()))
            .arg("--run-dir")
            .arg(bucket.with_file_name("run").join(build.to_string()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn()?;
        let all = || (self.open().len() >= workflows).then_some(());
        self.namespace.wait_for("the workflows", 300, all);
        // The watch is opened once they are all there.
        std::thread::sleep(Duration::from_secs(1));
        Ok(child)
    }

    /// The names of the workflows that are not over.
    fn open(&self) -> Vec<String> {
        let workflows = self.namespace.workflows().into_iter();
        let open = workflows.filter(|workflow| workflow["status"]["phase"] != "Succeeded");
        let name = |workflow: Value| Some(workflow["metadata"]["name"].as_str()?.to_owned());
        open.filter_map(name).collect()
    }

    /// Writes what the controller would write.
    fn set_status(&self, workflow: &str, phase: &str, nodes: usize) {
        let path = format!("{}/{workflow}", self.namespace.path("workflows"));
        let status = json!({"status": status(workflow, phase, nodes)});
        self.namespace.api().merge(&path, &status);
    }

    /// Starts the `argo` of Argo Workflows, where the cluster's programs have it.
    fn argo(&self, arguments: &[&str]) -> Outcome<Option<Child>> {
        let programs = std::env::var_os("TEST_CLUSTER_PROGRAMS").map(PathBuf::from);
        let Some(program) = programs.map(|programs| programs.join("argo")) else {
            return Ok(None);
        };
        if !program.exists() {
            note("argo is not measured beside submit-e2e: see tests/cluster/build")?;
            return Ok(None);
        }
        let mut command = Command::new(program);
        command
            .args(arguments)
            // It looks at no workflow of another controller than its own.
            .arg(format!("--instanceid={INSTANCE}"))
            .arg(format!("--namespace={}", self.namespace.name()))
            .env("KUBECONFIG", &self.kubeconfig)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Some(command.spawn()?))
    }
}

/// A status with so many nodes, each of the size that Argo gives it.
fn status(workflow: &str, phase: &str, nodes: usize) -> Value {
    let time = "2026-01-01T00:00:00Z";
    let end = (phase == "Succeeded").then_some(time);
    let node = |n: usize| {
        let id = format!("{workflow}-{n}");
        let node = json!({
            "id": id, "name": format!("{workflow}.step-{n}"), "displayName": format!("step-{n}"),
            "type": "Pod", "templateName": "step", "templateScope": format!("local/{workflow}"),
            "phase": phase, "boundaryID": workflow, "startedAt": time, "progress": "0/1",
            "finishedAt": end,
            "hostNodeName": "node-1", "resourcesDuration": {"cpu": 1, "memory": 10},
            "inputs": {"parameters": [{"name": "value", "value": n.to_string()}]},
            "outputs": {"exitCode": "0"},
        });
        (id, node)
    };
    let nodes: serde_json::Map<_, _> = (0..nodes).map(node).collect();
    json!({"phase": phase, "startedAt": time, "finishedAt": end, "nodes": nodes})
}

/// Waits for a program to end well.
fn wait(mut child: Child) -> Outcome<()> {
    let status = child.wait()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("submit-e2e: {status}").into())
    }
}

/// How long it has been, at the time of a file's last change.
fn until_written(file: &std::path::Path, since: std::time::SystemTime) -> Outcome<Duration> {
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        if let Ok(written) = std::fs::metadata(file).and_then(|file| file.modified()) {
            return Ok(written.duration_since(since)?);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(format!("{} is not there after 30 s", file.display()).into())
}
