//! `tekton_run`: a Tekton `PipelineRun`, told of this run as kubeflow/testing's `tekton_client`
//! did: the three parameters that every run has, the entry's own, and the revision under test.

use common::job::{Job, JobType};
use common::yaml::Document;
use common::{Error, Result};
use serde_json::{Map, Value, json};
use tracing::warn;

use super::{Context, Order, Product};
use crate::config::Tekton;

/// The group of Tekton's API; its versions differ in nothing that is touched here.
const GROUP: &str = "tekton.dev/";

/// Parameters that say which revision is to be tested.
const REVISION: [&str; 3] = ["revision", "git-revision", "pull-revision"];

/// The `PipelineRun` of an entry, and the one that follows it.
pub(super) fn product(
    context: &Context<'_>,
    order: &Order<'_>,
    tekton: &Tekton,
) -> Result<Product> {
    if context.job.job_type == JobType::Batch {
        warn!(
            "{}: a PipelineRun takes one revision: of this batch it tests the base alone",
            common::on_one_line(&order.entry.name)
        );
    }
    let target = tekton.test_target_name.as_deref();
    let target = target.unwrap_or(&order.entry.name);
    let (value, document) = pipeline_run(
        context,
        order,
        ("tekton_run", &tekton.run),
        values(order, target, &tekton.params),
    )?;
    let teardown = match &tekton.teardown {
        None => None,
        Some(teardown) => {
            let values = values(order, target, &tekton.teardown_params);
            let field = ("tekton_teardown", teardown.as_str());
            Some(pipeline_run(context, order, field, values)?.0)
        }
    };
    Ok(Product {
        value,
        document: Some(document),
        teardown,
    })
}

fn pipeline_run(
    context: &Context<'_>,
    order: &Order<'_>,
    (field, path): (&str, &str),
    values: Vec<(String, Value)>,
) -> Result<(Value, Document)> {
    let file = context.repositories.find(path).map_err(|error| {
        let what = format!("{field}: {}", error.report());
        context.config.error(order.entry, field, what)
    })?;
    let document = Document::read(&file)?;
    if document.value["kind"] != "PipelineRun" {
        return Err(
            (document.error("/kind", "kind is not PipelineRun")).hint(format!(
                "{field} names the manifest of a Tekton PipelineRun"
            )),
        );
    }
    let api_version = document.value["apiVersion"].as_str().unwrap_or_default();
    if !api_version.starts_with(GROUP) {
        return Err(document
            .error("/apiVersion", format!("apiVersion is not of {GROUP}"))
            .hint("today's is tekton.dev/v1"));
    }
    let mut run = document.value.clone();
    let Some(spec) = run.get_mut("spec").and_then(Value::as_object_mut) else {
        return Err(document.error("/spec", "spec is not a mapping"));
    };
    let has_resources = spec.contains_key("resources");
    put_params(spec, context.job, values);
    let is_of_change = matches!(
        context.job.job_type,
        JobType::Presubmit | JobType::Postsubmit
    );
    // Newer ones have none: they take the revision as a parameter.
    if !put_revision(spec, context.job) && has_resources && is_of_change {
        return Err(no_resource(&document, context.job));
    }
    Ok((run, document))
}

/// What is known of the run, then what the entry gives; the last one of a name is it.
fn values(order: &Order<'_>, target: &str, params: &[(String, Value)]) -> Vec<(String, Value)> {
    let junit = format!("artifacts/junit_{}", order.name);
    let mut values = vec![
        ("test-target-name".to_owned(), target.into()),
        ("junit-path".to_owned(), junit.into()),
    ];
    if let Some(results) = order.results {
        values.push(("artifacts-gcs".to_owned(), results.into()));
    }
    values.extend(params.iter().cloned());
    values.extend(order.entry.params.clone());
    values
}

/// Puts values in place of the manifest's own, and those that it does not have behind them.
fn put_params(spec: &mut Map<String, Value>, job: &Job, values: Vec<(String, Value)>) {
    let params = spec.entry("params").or_insert_with(|| json!([]));
    if !params.is_array() {
        *params = json!([]);
    }
    let Some(params) = params.as_array_mut() else {
        return;
    };
    if let Some(revision) = revision(job) {
        for param in params.iter_mut() {
            if REVISION.iter().any(|name| param["name"] == **name) {
                param["value"] = revision.as_str().into();
            }
        }
    }
    for (name, value) in values {
        match params.iter_mut().find(|param| param["name"] == *name) {
            Some(param) => param["value"] = value,
            None => params.push(json!({"name": name, "value": value})),
        }
    }
}

/// Points the git resources of the repository under test to the revision under test.
fn put_revision(spec: &mut Map<String, Value>, job: &Job) -> bool {
    let (Some(url), Some(revision)) = (repository_url(job), revision(job)) else {
        return false;
    };
    let resources = spec.get_mut("resources").and_then(Value::as_array_mut);
    let mut found = false;
    for resource in resources.into_iter().flatten() {
        let is_git = resource
            .pointer("/resourceSpec/type")
            .is_some_and(|kind| kind == "git");
        let Some(params) = resource
            .pointer_mut("/resourceSpec/params")
            .filter(|params| is_git && params.as_array().is_some_and(|all| names(all, &url)))
        else {
            continue;
        };
        *params = json!([
            {"name": "url", "value": url},
            {"name": "revision", "value": revision},
        ]);
        found = true;
    }
    found
}

fn names(params: &[Value], url: &str) -> bool {
    let plain = |url: &str| url.trim_end_matches(".git").to_owned();
    (params.iter()).any(|param| {
        let value = param["value"].as_str().unwrap_or_default();
        param["name"] == "url" && plain(value) == plain(url)
    })
}

fn repository_url(job: &Job) -> Option<String> {
    let refs = job.refs.as_ref()?;
    Some(format!("https://github.com/{}/{}.git", refs.org, refs.repo))
}

/// What Tekton is to check out. A job that says nothing of it, as a periodic one, leaves that to the
/// manifest.
fn revision(job: &Job) -> Option<String> {
    if let Some(pull) = job.pull() {
        return Some(format!("refs/pull/{}/head", pull.number));
    }
    let sha = &job.refs.as_ref()?.base_sha;
    (!sha.is_empty()).then(|| sha.clone())
}

fn no_resource(document: &Document, job: &Job) -> Error {
    let url = repository_url(job).unwrap_or_default();
    document
        .error(
            "/spec/resources",
            "spec.resources has no git resource of the repository under test",
        )
        .hint(format!(
            "a resource of type git needs the parameter url: {url}"
        ))
}
