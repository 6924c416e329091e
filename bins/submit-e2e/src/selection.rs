//! The workflows of `prow_config.yaml` with the decision about each, and the manifests of
//! those that run.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use common::app::App;
use common::job::Job;
use common::{Error, Result, ResultExt, workflow};
use serde_json::{Value, json};
use tracing::{info, warn};

use crate::changes::changed_files;
use crate::config::{Config, Entry, Kind};
use crate::names;
use crate::opts::SourceOpts;
use crate::origin::{Origin, Source};
use crate::render::{Mistake, Rendering};
use crate::select::{Changes, Decision, select};

/// The decision about every entry.
#[derive(Debug)]
pub(crate) struct Selection {
    config: Config,
    decisions: Vec<Decision>,
    root: PathBuf,
}

/// A workflow to run.
#[derive(Debug, Clone)]
pub(crate) struct Workflow {
    /// Name in `prow_config.yaml`.
    pub(crate) entry: String,
    /// Name of the workflow object.
    pub(crate) name: String,
    /// The file that it was read from.
    pub(crate) source: PathBuf,
    /// The manifest to submit.
    pub(crate) manifest: Value,
}

impl Selection {
    /// Reads the configuration and decides.
    pub(crate) async fn make(
        origin: &Origin,
        source: &Source,
        opts: &SourceOpts,
        app: &App,
    ) -> Result<Selection> {
        let config = Config::read(&source.config)?;
        for warning in &config.warnings {
            warn!("{warning}");
        }
        let job = origin.job();
        let changes = changed_files(&source.repository, job, &source.head, &app.stop).await?;
        match &changes {
            Changes::Unknown(why) => {
                warn!("the changed files cannot be computed, so every workflow runs: {why}");
            }
            Changes::Files(files) => info!("changed files: {}", files.len()),
        }
        let decisions = select(&config, job.job_type, &changes, opts.only.as_deref())?;
        Ok(Selection {
            config,
            decisions,
            root: source.root.clone(),
        })
    }

    fn entries(&self) -> impl Iterator<Item = (&Entry, &Decision)> {
        self.config.workflows.iter().zip(&self.decisions)
    }

    /// `[{"name", "kind", "run", "reason"}]`.
    pub(crate) fn to_json(&self) -> Value {
        self.entries()
            .map(|(entry, decision)| {
                json!({
                    "name": entry.name,
                    "kind": entry.kind.as_str(),
                    "run": decision.run,
                    "reason": decision.reason,
                })
            })
            .collect()
    }

    /// A table for people.
    pub(crate) fn to_table(&self) -> String {
        let width = |title: &str, texts: Vec<String>| {
            let longest = texts.iter().map(|text| text.chars().count()).max();
            longest.unwrap_or_default().max(title.len())
        };
        let names: Vec<_> = self
            .entries()
            .map(|(entry, _)| common::on_one_line(&entry.name))
            .collect();
        let kinds: Vec<_> = self
            .entries()
            .map(|(entry, _)| entry.kind.as_str().to_owned())
            .collect();
        let (name_width, kind_width) = (width("NAME", names), width("KIND", kinds));
        let mut table = format!(
            "{:name_width$}  {:kind_width$}  RUN  REASON\n",
            "NAME", "KIND"
        );
        for (entry, decision) in self.entries() {
            // Writing to a string cannot fail.
            let _ = writeln!(
                table,
                "{:name_width$}  {:kind_width$}  {:3}  {}",
                common::on_one_line(&entry.name),
                entry.kind.as_str(),
                if decision.run { "yes" } else { "no" },
                decision.reason
            );
        }
        table
    }

    /// The manifests of the workflows that run, as they are submitted.
    pub(crate) fn render(
        &self,
        job: &Job,
        namespace: Option<&str>,
        bucket: Option<&str>,
    ) -> Result<Vec<Workflow>> {
        let mut taken = HashSet::new();
        let selected = self.entries().filter(|(_, decision)| decision.run);
        selected
            .map(|(entry, _)| {
                let mut name = names::workflow_name(job, &entry.name, &names::salt());
                while !taken.insert(name.clone()) {
                    name = names::workflow_name(job, &entry.name, &names::salt());
                }
                let rendering = Rendering {
                    name: &name,
                    entry: &entry.name,
                    namespace,
                    bucket,
                    job,
                    params: &entry.params,
                };
                let (source, manifest) = self.render_one(entry, &rendering)?;
                Ok(Workflow {
                    entry: entry.name.clone(),
                    name: name.clone(),
                    source,
                    manifest,
                })
            })
            .collect()
    }

    fn render_one(&self, entry: &Entry, rendering: &Rendering<'_>) -> Result<(PathBuf, Value)> {
        let Kind::Manifest(path) = &entry.kind else {
            return Err(self.not_supported(entry));
        };
        let source = self.inside(entry, path)?;
        let manifest = workflow::read(&source)?;
        match rendering.render(&manifest) {
            Ok(value) => Ok((source, value)),
            Err(Mistake::Manifest(error)) => Err(error),
            Err(Mistake::Parameter(name)) => Err(self
                .config
                .item_error(
                    entry,
                    "params",
                    &name,
                    format!("{path} declares no parameter {name:?}"),
                )
                .hint("spec.arguments.parameters of the manifest is the list of them")),
        }
    }

    fn not_supported(&self, entry: &Entry) -> Error {
        let (field, what) = match entry.kind {
            Kind::Manifest(_) | Kind::Jsonnet { .. } => ("manifest", "manifests in jsonnet are"),
            Kind::PyFunc { .. } => ("py_func", "py_func is"),
            Kind::Ksonnet { .. } => ("app_dir", "app_dir is"),
            Kind::Tekton(_) => ("tekton_run", "tekton_run is"),
            Kind::WorkflowTemplate { .. } => ("workflow_template", "w is"),
        };
        let what = format!("{what} not supported yet");
        self.config
            .error(entry, field, what)
            .hint("give the workflow as manifest: PATH, an Argo Workflow in YAML or JSON")
    }

    /// The file of a manifest, wherever symbolic links lead: it has to be in the repository.
    fn inside(&self, entry: &Entry, path: &str) -> Result<PathBuf> {
        let mistake = |what: String| self.config.error(entry, "manifest", what);
        let file = self.config.folder().join(path);
        let real =
            canonical(&file).map_err(|error| mistake(format!("manifest: {}", error.report())))?;
        let folder = canonical(&self.config.folder())?;
        let root = canonical(&self.root)?;
        // A configuration from elsewhere has its manifests beside it.
        let limit = if folder.starts_with(&root) {
            root
        } else {
            folder
        };
        if real.starts_with(&limit) {
            Ok(file)
        } else {
            Err(mistake(format!(
                "manifest: {path:?} leaves {}",
                limit.display()
            )))
        }
    }
}

fn canonical(path: &Path) -> Result<PathBuf> {
    path.canonicalize()
        .or_usage(|| format!("read {}", path.display()))
}
