//! The values behind the tags.

use common::workflow::{NodeStatus, Outputs, Phase};
use serde_json::{Value, json};

use super::Outcome;
use crate::manifest::Workflow;
use crate::substitute::{Scope, replace};

/// The tags of `workflow.` that hold from the start.
pub(crate) fn of_workflow(workflow: &Workflow, started_at: &str) -> Scope {
    let mut scope = Scope::new();
    let mut set = |name: &str, value: &str| {
        scope.insert(format!("workflow.{name}"), value.to_owned());
    };
    set("name", &workflow.name);
    set("namespace", &workflow.namespace);
    set("uid", &workflow.name);
    set("mainEntrypoint", &workflow.entrypoint);
    set("serviceAccountName", &workflow.service_account);
    set("creationTimestamp", started_at);
    set("creationTimestamp.RFC3339", started_at);
    set("status", Phase::Running.as_str());
    set("duration", "0");
    set("failures", "[]");
    for (name, value) in &workflow.parameters {
        set(&format!("parameters.{name}"), value);
    }
    for (kind, pairs) in [
        ("labels", &workflow.labels),
        ("annotations", &workflow.annotations),
    ] {
        for (name, value) in pairs {
            set(&format!("{kind}.{name}"), value);
        }
        let map: Value = pairs
            .iter()
            .map(|(k, v)| (k.clone(), json!(v)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        set(kind, &map.to_string());
        set(&format!("{kind}.json"), &map.to_string());
    }
    let parameters = parameters(workflow, &scope);
    let list = list_of_parameters(parameters.iter());
    scope.insert("workflow.parameters".to_owned(), list.clone());
    scope.insert("workflow.parameters.json".to_owned(), list);
    for (name, value) in parameters {
        scope.insert(format!("workflow.parameters.{name}"), value);
    }
    scope
}

/// The workflow's parameters. Tags in the manifest's own values are replaced once, as the
/// controller does at the start; a value of the command line is taken as it is.
fn parameters(workflow: &Workflow, scope: &Scope) -> Vec<(String, String)> {
    let parameter = |(name, value): &(String, String)| {
        let replaced = if workflow.given.contains(name) {
            None
        } else {
            replace(value, &[scope]).ok()
        };
        (name.clone(), replaced.unwrap_or_else(|| value.clone()))
    };
    workflow.parameters.iter().map(parameter).collect()
}

/// Adds what an exit handler may read.
pub(crate) fn add_end(scope: &mut Scope, phase: Phase, failures: String, seconds: f64) {
    scope.insert("workflow.status".to_owned(), phase.as_str().to_owned());
    scope.insert("workflow.failures".to_owned(), failures);
    scope.insert("workflow.duration".to_owned(), format!("{seconds:.6}"));
}

/// The tags of `inputs.`.
pub(crate) fn of_inputs(inputs: &[(String, String)]) -> Scope {
    let mut scope: Scope = inputs
        .iter()
        .map(|(name, value)| (format!("inputs.parameters.{name}"), value.clone()))
        .collect();
    scope.insert(
        "inputs.parameters".to_owned(),
        list_of_parameters(inputs.iter()),
    );
    scope
}

fn list_of_parameters<'a>(pairs: impl Iterator<Item = &'a (String, String)>) -> String {
    let list: Vec<Value> = pairs
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    Value::Array(list).to_string()
}

/// Adds the tags of a step that has ended: `steps.NAME.` or `tasks.NAME.`.
pub(crate) fn add_task(scope: &mut Scope, prefix: &str, end: &Outcome, node: Option<&NodeStatus>) {
    let mut set = |name: &str, value: &str| {
        scope.insert(format!("{prefix}.{name}"), value.to_owned());
    };
    set("id", &end.id);
    set("status", end.phase.as_str());
    if let Some(node) = node {
        set("startedAt", node.started_at.as_deref().unwrap_or_default());
        set(
            "finishedAt",
            node.finished_at.as_deref().unwrap_or_default(),
        );
    }
    let Some(outputs) = &end.outputs else { return };
    if let Some(exit_code) = &outputs.exit_code {
        set("exitCode", exit_code);
    }
    if let Some(result) = &outputs.result {
        set("outputs.result", result);
    }
    for parameter in &outputs.parameters {
        let value = parameter.value.as_deref().unwrap_or_default();
        set(&format!("outputs.parameters.{}", parameter.name), value);
    }
}

/// Adds the tags of a step that ran once for each item: lists, as the controller's
/// `processAggregateNodeOutputs` makes them.
pub(crate) fn add_repeated(scope: &mut Scope, prefix: &str, ends: &[Outcome]) {
    let outputs: Vec<&Outputs> = ends.iter().filter_map(|end| end.outputs.as_ref()).collect();
    let results: Vec<Value> = outputs
        .iter()
        .filter_map(|outputs| outputs.result.as_ref())
        // A result that is JSON stands in the list as it is.
        .map(|result| serde_json::from_str(result).unwrap_or_else(|_| json!(result)))
        .collect();
    if !results.is_empty() {
        scope.insert(
            format!("{prefix}.outputs.result"),
            Value::Array(results).to_string(),
        );
    }
    let mut maps = Vec::new();
    let mut lists: std::collections::BTreeMap<&str, Vec<Value>> = std::collections::BTreeMap::new();
    for outputs in outputs
        .iter()
        .filter(|outputs| !outputs.parameters.is_empty())
    {
        let mut map = serde_json::Map::new();
        for parameter in &outputs.parameters {
            let value = json!(parameter.value.as_deref().unwrap_or_default());
            lists
                .entry(&parameter.name)
                .or_default()
                .push(value.clone());
            map.insert(parameter.name.clone(), value);
        }
        maps.push(Value::Object(map));
    }
    if !maps.is_empty() {
        scope.insert(
            format!("{prefix}.outputs.parameters"),
            Value::Array(maps).to_string(),
        );
    }
    for (name, list) in lists {
        let list = Value::Array(list).to_string();
        scope.insert(format!("{prefix}.outputs.parameters.{name}"), list);
    }
}
