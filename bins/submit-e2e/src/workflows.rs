//! The selected workflows as they are submitted.

use std::collections::HashSet;
use std::path::Path;

use common::app::App;
use common::bucket::{self, Layout};
use common::job::Job;
use common::yaml::Document;
use common::{Error, Result, exec, workflow};
use serde_json::{Map, Value};
use tracing::error;

use crate::config::{Config, Entry, Kind};
use crate::names::{self, Naming};
use crate::opts::{RenderOpts, SourceOpts};
use crate::origin::{Origin, Source};
use crate::produce::{self, Context, Order, Product, Repositories};
use crate::render::{Mistake, Rendering};
use crate::selection::Selection;

/// A workflow to run: objects that an engine creates as they are. Each has `apiVersion`, `kind` and
/// `metadata.name`, and `metadata.namespace` where its author or `--namespace` says so; nothing of
/// them is this engine's or that one's. An Argo Workflow (`kind` of the object is `Workflow`) says by
/// its `status.phase` what came of it, a `PipelineRun` by `status.conditions`.
#[derive(Debug, Clone)]
pub(crate) struct Workflow {
    /// Name in `prow_config.yaml`.
    pub(crate) entry: String,
    /// Name of the workflow object.
    pub(crate) name: String,
    /// The file that it was read from, where it is one.
    pub(crate) document: Option<Document>,
    /// The object to submit: a Workflow of `argoproj.io/v1alpha1`, or a `PipelineRun` of a version of
    /// `tekton.dev`.
    pub(crate) manifest: Value,
    /// A `PipelineRun` that is to be submitted when that has come to its end, whatever came of it.
    pub(crate) teardown: Option<Value>,
    /// What it was made from, by the names of `plan`: `manifest`, `jsonnet`, `py_func`, `ksonnet`,
    /// `workflow_template` or `tekton`.
    pub(crate) kind: &'static str,
}

impl Workflow {
    /// The objects to submit, in their order.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Value> {
        std::iter::once(&self.manifest).chain(&self.teardown)
    }
}

/// How workflows are made.
pub(crate) struct Maker<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) source: &'a Source,
    pub(crate) source_opts: &'a SourceOpts,
    pub(crate) opts: &'a RenderOpts,
    /// The bucket's URL, where there is one.
    pub(crate) bucket: Option<&'a str>,
    pub(crate) layout: Layout,
    /// A folder for files that are needed meanwhile.
    pub(crate) folder: &'a Path,
    pub(crate) names: Naming,
    /// Values that are given by hand, by the parameters' names.
    pub(crate) parameters: &'a [(String, String)],
    pub(crate) app: &'a App,
}

