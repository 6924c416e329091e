//! What a template holds: containers, and templates of its tasks' own.

use serde_json::{Map, Value};

/// The templates that the steps or tasks of one have in themselves, with their JSON pointers.
pub(super) fn inline_templates(template: &mut Value) -> Vec<(String, &mut Value)> {
    let mut inline = Vec::new();
    let Some(template) = template.as_object_mut() else {
        return inline;
    };
    for (key, value) in template {
        match key.as_str() {
            "steps" => {
                for (group, steps) in value.as_array_mut().into_iter().flatten().enumerate() {
                    for (index, step) in steps.as_array_mut().into_iter().flatten().enumerate() {
                        let pointer = format!("/steps/{group}/{index}/inline");
                        inline.extend(step.get_mut("inline").map(|own| (pointer, own)));
                    }
                }
            }
            "dag" => {
                let tasks = value.get_mut("tasks").and_then(Value::as_array_mut);
                for (index, task) in tasks.into_iter().flatten().enumerate() {
                    let pointer = format!("/dag/tasks/{index}/inline");
                    inline.extend(task.get_mut("inline").map(|own| (pointer, own)));
                }
            }
            _ => {}
        }
    }
    inline
}

/// Every container of a template.
pub(super) fn containers(template: &mut Map<String, Value>) -> Vec<&mut Map<String, Value>> {
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
