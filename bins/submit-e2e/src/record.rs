//! What a job leaves in the bucket: `started.json` first, `finished.json` last.

use std::cell::RefCell;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use common::bucket::{
    self, Bucket, FINISHED, Finished, Layout, ObjectName, Outcome, Rooted, STARTED, Started,
};
use common::env::{self, Env};
use common::git;
use common::job::Job;
use common::junit::{self, Report, Summary};
use common::{Error, Result, ResultExt, yaml};
use serde_json::Value;

use crate::engine::WorkflowEnd;
use crate::verdict::JUnitFile;

/// The log of the job.
pub(crate) const BUILD_LOG: &str = "build-log.txt";

/// Where the steps' results are, below the job's folder.
const ARTIFACTS: &str = "artifacts";

/// The places that a job's records go to.
#[derive(Debug)]
pub(crate) struct Record {
    job: Job,
    started: Started,
    layout: Layout,
    /// The bucket and the job's folder in it.
    bucket: Option<(Bucket, ObjectName)>,
    /// `ARTIFACTS` of a decorated job: Prow's own sidecar uploads this folder, and writes the
    /// log and the records of start and end.
    decorated: Option<PathBuf>,
    /// JUnit files that are ours.
    own_junit: RefCell<Vec<String>>,
}

impl Record {
    /// Finds the places; a job needs at least one of them.
    pub(crate) fn new(
        job: &Job,
        bucket: Option<&str>,
        layout: Layout,
        env: &Env,
    ) -> Result<Record> {
        let decorated = env.get(env::ARTIFACTS).map(PathBuf::from);
        let bucket = match bucket {
            Some(url) => Some((Bucket::parse(url, env)?, bucket::job_folder(job, layout)?)),
            None if decorated.is_some() => None,
            None => {
                return Err(Error::usage("no bucket is given for the results")
                    .hint("say where they go with --bucket gs://BUCKET or file:///FOLDER"));
            }
        };
        let mut started = Started::of(job, SystemTime::now());
        // Unknown is no reason to fail.
        started.node = env::hostname().unwrap_or_default();
        Ok(Record {
            job: job.clone(),
            started,
            layout,
            bucket,
            decorated,
            own_junit: RefCell::default(),
        })
    }

    /// The bucket, where the records of start and end are ours to write.
    fn own(&self) -> Option<&(Bucket, ObjectName)> {
        self.bucket.as_ref().filter(|_| self.decorated.is_none())
    }

    /// Where a person finds the results.
    pub(crate) fn place(&self) -> String {
        match (&self.decorated, &self.bucket) {
            (Some(folder), _) => folder.display().to_string(),
            (None, Some((bucket, folder))) => bucket.url(folder),
            (None, None) => String::new(),
        }
    }

    /// Writes `started.json`.
    pub(crate) async fn start(&self) -> Result<()> {
        self.write(STARTED, &self.started.to_json()?).await
    }

    /// Writes the objects that lead to the job's folder.
    pub(crate) async fn point_to_it(&self) -> Result<()> {
        let Some((bucket, folder)) = self.own() else {
            return Ok(());
        };
        if let Some(alias) = bucket::alias(&self.job)? {
            bucket.write(&alias, bucket.url(folder).as_bytes()).await?;
        }
        for latest in bucket::latest_builds(&self.job, self.layout)? {
            bucket.write(&latest, self.job.build_id.as_bytes()).await?;
        }
        Ok(())
    }

    /// Where a person finds a workflow with its status.
    fn workflow_url(&self, name: &str) -> Result<Option<String>> {
        let Some((bucket, folder)) = self.own() else {
            return Ok(None);
        };
        Ok(Some(bucket.url(&folder.join(&workflow_file(name))?)))
    }

    /// Writes `started.json` again, with a link for each workflow: to the page that shows it, where
    /// there is one, else to the object.
    pub(crate) async fn start_workflows(
        &mut self,
        pages: Vec<(String, Option<String>)>,
    ) -> Result<()> {
        for (name, page) in pages {
            let object = self.workflow_url(&name)?;
            if let Some(url) = &object {
                let description = "the workflow with its status";
                self.started.link(&name, url, description);
            }
            if let Some(url) = page.or(object) {
                let key = format!("{name}-ui");
                self.started.metadata.insert(key, url.into());
            }
        }
        self.start().await
    }

