//! The manifest as run-local runs it: read once, checked in full, before anything starts.

mod container;
mod cursor;
mod fields;
mod security;
mod task;
mod template;
mod validate;
mod volume;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::Result;
use common::yaml::Document;
use serde_json::Value;

pub(crate) use container::{Container, EnvSource, Mount, Pull};
pub(crate) use cursor::scalar;
pub(crate) use security::Security;
pub(crate) use task::{Loop, Sequence, Task};
pub(crate) use template::{Backoff, Body, Input, OutputSource, Retry, RetryPolicy, Template};
pub(crate) use volume::{Volume, VolumeSource};

use cursor::Cursor;

/// A Workflow, ready to run.
#[derive(Debug)]
pub(crate) struct Workflow {
    /// The object as it was read; its status is added to a copy of this.
    pub(crate) document: Document,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) service_account: String,
    pub(crate) entrypoint: String,
    pub(crate) on_exit: Option<String>,
    /// In the manifest's order, with the values from the command line put in.
    pub(crate) parameters: Vec<(String, String)>,
    /// Those of them whose value is the command line's: it is taken as it is.
    pub(crate) given: BTreeSet<String>,
    pub(crate) templates: BTreeMap<String, Arc<Template>>,
    pub(crate) volumes: Vec<Volume>,
    /// Seconds, as text because a tag may stand there.
    pub(crate) active_deadline: Option<String>,
    pub(crate) parallelism: Option<usize>,
    /// Fields that only matter to a cluster, for the log.
    pub(crate) not_applied: BTreeSet<String>,
}

impl Workflow {
    /// Reads and checks everything that can be checked before a step runs. `given` are
    /// parameters of the command line.
    pub(crate) fn read(document: &Document, given: &[(String, String)]) -> Result<Self> {
        let mut not_applied = BTreeSet::new();
        let spec = Cursor::at(document, "/spec", "spec");
        spec.check(&fields::SPEC, &mut not_applied)?;
        let metadata = Cursor::at(document, "/metadata", "metadata");
        let name = name(&metadata)?;
        let mut templates = BTreeMap::new();
        for cursor in spec.items("templates")? {
            let template = Template::read(cursor.clone(), &spec, &mut not_applied)?;
            let name = template.name.clone();
            if templates.insert(name.clone(), Arc::new(template)).is_some() {
                return Err(cursor.error(format!("there are two templates {name:?}")));
            }
        }
        let mut volumes = volume::read(&spec, &mut not_applied)?;
        volumes.extend(volume::read_claim_templates(&spec, &name)?);
        let workflow = Workflow {
            namespace: metadata
                .text("namespace")?
                .unwrap_or_else(|| "default".to_owned()),
            labels: metadata.text_map("labels"),
            annotations: metadata.text_map("annotations"),
            service_account: spec
                .text("serviceAccountName")?
                .unwrap_or_else(|| "default".to_owned()),
            entrypoint: spec.required_text("entrypoint")?,
            on_exit: spec.text("onExit")?.filter(|name| !name.is_empty()),
            parameters: parameters(&spec, given, &mut not_applied)?,
            given: given.iter().map(|(name, _)| name.clone()).collect(),
            active_deadline: spec.seconds("activeDeadlineSeconds")?,
            parallelism: spec.count("parallelism")?,
            templates,
            volumes,
            not_applied,
            name,
            document: document.clone(),
        };
        validate::check(&workflow, &spec)?;
        Ok(workflow)
    }

    /// The names of `spec.arguments.parameters`.
    pub(crate) fn declared_parameters(document: &Document) -> Vec<&str> {
        let list = document.value.pointer("/spec/arguments/parameters");
        let list = list.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|parameter| parameter.get("name")?.as_str())
            .collect()
    }

    /// The object as it runs: with the values of the command line, so that a step of it runs
    /// again on the same ones.
    pub(crate) fn object(&self) -> Value {
        let mut object = self.document.value.clone();
        let list = object.pointer_mut("/spec/arguments/parameters");
        let list = list.and_then(Value::as_array_mut).into_iter().flatten();
        for (parameter, (name, value)) in list.zip(&self.parameters) {
            if self.given.contains(name)
                && let Some(fields) = parameter.as_object_mut()
            {
                fields.insert("value".to_owned(), value.as_str().into());
            }
        }
        object
    }
}

/// The workflow's name, or one made from `generateName` as the API server does.
fn name(metadata: &Cursor) -> Result<String> {
    let name = match metadata.text("name")?.filter(|name| !name.is_empty()) {
        Some(name) => name,
        None => match metadata
            .text("generateName")?
            .filter(|prefix| !prefix.is_empty())
        {
            Some(prefix) => format!("{prefix}{:05x}", std::process::id() & 0xf_ffff),
            None => return Err(metadata.error("metadata has neither name nor generateName")),
        },
    };
    let good = name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        });
    if good {
        Ok(name)
    } else {
        Err(metadata
            .field("name")
            .error(format!("{name:?} is not a DNS-1123 name")))
    }
}

/// `spec.arguments.parameters` with the values of the command line in place of its own.
fn parameters(
    spec: &Cursor,
    given: &[(String, String)],
    not_applied: &mut BTreeSet<String>,
) -> Result<Vec<(String, String)>> {
    let arguments = spec.field("arguments");
    arguments.check(&fields::ARGUMENTS, not_applied)?;
    let mut parameters: Vec<(String, String)> = Vec::new();
    for parameter in arguments.items("parameters")? {
        parameter.check(&fields::PARAMETER, not_applied)?;
        let name = parameter.required_text("name")?;
        if parameters.iter().any(|(other, _)| *other == name) {
            return Err(parameter.error(format!("there are two parameters {name:?}")));
        }
        let own = match parameter.scalar("value")? {
            Some(value) => Some(value),
            None => parameter.scalar("default")?,
        };
        let typed = given.iter().rev().find(|(other, _)| *other == name);
        let Some(value) = typed.map(|(_, value)| value.clone()).or(own) else {
            return Err(parameter
                .error(format!("the parameter {name:?} has no value"))
                .hint(format!("give it one with -p {name}=VALUE")));
        };
        parameters.push((name, value));
    }
    if let Some((unknown, _)) = given
        .iter()
        .find(|(name, _)| !parameters.iter().any(|(other, _)| other == name))
    {
        return Err(arguments.error(format!(
            "-p {unknown}: the workflow declares no parameter of this name"
        )));
    }
    Ok(parameters)
}
