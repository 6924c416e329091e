//! Workflows for tests.

use e2e::Cluster;
use serde_json::{Value, json};

/// Steps one after the other, each a shell script by its name.
pub(crate) fn steps(steps: &[(&str, &str)]) -> Value {
    let calls: Vec<_> = (steps.iter())
        .map(|(name, _)| json!([{"name": name, "template": name}]))
        .collect();
    let mut templates = vec![json!({"name": "all", "steps": calls})];
    templates.extend(steps.iter().map(|(name, script)| step(name, script)));
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "test-"},
        "spec": {"entrypoint": "all", "templates": templates},
    })
}

/// The same, with a script that runs whatever has happened before.
pub(crate) fn with_exit_handler(mut workflow: Value, script: &str) -> Value {
    workflow["spec"]["onExit"] = "handler".into();
    let templates = workflow["spec"]["templates"].as_array_mut();
    templates.unwrap().push(step("handler", script));
    workflow
}

/// Two steps of some seconds each: long enough to be met in their middle.
pub(crate) fn two_steps() -> Value {
    let workflow = steps(&[("first", "sleep 4"), ("second", "sleep 4")]);
    with_exit_handler(workflow, "true")
}

/// The same, with a parameter and its default.
pub(crate) fn parameter(mut workflow: Value, name: &str, default: &str) -> Value {
    workflow["spec"]["arguments"] = json!({"parameters": [{"name": name, "value": default}]});
    workflow
}

/// The template of a step.
pub(crate) fn template<'a>(workflow: &'a mut Value, step: &str) -> &'a mut Value {
    let templates = workflow["spec"]["templates"].as_array_mut().unwrap();
    let mut templates = templates.iter_mut();
    let template = templates.find(|template| template["name"] == step);
    template.unwrap()
}

/// The container of a step.
pub(crate) fn container<'a>(workflow: &'a mut Value, step: &str) -> &'a mut Value {
    &mut template(workflow, step)["container"]
}

/// A template of a step.
fn step(name: &str, script: &str) -> Value {
    json!({"name": name, "container": {
        "image": Cluster::step_image(),
        // The images of the tests' own cluster come from no registry.
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script],
    }})
}