    /// Writes `{workflow}.yaml`, the workflow with its status.
    pub(crate) async fn workflow(&self, name: &str, object: &Value) -> Result<()> {
        let name = workflow_file(name);
        let text = yaml::to_string(&masked(object))?;
        if let Some(folder) = &self.decorated {
            let file = folder.join(&name);
            return std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(&file, text))
                .or_failed(|| format!("write {}", file.display()));
        }
        self.write(&name, text.as_bytes()).await
    }

    /// Copies a file to `artifacts/{name}`.
    pub(crate) async fn artifact(&self, name: &str, file: &Path) -> Result<()> {
        if let Some(folder) = &self.decorated {
            let copy = folder.join(name);
            let what = || format!("write {}", copy.display());
            if let Some(parent) = copy.parent() {
                std::fs::create_dir_all(parent).or_failed(what)?;
            }
            return std::fs::copy(file, &copy).map(|_| ()).or_failed(what);
        }
        if let Some((bucket, folder)) = &self.bucket {
            let object = folder.join(ARTIFACTS)?.join(name)?;
            bucket.upload(&object, file).await?;
        }
        Ok(())
    }

    /// Where a person finds `artifacts/{name}`.
    pub(crate) fn artifact_place(&self, name: &str) -> String {
        match &self.decorated {
            Some(folder) => folder.join(name).display().to_string(),
            None => format!("{}/{ARTIFACTS}/{name}", self.place()),
        }
    }

    /// Where a person finds a workflow with its status.
    pub(crate) fn workflow_place(&self, name: &str) -> String {
        let place = self.place();
        format!("{}/{}", place.trim_end_matches('/'), workflow_file(name))
    }

    /// Writes the report on a workflow's steps as `artifacts/junit_{workflow}.xml`. The verdict
    /// does not read it: it knows the steps themselves.
    pub(crate) async fn steps(&self, name: &str, report: &Report, folder: &Path) -> Result<()> {
        let file_name = format!("junit_{name}.xml");
        let file = folder.join(&file_name);
        let written = File::create(&file).and_then(|file| report.write(BufWriter::new(file)));
        written.or_failed(|| format!("write {}", file.display()))?;
        let own = format!("{ARTIFACTS}/{file_name}");
        self.own_junit.borrow_mut().push(own);
        self.artifact(&file_name, &file).await
    }

    /// Writes `build-log.txt`.
    pub(crate) async fn build_log(&self, file: &Path) -> Result<()> {
        match self.own() {
            Some((bucket, folder)) => {
                bucket.upload(&folder.join(BUILD_LOG)?, file).await?;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Writes `finished.json`.
    pub(crate) async fn finish(&self, outcome: Outcome, workflows: &[WorkflowEnd]) -> Result<()> {
        let mut finished = Finished::of(&self.job, outcome, SystemTime::now());
        for end in workflows {
            let (name, phase) = (&end.name, end.phase.as_str());
            finished
                .metadata
                .insert(format!("{name}-phase"), phase.into());
            let key = format!("{name}-ui");
            if let Some(url) = self.started.metadata.get(&key) {
                finished.metadata.insert(key, url.clone());
            }
        }
        self.write(FINISHED, &finished.to_json()?).await
    }

    async fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        match self.own() {
            Some((bucket, folder)) => bucket.write(&folder.join(name)?, content).await,
            None => Ok(()),
        }
    }

    /// Reads every `artifacts/**/junit*.xml` of the job.
    pub(crate) async fn junit(&self) -> Result<Vec<JUnitFile>> {
        let mut files = Vec::new();
        if let Some(folder) = &self.decorated {
            let folder = folder.clone();
            let read = tokio::task::spawn_blocking(move || junit_in_folder(&folder)).await;
            files.extend(read.or_failed(|| "read the JUnit files")??);
        }
        if let Some((bucket, folder)) = &self.bucket {
            for object in bucket.list(&folder.join(ARTIFACTS)?).await? {
                if junit::is_junit(object.name.file_name()) {
                    let name = object
                        .name
                        .strip_folder(folder)
                        .unwrap_or_default()
                        .to_owned();
                    if !self.own_junit.borrow().contains(&name) {
                        files.push(junit_object(bucket, object.name, name).await?);
                    }
                }
            }
        }
        files.retain(|file| !self.own_junit.borrow().contains(&file.name));
        Ok(files)
    }
}

/// A workflow without the credentials of its URLs: everybody may read the bucket.
pub(crate) fn masked(value: &Value) -> Value {
    match value {
        Value::String(text) => git::mask(text).into(),
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), masked(value)))
            .collect(),
        other => other.clone(),
    }
}

fn workflow_file(name: &str) -> String {
    format!("{name}.yaml")
}

async fn junit_object(bucket: &Bucket, object: ObjectName, name: String) -> Result<JUnitFile> {
    let bucket = bucket.clone();
    let shown = name.clone();
    let read = move || -> Result<Result<Summary>> {
        // A bucket out of reach says nothing about the tests.
        let reader = bucket.open_blocking(&object)?;
        Ok(junit::summarize(reader, &shown))
    };
    let summary = tokio::task::spawn_blocking(read).await;
    Ok(JUnitFile {
        summary: summary.or_failed(|| format!("read {name}"))??,
        name,
    })
}

/// The JUnit files of a folder that steps write: links in it are not followed.
fn junit_in_folder(folder: &Path) -> Result<Vec<JUnitFile>> {
    let what = || format!("read {}", folder.display());
    let mut files = Vec::new();
    let rooted = match Rooted::open(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(files),
        opened => opened.or_failed(what)?,
    };
    let mut folders = vec![PathBuf::new()];
    while let Some(within) = folders.pop() {
        for entry in std::fs::read_dir(folder.join(&within)).or_failed(what)? {
            let entry = entry.or_failed(what)?;
            let path = within.join(entry.file_name());
            let file_type = entry.file_type().or_failed(what)?;
            if file_type.is_dir() {
                folders.push(path);
            } else if file_type.is_file() && junit::is_junit(&entry.file_name().to_string_lossy()) {
                let name = format!("{ARTIFACTS}/{}", path.display());
                let opened = rooted.open_file(&path).or_failed(|| format!("read {name}"));
                let summary =
                    opened.and_then(|file| junit::summarize(std::io::BufReader::new(file), &name));
                files.push(JUnitFile { name, summary });
            }
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}