impl Maker<'_> {
    /// The selected workflows. Of several mistakes the last one is the error, and the log tells
    /// the others.
    pub(crate) async fn make(&self, selection: &Selection) -> Result<Vec<Workflow>> {
        let mut workflows = Vec::new();
        let mut mistake: Option<Error> = None;
        for outcome in self.try_all(selection).await? {
            match outcome {
                Ok(workflow) => workflows.push(workflow),
                Err(later) => {
                    if let Some(earlier) = mistake.replace(later) {
                        error!("{}", earlier.report());
                    }
                }
            }
        }
        mistake.map_or(Ok(workflows), Err)
    }

    /// The outcome of every selected workflow.
    pub(crate) async fn try_all(&self, selection: &Selection) -> Result<Vec<Result<Workflow>>> {
        let (job, config) = (self.origin.job(), &selection.config);
        let entries: Vec<&Entry> = selection.selected().collect();
        let names = names(job, &entries, self.names);
        let results = match self.bucket {
            Some(url) => {
                let folder = bucket::job_folder(job, self.layout)?;
                Some(format!("{}/{}", url.trim_end_matches('/'), folder.as_str()))
            }
            None => None,
        };
        let repositories = self.repositories()?;
        let context = Context {
            app: self.app,
            config,
            job,
            repositories: &repositories,
            folder: self.folder,
            python: &self.opts.python,
            limit: self.opts.render_timeout,
        };
        let orders: Vec<_> = (entries.iter().zip(&names))
            .map(|(entry, name)| Order {
                entry,
                name,
                namespace: self.opts.namespace.as_deref(),
                bucket: self.bucket,
                results: results.as_deref(),
            })
            .collect();
        // What a function started, and left running, ends with it.
        exec::adopt_orphans()?;
        let products = produce::all(&context, &orders).await;
        exec::end_orphans();
        self.app.stop.check("while workflows were made")?;
        let mut taken = HashSet::new();
        let render = |(order, product): (&Order<'_>, Result<Product>)| {
            let workflow = self.render(config, order, product?)?;
            if taken.insert(workflow.name.clone()) {
                return Ok(workflow);
            }
            let what = format!("a second workflow of this run is named {:?}", workflow.name);
            Err(config
                .error(order.entry, order.entry.kind.key(), what)
                .hint("give the object the name that the function gets as its argument `name`"))
        };
        Ok(orders.iter().zip(products).map(render).collect())
    }

    fn is_by_hand(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|(name, _)| name == parameter)
    }

    fn repositories(&self) -> Result<Repositories> {
        let is_working_tree = matches!(self.origin, Origin::WorkingTree(_));
        Repositories::new(
            self.origin.repository(&self.app.env),
            &self.source.root,
            is_working_tree,
            self.source_opts.repos_dir.as_deref(),
            self.folder,
        )
    }

    fn render(&self, config: &Config, order: &Order<'_>, product: Product) -> Result<Workflow> {
        let entry = order.entry;
        let mistake = |what: String| config.error(entry, entry.kind.key(), what);
        if product.document.is_none() {
            check_object(&product.value).map_err(|what| mistake(what.to_owned()))?;
        }
        let target = target_name(entry);
        let mut params = match entry.kind {
            // Its component has them already.
            Kind::Ksonnet { .. } => Map::new(),
            _ => entry.params.clone(),
        };
        for (name, value) in self.parameters {
            params.insert(name.clone(), value.as_str().into());
        }
        let rendering = Rendering {
            name: order.name,
            entry: &entry.name,
            target: &target,
            namespace: order.namespace,
            bucket: order.bucket,
            project: self.opts.project.as_deref(),
            job: self.origin.job(),
            params: &params,
            is_made_for_run: matches!(
                entry.kind,
                Kind::PyFunc { .. } | Kind::Ksonnet { .. } | Kind::Jsonnet { .. }
            ),
        };
        let explain = |found| match (found, &product.document) {
            (Mistake::NoMapping(pointer), Some(document)) => {
                document.error(&pointer, format!("{pointer} is not a mapping"))
            }
            (Mistake::NoMapping(pointer), None) => {
                mistake(format!("{pointer} of the workflow is not a mapping"))
            }
            (Mistake::Parameter(name), _) if self.is_by_hand(&name) => {
                let what = format!("{} declares no parameter {name:?}", whose(entry));
                Error::usage(format!("--parameter {name}: {what}"))
            }
            (Mistake::Parameter(name), _) => {
                let what = format!("{} declares no parameter {name:?}", whose(entry));
                let cure = match entry.kind {
                    Kind::PyFunc { .. } => "arguments of the function are given as kwargs",
                    _ => "spec.arguments.parameters of the workflow is the list of them",
                };
                config.item_error(entry, "params", &name, what).hint(cure)
            }
        };
        let manifest = match entry.kind {
            Kind::Tekton(_) => rendering.mark(product.value),
            _ => rendering.render(product.value),
        };
        let manifest = manifest.map_err(explain)?;
        let after = format!("{}-teardown", entry.name);
        let salt = self.names.salt(self.origin.job(), &after, 0);
        let after = names::workflow_name(self.origin.job(), &after, &salt);
        let teardown = product.teardown.map(|teardown| {
            let rendering = Rendering {
                name: &after,
                ..rendering
            };
            rendering.mark(teardown)
        });
        let teardown = teardown.transpose().map_err(explain)?;
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        if !names::is_valid(name) {
            let what = format!("the workflow's own name {name:?} is no name for an object");
            return Err(mistake(what).hint(
                "it has to be lower-case letters, digits and hyphens, 62 at most: use the name that \
                 the function gets as its argument `name`",
            ));
        }
        Ok(Workflow {
            entry: entry.name.clone(),
            name: name.to_owned(),
            document: product.document,
            manifest,
            teardown,
            kind: entry.kind.as_str(),
        })
    }
}

/// A name for each entry's object, no two the same.
fn names(job: &Job, entries: &[&Entry], naming: Naming) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut name = |entry: &&Entry| {
        let mut attempt = 0;
        loop {
            let salt = naming.salt(job, &entry.name, attempt);
            let name = names::workflow_name(job, &entry.name, &salt);
            if taken.insert(name.clone()) {
                return name;
            }
            attempt += 1;
        }
    };
    entries.iter().map(&mut name).collect()
}

/// What declares the parameters of an entry.
fn whose(entry: &Entry) -> &str {
    match &entry.kind {
        Kind::Manifest(path) | Kind::Jsonnet { path, .. } => path,
        _ => "its workflow",
    }
}

/// What the tests of an entry report as: the entry's name, unless its function is told another.
fn target_name(entry: &Entry) -> String {
    let own = match &entry.kind {
        Kind::PyFunc { kwargs, .. } => kwargs.get("test_target_name").and_then(Value::as_str),
        _ => None,
    };
    own.unwrap_or(&entry.name).to_owned()
}

/// Checks that what a function or an evaluation gave is a Workflow.
fn check_object(value: &Value) -> Result<(), &'static str> {
    if value["kind"] != "Workflow" {
        return Err("what it gives is no Workflow: kind is not Workflow");
    }
    if value["apiVersion"] != workflow::API_VERSION {
        return Err(
            "what it gives is no Workflow that is known: apiVersion is not argoproj.io/v1alpha1",
        );
    }
    if !value["spec"]["templates"].is_array() && !value["spec"]["workflowTemplateRef"].is_object() {
        return Err("what it gives is no Workflow: spec.templates is not a list");
    }
    Ok(())
}
