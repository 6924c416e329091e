//! A manifest as it is submitted: with this run's name, labels, parameters and variables put
//! in. Everything else stays as it is, in its order.

use common::job::Job;
use common::yaml::Document;
use common::{Error, env};
use serde_json::{Map, Value, json};

/// Variables of `prow_env`, sorted: those of kubeflow/testing.
const PROW_ENV: [&str; 9] = [
    env::BUILD_ID,
    env::BUILD_NUMBER,
    env::JOB_NAME,
    env::JOB_TYPE,
    env::PULL_BASE_SHA,
    env::PULL_NUMBER,
    env::PULL_PULL_SHA,
    env::REPO_NAME,
    env::REPO_OWNER,
];

/// What a label says of a variable that is not set.
const NOT_SET: &str = "notset";

/// Longest value of a label.
const LABEL_LENGTH: usize = 63;

/// What is put into a manifest.
pub(crate) struct Rendering<'a> {
    /// Name of the workflow object.
    pub(crate) name: &'a str,
    /// Name of the workflow in `prow_config.yaml`.
    pub(crate) entry: &'a str,
    /// Namespace of the workflow object, where one is asked for.
    pub(crate) namespace: Option<&'a str>,
    /// The bucket's URL, where there is one.
    pub(crate) bucket: Option<&'a str>,
    /// The job.
    pub(crate) job: &'a Job,
    /// Parameters that the entry gives.
    pub(crate) params: &'a Map<String, Value>,
}

/// Why a manifest cannot be rendered.
#[derive(Debug)]
pub(crate) enum Mistake {
    /// A mistake in the manifest itself.
    Manifest(Error),
    /// The entry gives a parameter of this name, which the manifest does not declare.
    Parameter(String),
}

impl Rendering<'_> {
    /// Puts everything in.
    pub(crate) fn render(&self, manifest: &Document) -> Result<Value, Mistake> {
        let mut workflow = manifest.value.clone();
        let variables = self.job.variables();
        let no_mapping = |pointer: &str| {
            Mistake::Manifest(manifest.error(pointer, format!("{pointer} is not a mapping")))
        };
        let metadata = mapping(&mut workflow, "metadata").ok_or_else(|| no_mapping("/metadata"))?;
        self.put_name(metadata);
        self.put_labels(metadata, &variables, None)
            .ok_or_else(|| no_mapping("/metadata/labels"))?;
        self.put_parameters(&mut workflow, &variables)
            .map_err(Mistake::Parameter)?;
        let templates = workflow
            .pointer_mut("/spec/templates")
            .and_then(Value::as_array_mut);
        for (index, template) in templates.into_iter().flatten().enumerate() {
            // These make no pods.
            if template.get("steps").is_some() || template.get("dag").is_some() {
                continue;
            }
            let pointer = format!("/spec/templates/{index}");
            self.put_into_template(template, &variables)
                .ok_or_else(|| no_mapping(&pointer))?;
        }
        Ok(workflow)
    }

    fn put_name(&self, metadata: &mut Map<String, Value>) {
        metadata.shift_remove("generateName");
        metadata.insert("name".to_owned(), self.name.into());
        if let Some(namespace) = self.namespace {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
    }

    fn put_into_template(&self, template: &mut Value, variables: &[(&str, String)]) -> Option<()> {
        let step = template
            .get("name")
            .and_then(Value::as_str)
            .map(str::to_owned);
        self.put_labels(mapping(template, "metadata")?, variables, step.as_deref())?;
        self.put_variables(template.as_object_mut()?, variables);
        Some(())
    }

    fn put_labels(
        &self,
        metadata: &mut Map<String, Value>,
        variables: &[(&str, String)],
        step: Option<&str>,
    ) -> Option<()> {
        let labels = filled(metadata.entry("labels").or_insert(Value::Null))?;
        let mut put = |name: &str, value: Option<&str>| {
            let value = value.map_or_else(|| NOT_SET.to_owned(), label_value);
            labels.entry(name).or_insert(value.into());
        };
        for name in env::PROW {
            // These do not fit a label.
            if ![env::JOB_SPEC, env::PULL_REFS].contains(&name) {
                put(name, value_of(variables, name));
            }
        }
        put("workflow", Some(self.name));
        put("workflow_template", Some(self.entry));
        if let Some(step) = step {
            put("step_name", Some(step));
        }
        Some(())
    }

    fn put_parameters(
        &self,
        workflow: &mut Value,
        variables: &[(&str, String)],
    ) -> Result<(), String> {
        let mut declared = Vec::new();
        let parameters = workflow.pointer_mut("/spec/arguments/parameters");
        for parameter in parameters
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let Some(parameter) = parameter.as_object_mut() else {
                continue;
            };
            let Some(name) = parameter.get("name").and_then(Value::as_str) else {
                continue;
            };
            let name = name.to_owned();
            let value = match self.params.get(&name) {
                Some(Value::String(text)) => Some(text.clone()),
                Some(other) => Some(other.to_string()),
                None => self.standard_parameter(&name, variables),
            };
            if let Some(value) = value {
                parameter.shift_remove("valueFrom");
                parameter.insert("value".to_owned(), value.into());
            }
            declared.push(name);
        }
        match self.params.keys().find(|name| !declared.contains(name)) {
            Some(unknown) => Err(unknown.clone()),
            None => Ok(()),
        }
    }

    fn standard_parameter(&self, name: &str, variables: &[(&str, String)]) -> Option<String> {
        match name {
            "name" => Some(self.name.to_owned()),
            "namespace" => self.namespace.map(str::to_owned),
            "bucket" => self.bucket.map(str::to_owned),
            "test_target_name" => Some(self.entry.to_owned()),
            "prow_env" => Some(prow_env(variables)),
            _ => None,
        }
    }

    /// `TEST_TARGET_NAME` and Prow's variables on every container of a template, before its
    /// own variables so that these can refer to them.
    fn put_variables(&self, template: &mut Map<String, Value>, variables: &[(&str, String)]) {
        for container in containers(template) {
            let env = container.entry("env").or_insert(Value::Null);
            if env.is_null() {
                *env = json!([]);
            }
            let Some(own) = env.as_array_mut() else {
                continue;
            };
            let target = (env::TEST_TARGET_NAME, self.entry.to_owned());
            let is_new = |name: &str| !own.iter().any(|variable| variable["name"] == name);
            let mut all: Vec<Value> = (variables.iter().chain([&target]))
                .filter(|(name, _)| is_new(name))
                .map(
                    |(name, value)| json!({"name": name, "value": without_templating(name, value)}),
                )
                .collect();
            all.append(own);
            *own = all;
        }
    }
}

