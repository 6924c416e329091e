//! `prow_config.yaml`: which workflows a repository has, and when each is to run.
//!
//! The format is that of kubeflow/testing's `run_e2e_workflow.py`, with `manifest` as a
//! further kind of entry.

mod entry;

use std::collections::HashMap;
use std::path::Path;

use common::job::JobType;
use common::yaml::{Document, pointer_segment};
use common::{Error, Result};
use serde_json::{Map, Value};

/// A `prow_config.yaml`.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The workflows, in the order of the file.
    pub(crate) workflows: Vec<Entry>,
    document: Document,
}

/// One workflow of the file.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: String,
    /// Jobs that run it; empty for all.
    pub(crate) job_types: Vec<JobType>,
    /// Patterns of changed files that call for it (Python's fnmatch); empty for all.
    pub(crate) include_dirs: Vec<String>,
    /// What it is made from.
    pub(crate) kind: Kind,
    /// Parameters to give it.
    pub(crate) params: Map<String, Value>,
    /// JSON pointer of the entry in the file.
    pointer: String,
}

/// What a workflow is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `manifest: PATH`: an Argo Workflow, relative to the folder of the file.
    Manifest(String),
    /// `manifest: PATH.jsonnet`.
    Jsonnet,
    /// `py_func`: a Python function that gives one.
    PyFunc,
    /// `app_dir` and `component`: a ksonnet app.
    Ksonnet,
    /// `tekton_run`: a Tekton `PipelineRun`.
    Tekton,
}

impl Kind {
    /// The name that `plan` gives it.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Kind::Manifest(_) => "manifest",
            Kind::Jsonnet => "jsonnet",
            Kind::PyFunc => "py_func",
            Kind::Ksonnet => "ksonnet",
            Kind::Tekton => "tekton",
        }
    }
}

impl Entry {
    /// Whether a job of this type runs it. A batch is tested as the presubmits it is made of.
    pub(crate) fn runs_for(&self, job_type: JobType) -> bool {
        let job_type = match job_type {
            JobType::Batch => JobType::Presubmit,
            other => other,
        };
        self.job_types.is_empty() || self.job_types.contains(&job_type)
    }

    /// A job type that runs both entries, if there is one.
    fn overlap(&self, other: &Entry) -> Option<JobType> {
        [JobType::Presubmit, JobType::Postsubmit, JobType::Periodic]
            .into_iter()
            .find(|job_type| self.runs_for(*job_type) && other.runs_for(*job_type))
    }
}

impl Config {
    /// Reads the file; a mistake in it names file and line.
    pub(crate) fn read(path: &Path) -> Result<Config> {
        Config::of(Document::read(path)?)
    }

    pub(crate) fn of(document: Document) -> Result<Config> {
        let mapping = mapping(&document, "", "the file")?;
        known_keys(&document, "", mapping, &["python_paths", "workflows"])?;
        // Where Python finds the functions of py_func entries; here only its form is checked.
        strings(&document, "/python_paths")?;
        let workflows = match document.value.get("workflows") {
            None => return Err(document.error("", "workflows is missing")),
            Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => (0..items.len())
                .map(|index| entry::read(&document, format!("/workflows/{index}")))
                .collect::<Result<_>>()?,
            Some(_) => return Err(document.error("/workflows", "workflows is not a list")),
        };
        let config = Config {
            workflows,
            document,
        };
        config.check_names()?;
        Ok(config)
    }

    /// The folder of the file: where its paths start.
    pub(crate) fn folder(&self) -> &Path {
        match self.document.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        }
    }

    /// An error about a field of an entry: `FILE:LINE: what`.
    pub(crate) fn error(&self, entry: &Entry, field: &str, what: impl std::fmt::Display) -> Error {
        let pointer = format!("{}/{}", entry.pointer, pointer_segment(field));
        self.document.error(&pointer, what)
    }

    /// An error about one parameter of an entry.
    pub(crate) fn param_error(
        &self,
        entry: &Entry,
        name: &str,
        what: impl std::fmt::Display,
    ) -> Error {
        let pointer = format!("{}/params/{}", entry.pointer, pointer_segment(name));
        self.document.error(&pointer, what)
    }

    /// Results are filed under the workflow's name: two of one job must differ.
    fn check_names(&self) -> Result<()> {
        let mut of_name: HashMap<&str, Vec<&Entry>> = HashMap::new();
        for later in &self.workflows {
            // Three at most, as there are job types: they do not overlap.
            let earlier = of_name.entry(&later.name).or_default();
            for earlier in earlier.iter() {
                let Some(job_type) = earlier.overlap(later) else {
                    continue;
                };
                let first = self.document.place(&format!("{}/name", earlier.pointer));
                return Err(self.error(
                    later,
                    "name",
                    format!(
                        "name: a second workflow {:?} that {} jobs run, after the one at {first}",
                        later.name,
                        job_type.as_str()
                    ),
                ));
            }
            earlier.push(later);
        }
        Ok(())
    }
}

fn mapping<'a>(
    document: &'a Document,
    pointer: &str,
    what: &str,
) -> Result<&'a Map<String, Value>> {
    match document.value.pointer(pointer) {
        Some(Value::Object(map)) => Ok(map),
        _ => Err(document.error(pointer, format!("{what} is not a mapping"))),
    }
}

fn known_keys(
    document: &Document,
    pointer: &str,
    mapping: &Map<String, Value>,
    known: &[&str],
) -> Result<()> {
    match mapping.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(document
            .error(
                &format!("{pointer}/{}", pointer_segment(key)),
                format!("unknown key {key:?}"),
            )
            .hint(format!("known here: {}", known.join(", ")))),
    }
}

/// A list of strings; a scalar where a list is meant is a list of one.
fn strings(document: &Document, pointer: &str) -> Result<Vec<String>> {
    let field = pointer.rsplit('/').next().unwrap_or_default();
    match document.value.pointer(pointer) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => (items.iter().enumerate())
            .map(|(index, item)| match item {
                Value::String(text) => Ok(text.clone()),
                _ => Err(document.error(
                    &format!("{pointer}/{index}"),
                    format!("{field}: {item} is not a string"),
                )),
            })
            .collect(),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(other) => Err(document.error(
            pointer,
            format!("{field}: {other} is not a list of strings"),
        )),
    }
}

#[cfg(test)]
mod tests;
