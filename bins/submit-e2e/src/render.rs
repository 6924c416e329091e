//! A manifest as it is submitted: with this run's name, labels, parameters and variables put
//! in. Everything else stays as it is, in its order.

mod marks;
mod templates;

use common::env;
use common::job::Job;
use serde_json::{Map, Value, json};

use marks::Marks;
use templates::{containers, inline_templates};

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

/// How long a finished workflow stays on the cluster: 7 days.
const SECONDS_KEPT: u32 = 7 * 24 * 60 * 60;

/// What is put into a manifest.
pub(crate) struct Rendering<'a> {
    /// Name of the workflow object.
    pub(crate) name: &'a str,
    /// Name of the workflow in `prow_config.yaml`.
    pub(crate) entry: &'a str,
    /// What its tests report as.
    pub(crate) target: &'a str,
    /// Namespace of the workflow object, where one is asked for.
    pub(crate) namespace: Option<&'a str>,
    /// The bucket's URL, where there is one.
    pub(crate) bucket: Option<&'a str>,
    /// The Google Cloud project of the logs, where one is named.
    pub(crate) project: Option<&'a str>,
    /// The job.
    pub(crate) job: &'a Job,
    /// Parameters that the entry gives.
    pub(crate) params: &'a Map<String, Value>,
    /// Whether the object was made for this run: then its own name and values stay.
    pub(crate) is_made_for_run: bool,
}

/// Why a manifest cannot be rendered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// What stands at this JSON pointer is no mapping.
    NoMapping(String),
    /// The entry gives a parameter of this name, which the manifest does not declare.
    Parameter(String),
}

