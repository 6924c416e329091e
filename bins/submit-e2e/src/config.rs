//! `prow_config.yaml`: which workflows a repository has, and when each is to run.
//!
//! The format is that of kubeflow/testing's `run_e2e_workflow.py`. Ours are the kinds of entry
//! `manifest` and `workflow_template`, and the keys `exclude_dirs` and `always_run`.

mod entry;
mod fields;
mod mistake;
mod scalar;

use std::path::{Path, PathBuf};

use common::job::JobType;
use common::yaml::{Document, pointer_segment};
use common::{Error, Result};
use serde_json::{Map, Value};

use fields::Fields;

/// A `prow_config.yaml`.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The workflows, in the order of the file.
    pub(crate) workflows: Vec<Entry>,
    /// Folders of Python modules, as `ORG/REPO/PATH`, in the order in which they are searched.
    pub(crate) python_paths: Vec<String>,
    /// What is odd about the file and changes nothing: `FILE:LINE: what`.
    pub(crate) warnings: Vec<String>,
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
    /// Patterns of changed files that do not.
    pub(crate) exclude_dirs: Vec<String>,
    /// Whether it runs whatever has changed.
    pub(crate) always_run: bool,
    /// What it is made from.
    pub(crate) kind: Kind,
    /// Parameters to give it.
    pub(crate) params: Map<String, Value>,
    /// JSON pointer of the entry in the file.
    pointer: String,
}

/// What a workflow is made from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// `manifest: PATH`: an Argo Workflow, relative to the folder of the file.
    Manifest(String),
    /// `manifest: PATH.jsonnet`.
    Jsonnet {
        /// Relative to the folder of the file.
        path: String,
        /// Values of `std.extVar`.
        ext_vars: Map<String, Value>,
        /// Arguments of the function that the file is.
        top_level_args: Map<String, Value>,
    },
    /// `workflow_template`: one that is on the cluster.
    WorkflowTemplate {
        /// Argo's `workflowTemplateRef`.
        reference: Map<String, Value>,
        /// Argo's `arguments`.
        arguments: Map<String, Value>,
    },
    /// `py_func`: a Python function that gives one.
    PyFunc {
        /// `package.module.function`.
        function: String,
        /// Its arguments, typed as the file has them.
        kwargs: Map<String, Value>,
    },
    /// `app_dir` and `component`: a ksonnet app.
    Ksonnet {
        /// `ORG/REPO/PATH`.
        app_dir: String,
        /// One of its components.
        component: String,
    },
    /// `tekton_run`: a Tekton `PipelineRun`.
    Tekton(Tekton),
}

/// A Tekton `PipelineRun` and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tekton {
    /// `ORG/REPO/PATH` of the manifest.
    pub(crate) run: String,
    /// Parameters that replace those of the manifest, in their order.
    pub(crate) params: Vec<(String, Value)>,
    /// `ORG/REPO/PATH` of a `PipelineRun` to run afterwards.
    pub(crate) teardown: Option<String>,
    /// Parameters for that one.
    pub(crate) teardown_params: Vec<(String, Value)>,
    /// What its tests report as, where the entry says so.
    pub(crate) test_target_name: Option<String>,
}

impl Kind {
    /// The name that `plan` gives it.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Kind::Manifest(_) => "manifest",
            Kind::Jsonnet { .. } => "jsonnet",
            Kind::WorkflowTemplate { .. } => "workflow_template",
            Kind::PyFunc { .. } => "py_func",
            Kind::Ksonnet { .. } => "ksonnet",
            Kind::Tekton(_) => "tekton",
        }
    }

    /// The key of the entry that says so.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Kind::Jsonnet { .. } => "manifest",
            Kind::Ksonnet { .. } => "app_dir",
            Kind::Tekton(_) => "tekton_run",
            other => other.as_str(),
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
}

impl Config {
    /// Reads the file; a mistake in it names file, line and entry.
    pub(crate) fn read(path: &Path) -> Result<Config> {
        Config::of(mistake::read(path)?)
    }

    pub(crate) fn of(document: Document) -> Result<Config> {
        let file = Fields::new(&document, "", "", "the file")?;
        let python_paths = file.strings("python_paths")?;
        for (index, path) in python_paths.iter().enumerate() {
            let pointer = format!("/python_paths/{index}");
            check_repository_path(path).map_err(|what| {
                let error = document.error(&pointer, format!("python_paths: {what}"));
                error.hint(REPOSITORY_PATH)
            })?;
        }
        let mut warnings = Vec::new();
        let workflows = match document.value.get("workflows") {
            None => {
                return Err(document.error("", "workflows is missing").hint(format!(
                    "the keys here are {}; a repository without workflows says `workflows: []`",
                    file.keys()
                )));
            }
            Some(Value::Null) => Vec::new(),
            // What an empty list looks like in a real file.
            Some(Value::Object(none)) if none.is_empty() => Vec::new(),
            Some(Value::Array(items)) => (0..items.len())
                .map(|index| entry::read(&document, index, &mut warnings))
                .collect::<Result<_>>()?,
            Some(_) => {
                return Err(document
                    .error("/workflows", "workflows is not a list")
                    .hint("start each entry with `- name: …`"));
            }
        };
        file.warn_of_unknown(&["python_paths", "workflows"], &mut warnings);
        Ok(Config {
            workflows,
            python_paths,
            warnings,
            document,
        })
    }

    /// The folder of the file: where the paths of manifests start.
    pub(crate) fn folder(&self) -> PathBuf {
        match self.document.path.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    /// An error about a field of an entry: `FILE:LINE: workflow "NAME": what`.
    pub(crate) fn error(&self, entry: &Entry, field: &str, what: impl std::fmt::Display) -> Error {
        let pointer = format!("{}/{}", entry.pointer, pointer_segment(field));
        let what = format!("workflow {:?}: {what}", entry.name);
        self.document.error(&pointer, what)
    }

    /// An error about one item of a mapping of an entry, `params` for example.
    pub(crate) fn item_error(
        &self,
        entry: &Entry,
        field: &str,
        item: &str,
        what: impl std::fmt::Display,
    ) -> Error {
        let pointer = format!("{}/{field}/{}", entry.pointer, pointer_segment(item));
        let what = format!("workflow {:?}: {what}", entry.name);
        self.document.error(&pointer, what)
    }

    /// An error about a folder of `python_paths`.
    pub(crate) fn path_error(&self, index: usize, what: impl std::fmt::Display) -> Error {
        let what = format!("python_paths: {what}");
        self.document.error(&format!("/python_paths/{index}"), what)
    }
}

/// The cure of what is no `ORG/REPO/PATH`.
const REPOSITORY_PATH: &str = "it starts with the repository: ORG/REPO/path/in/it";

/// Checks `ORG/REPO/PATH`; gives why it is not one.
fn check_repository_path(path: &str) -> Result<(), String> {
    let mut parts = path.split('/');
    for what in ["organisation", "repository"] {
        let part = parts.next().unwrap_or_default();
        common::job::check_segment(what, part)
            .map_err(|_| format!("{path:?} is not ORG/REPO/PATH"))?;
    }
    if parts.any(|part| part == "..") || path.contains('\0') {
        return Err(format!("{path:?} leaves its repository"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
