//! What a workflow refers to in itself: templates, tasks, parameters.

use std::collections::HashSet;

use serde_json::Value;

use super::Finding;

/// What is wrong with the references of a workflow.
pub(super) fn check(workflow: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    let spec = &workflow["spec"];
    let templates = items(&spec["templates"]);
    let names: HashSet<&str> = templates
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    let is_complete = spec.get("workflowTemplateRef").is_none();
    for field in ["entrypoint", "onExit"] {
        match spec[field].as_str() {
            Some(name) if is_complete && !names.contains(name) => {
                let what = format!("{field} {name:?} is no template of the workflow");
                found.push(Finding::error(format!("/spec/{field}"), what));
            }
            None if is_complete && field == "entrypoint" => {
                found.push(Finding::error(
                    "/spec".to_owned(),
                    "entrypoint is missing".to_owned(),
                ));
            }
            _ => {}
        }
    }
    let own = parameters(&spec["arguments"]);
    for (index, parameter) in items(&spec["arguments"]["parameters"]).iter().enumerate() {
        let has_value = parameter.get("value").is_some() || parameter.get("valueFrom").is_some();
        if is_complete && !has_value && parameter["name"].is_string() {
            let what = format!(
                "the workflow's parameter {} has no value",
                parameter["name"]
            );
            found.push(Finding::error(
                format!("/spec/arguments/parameters/{index}"),
                what,
            ));
        }
    }
    for (index, template) in templates.iter().enumerate() {
        let pointer = format!("/spec/templates/{index}");
        let name = template["name"].as_str().unwrap_or_default();
        if templates[..index]
            .iter()
            .any(|earlier| earlier["name"] == name)
        {
            let what = format!("a second template is named {name:?}");
            found.push(Finding::error(format!("{pointer}/name"), what));
        }
        tasks(template, &pointer, templates, &mut found);
        let inputs = parameters(&template["inputs"]);
        tags(template, &pointer, &mut |pointer, tag| {
            let missing = |kind: &str, known: &HashSet<&str>| {
                let name = tag.strip_prefix(kind)?.strip_prefix('.')?;
                (!known.contains(name))
                    .then(|| format!("{{{{{tag}}}}}: there is no such parameter"))
            };
            let what = missing("inputs.parameters", &inputs)
                .or_else(|| missing("workflow.parameters", &own).filter(|_| is_complete));
            found.extend(what.map(|what| Finding::error(pointer.to_owned(), what)));
        });
    }
    found
}

/// The steps or tasks of a template: what they call, wait for and give.
fn tasks(template: &Value, pointer: &str, templates: &[Value], found: &mut Vec<Finding>) {
    let mut all = Vec::new();
    for (group, steps) in items(&template["steps"]).iter().enumerate() {
        for (index, step) in items(steps).iter().enumerate() {
            all.push((format!("{pointer}/steps/{group}/{index}"), step));
        }
    }
    for (index, task) in items(&template["dag"]["tasks"]).iter().enumerate() {
        all.push((format!("{pointer}/dag/tasks/{index}"), task));
    }
    let names: HashSet<&str> = all
        .iter()
        .filter_map(|(_, task)| task["name"].as_str())
        .collect();
    for (pointer, task) in &all {
        for (index, wanted) in items(&task["dependencies"]).iter().enumerate() {
            let wanted = wanted.as_str().unwrap_or_default();
            if !names.contains(wanted) {
                let what = format!("dependencies: there is no task {wanted:?}");
                found.push(Finding::error(
                    format!("{pointer}/dependencies/{index}"),
                    what,
                ));
            }
        }
        let Some(called) = task["template"]
            .as_str()
            .filter(|name| !name.contains("{{"))
        else {
            continue;
        };
        let Some(called) = templates.iter().find(|one| one["name"] == called) else {
            let what = format!("template {called:?} is not in the workflow");
            found.push(Finding::error(format!("{pointer}/template"), what));
            continue;
        };
        let given = parameters(&task["arguments"]);
        for input in items(&called["inputs"]["parameters"]) {
            let name = input["name"].as_str().unwrap_or_default();
            let has_own = input.get("value").is_some()
                || input.get("default").is_some()
                || input.get("valueFrom").is_some();
            if !has_own && !given.contains(name) {
                let what = format!(
                    "template {} needs the parameter {name:?}, which is not given",
                    called["name"]
                );
                found.push(Finding::error(pointer.clone(), what));
            }
        }
    }
}

/// Every plain `{{tag}}` in the texts of a value, with the text's JSON pointer.
fn tags(value: &Value, pointer: &str, tell: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => {
            for part in text.split("{{").skip(1) {
                if let Some((tag, _)) = part.split_once("}}") {
                    tell(pointer, tag.trim());
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                tags(item, &format!("{pointer}/{index}"), tell);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let name = common::yaml::pointer_segment(name);
                tags(field, &format!("{pointer}/{name}"), tell);
            }
        }
        _ => {}
    }
}

fn parameters(of: &Value) -> HashSet<&str> {
    let parameters = items(&of["parameters"]).iter();
    parameters.filter_map(|one| one["name"].as_str()).collect()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(spec: &Value) -> Vec<(String, String)> {
        let found = check(&json!({"spec": spec}));
        found
            .into_iter()
            .map(|one| (one.pointer, one.what))
            .collect()
    }

    #[test]
    fn what_is_not_there_is_told() {
        let spec = json!({
            "entrypoint": "nope", "onExit": "gone",
            "arguments": {"parameters": [{"name": "a", "value": "1"}, {"name": "empty"}]},
            "templates": [
                {"name": "one", "dag": {"tasks": [
                    {"name": "x", "template": "two"},
                    {"name": "y", "template": "three", "dependencies": ["x", "z"],
                     "arguments": {"parameters": [{"name": "p", "value": "{{workflow.parameters.b}}"}]}}]}},
                {"name": "two", "inputs": {"parameters": [{"name": "p"}, {"name": "q", "value": "1"}]},
                 "container": {"args": ["{{inputs.parameters.p}}{{ inputs.parameters.r }}{{workflow.name}}"]}},
                {"name": "two"},
            ],
        });
        let expected = [
            (
                "/spec/entrypoint",
                "entrypoint \"nope\" is no template of the workflow",
            ),
            (
                "/spec/onExit",
                "onExit \"gone\" is no template of the workflow",
            ),
            (
                "/spec/arguments/parameters/1",
                "the workflow's parameter \"empty\" has no value",
            ),
            (
                "/spec/templates/0/dag/tasks/0",
                "template \"two\" needs the parameter \"p\", which is not given",
            ),
            (
                "/spec/templates/0/dag/tasks/1/dependencies/1",
                "dependencies: there is no task \"z\"",
            ),
            (
                "/spec/templates/0/dag/tasks/1/template",
                "template \"three\" is not in the workflow",
            ),
            (
                "/spec/templates/0/dag/tasks/1/arguments/parameters/0/value",
                "{{workflow.parameters.b}}: there is no such parameter",
            ),
            (
                "/spec/templates/1/container/args/0",
                "{{inputs.parameters.r}}: there is no such parameter",
            ),
            (
                "/spec/templates/2/name",
                "a second template is named \"two\"",
            ),
        ];
        let found = found(&spec);
        let found: Vec<_> = found
            .iter()
            .map(|(at, what)| (at.as_str(), what.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_a_template_of_the_cluster_has_is_not_known() {
        let spec = json!({"workflowTemplateRef": {"name": "t"}, "arguments": {"parameters": [{"name": "a"}]}});
        assert_eq!(found(&spec), []);
    }
}