impl Rendering<'_> {
    /// Puts everything in.
    pub(crate) fn render(&self, mut workflow: Value) -> Result<Value, Mistake> {
        let variables = self.job.variables();
        let no_mapping = |pointer: &str| Mistake::NoMapping(pointer.to_owned());
        let metadata = mapping(&mut workflow, "metadata").ok_or_else(|| no_mapping("/metadata"))?;
        self.put_name(metadata);
        let name = metadata.get("name").and_then(Value::as_str);
        let name = name.unwrap_or(self.name).to_owned();
        let marks = Marks {
            name: &name,
            entry: self.entry,
            project: self.project,
            variables: &variables,
        };
        (marks.put(metadata, None)).map_err(|field| no_mapping(&format!("/metadata/{field}")))?;
        self.put_parameters(&mut workflow, &variables)
            .map_err(Mistake::Parameter)?;
        let spec = mapping(&mut workflow, "spec").ok_or_else(|| no_mapping("/spec"))?;
        put_time_to_live(spec);
        if spec.contains_key("workflowTemplateRef") {
            self.put_defaults(spec, &marks, &variables)
                .ok_or_else(|| no_mapping("/spec"))?;
        }
        let templates = spec.get_mut("templates").and_then(Value::as_array_mut);
        for (index, template) in templates.into_iter().flatten().enumerate() {
            let pointer = format!("/spec/templates/{index}");
            self.put_into_template(template, &marks, &variables)
                .map_err(|field| no_mapping(&format!("{pointer}{field}")))?;
        }
        Ok(workflow)
    }

    /// An object that is no Workflow: it gets its name and whose it is. Its namespace stays, as what
    /// it refers to is there: pipelines, a service account.
    pub(crate) fn mark(&self, mut object: Value) -> Result<Value, Mistake> {
        let variables = self.job.variables();
        let no_mapping = |pointer: &str| Mistake::NoMapping(pointer.to_owned());
        let metadata = mapping(&mut object, "metadata").ok_or_else(|| no_mapping("/metadata"))?;
        let namespace = metadata.get("namespace").cloned();
        self.put_name(metadata);
        if let Some(own) = namespace.filter(Value::is_string) {
            metadata.insert("namespace".to_owned(), own);
        }
        let marks = Marks {
            name: self.name,
            entry: self.entry,
            project: self.project,
            variables: &variables,
        };
        (marks.put(metadata, None)).map_err(|field| no_mapping(&format!("/metadata/{field}")))?;
        Ok(object)
    }

    fn put_name(&self, metadata: &mut Map<String, Value>) {
        let keeps = |field: &str| {
            let own = metadata.get(field).and_then(Value::as_str);
            self.is_made_for_run && own.is_some_and(|own| !own.is_empty())
        };
        let (keeps_name, keeps_namespace) = (keeps("name"), keeps("namespace"));
        metadata.shift_remove("generateName");
        if !keeps_name {
            metadata.insert("name".to_owned(), self.name.into());
        }
        match self.namespace {
            Some(namespace) if !keeps_namespace => {
                metadata.insert("namespace".to_owned(), namespace.into());
            }
            None if metadata.get("namespace").is_some_and(is_unset) => {
                metadata.shift_remove("namespace");
            }
            _ => {}
        }
    }

    /// What all pods of a template of the cluster get: its steps are not here to be changed.
    fn put_defaults(
        &self,
        spec: &mut Map<String, Value>,
        marks: &Marks<'_>,
        variables: &[(&str, String)],
    ) -> Option<()> {
        marks
            .put(
                filled(spec.entry("podMetadata").or_insert(Value::Null))?,
                None,
            )
            .ok()?;
        let defaults = filled(spec.entry("templateDefaults").or_insert(Value::Null))?;
        let container = filled(defaults.entry("container").or_insert(Value::Null))?;
        self.put_variables(container, variables);
        Some(())
    }

    /// A template, and those that its tasks have in themselves. An error names the field that is
    /// no mapping, as a JSON pointer.
    fn put_into_template(
        &self,
        template: &mut Value,
        marks: &Marks<'_>,
        variables: &[(&str, String)],
    ) -> Result<(), String> {
        for (pointer, inline) in inline_templates(template) {
            self.put_into_template(inline, marks, variables)
                .map_err(|field| format!("{pointer}{field}"))?;
        }
        // These make no pods.
        if template.get("steps").is_some() || template.get("dag").is_some() {
            return Ok(());
        }
        let step = template
            .get("name")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let template = template.as_object_mut().ok_or_else(String::new)?;
        let metadata = filled(template.entry("metadata").or_insert(Value::Null))
            .ok_or_else(|| "/metadata".to_owned())?;
        marks
            .put(metadata, step.as_deref())
            .map_err(|field| format!("/metadata/{field}"))?;
        for container in containers(template) {
            self.put_variables(container, variables);
        }
        Ok(())
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
            let has_own = parameter.contains_key("value") || parameter.contains_key("valueFrom");
            let is_given = self.params.contains_key(&name);
            if let Some(value) = value.filter(|_| is_given || !has_own || !self.is_made_for_run) {
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
            "test_target_name" => Some(self.target.to_owned()),
            "prow_env" => Some(prow_env(variables)),
            _ => None,
        }
    }

    /// What the step is part of, its image, and Prow's variables, before the container's own
    /// variables so that these can refer to them.
    fn put_variables(&self, container: &mut Map<String, Value>, variables: &[(&str, String)]) {
        // As the manifest has it: a parameter within it is filled in as in the image itself.
        let image = container.get("image").filter(|image| image.is_string());
        let image = image.map(|image| json!({"name": env::STEP_IMAGE, "value": image}));
        let env = container.entry("env").or_insert(Value::Null);
        if env.is_null() {
            *env = json!([]);
        }
        let Some(own) = env.as_array_mut() else {
            return;
        };
        let target = (env::TEST_TARGET_NAME, self.target.to_owned());
        let workflow = (env::WORKFLOW_NAME, self.entry.to_owned());
        let is_new = |name: &str| !own.iter().any(|variable| variable["name"] == name);
        let mut all: Vec<Value> = (variables.iter().chain([&target, &workflow]))
            .filter(|(name, _)| is_new(name))
            .map(|(name, value)| json!({"name": name, "value": without_templating(name, value)}))
            .collect();
        all.extend(image.filter(|_| is_new(env::STEP_IMAGE)));
        all.append(own);
        *own = all;
    }
}

/// Finished workflows go away by themselves. The old spelling, which the functions of some years
/// ago use, means nothing to today's controller.
fn put_time_to_live(spec: &mut Map<String, Value>) {
    let old = spec.shift_remove("ttlSecondsAfterFinished");
    if !spec.contains_key("ttlStrategy") {
        let seconds = old.filter(Value::is_number).unwrap_or(SECONDS_KEPT.into());
        let strategy = json!({"secondsAfterCompletion": seconds});
        spec.insert("ttlStrategy".to_owned(), strategy);
    }
}

/// A title or branch of a pull request is in `JOB_SPEC` and must not be taken for one of
/// Argo's `{{…}}`. Two braces in a row stand in JSON only within a string, where the second
/// may be written as its number.
pub(crate) fn without_templating(name: &str, value: &str) -> String {
    if name == env::JOB_SPEC {
        value.replace("{{", "{\\u007b")
    } else {
        value.to_owned()
    }
}

fn is_unset(value: &Value) -> bool {
    value.is_null() || value == ""
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
pub(crate) fn prow_env(variables: &[(&str, String)]) -> String {
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

#[cfg(test)]
mod tests;