fn containers(template: &mut Map<String, Value>) -> Vec<&mut Map<String, Value>> {
    let mut containers: Vec<&mut Value> = Vec::new();
    for (key, value) in template {
        let list = match key.as_str() {
            "container" | "script" => {
                containers.push(value);
                None
            }
            "initContainers" | "sidecars" => value.as_array_mut(),
            "containerSet" => value.get_mut("containers").and_then(Value::as_array_mut),
            _ => None,
        };
        containers.extend(list.into_iter().flatten());
    }
    containers
        .into_iter()
        .filter_map(Value::as_object_mut)
        .collect()
}

/// A title or branch of a pull request is in `JOB_SPEC` and must not be taken for one of
/// Argo's `{{…}}`. Two braces in a row stand in JSON only within a string, where the second
/// may be written as its number.
fn without_templating(name: &str, value: &str) -> String {
    if name == env::JOB_SPEC {
        value.replace("{{", "{\\u007b")
    } else {
        value.to_owned()
    }
}

/// The mapping under a key, made where there is none.
fn mapping<'a>(parent: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    filled(parent.as_object_mut()?.entry(key).or_insert(Value::Null))
}

fn filled(value: &mut Value) -> Option<&mut Map<String, Value>> {
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut()
}

fn value_of<'a>(variables: &'a [(&str, String)], name: &str) -> Option<&'a str> {
    let (_, value) = variables.iter().find(|(own, _)| *own == name)?;
    Some(value)
}

/// `K=V,K=V`, sorted by name. A value with a comma would be read as two.
fn prow_env(variables: &[(&str, String)]) -> String {
    let pair = |name: &&str| {
        let value = value_of(variables, name).filter(|value| !value.contains(','))?;
        Some(format!("{name}={value}"))
    };
    PROW_ENV
        .iter()
        .filter_map(pair)
        .collect::<Vec<_>>()
        .join(",")
}

/// A label's value: letters, digits, `-`, `_` and `.`, a letter or digit first and last.
fn label_value(text: &str) -> String {
    let valid = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let text: String = text.chars().map(valid).take(LABEL_LENGTH).collect();
    text.trim_matches(|c: char| !c.is_ascii_alphanumeric())
        .to_owned()
}

#[cfg(test)]
mod tests;
