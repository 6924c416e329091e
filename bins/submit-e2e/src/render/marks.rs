//! What tells, on a workflow and on each of its pods, whose they are and where their logs are.

use common::env;
use serde_json::{Map, Value};

use super::{filled, value_of};
use crate::cloud_logging;

/// What a label says of a variable that is not set.
const NOT_SET: &str = "notset";

/// Longest value of a label.
const LABEL_LENGTH: usize = 63;

/// Who cleans up may select by this, with `BUILD_ID` or `workflow` beside it.
const OWNER: (&str, &str) = ("app.kubernetes.io/managed-by", "submit-e2e");

/// The annotation with the link to the logs, as kubeflow/testing named it.
const LOGS: &str = "kubeflow.org/logs";

/// Labels and annotations of one workflow.
pub(super) struct Marks<'a> {
    /// Name of the workflow object.
    pub(super) name: &'a str,
    /// Name of the workflow in `prow_config.yaml`.
    pub(super) entry: &'a str,
    /// The Google Cloud project of the logs, where one is named.
    pub(super) project: Option<&'a str>,
    /// Prow's variables.
    pub(super) variables: &'a [(&'a str, String)],
}

impl Marks<'_> {
    /// Puts them into an object's metadata, beside those that it has. An error is the field that
    /// is no mapping.
    pub(super) fn put(
        &self,
        metadata: &mut Map<String, Value>,
        step: Option<&str>,
    ) -> Result<(), &'static str> {
        let labels = metadata.entry("labels").or_insert(Value::Null);
        let labels = filled(labels).ok_or("labels")?;
        let mut put = |name: &str, value: Option<&str>| {
            let value = value.map_or_else(|| NOT_SET.to_owned(), label_value);
            labels.entry(name).or_insert(value.into());
        };
        for name in env::PROW {
            // These do not fit a label.
            if ![env::JOB_SPEC, env::PULL_REFS].contains(&name) {
                put(name, value_of(self.variables, name));
            }
        }
        put("workflow", Some(self.name));
        put("workflow_template", Some(self.entry));
        put(OWNER.0, Some(OWNER.1));
        if let Some(step) = step {
            put("step_name", Some(step));
        }
        let annotations = metadata.entry("annotations").or_insert(Value::Null);
        let annotations = filled(annotations).ok_or("annotations")?;
        (annotations.entry(LOGS)).or_insert_with(|| self.logs(step).into());
        Ok(())
    }

    /// Where Cloud Logging shows what the containers print.
    fn logs(&self, step: Option<&str>) -> String {
        let step = step.map(label_value);
        let query = cloud_logging::by_labels(&label_value(self.name), step.as_deref());
        cloud_logging::link(&query, self.project)
    }
}

/// A label's value: letters, digits, `-`, `_` and `.`, a letter or digit first and last.
pub(super) fn label_value(text: &str) -> String {
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
