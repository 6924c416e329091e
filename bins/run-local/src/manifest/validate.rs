//! Checks across templates, before anything runs: what is named exists, tasks do not wait for
//! one another in a circle, and every tag has a value by the time it is needed.

use std::collections::{BTreeMap, HashSet};

use common::Result;
use serde_json::Value;

use super::cursor::Cursor;
use super::{Body, Task, Template, Workflow};
use crate::substitute::tags;

/// What `depends` may ask of a task.
const CONDITIONS: [&str; 8] = [
    "AllFailed",
    "AnySucceeded",
    "Daemoned",
    "Errored",
    "Failed",
    "Omitted",
    "Skipped",
    "Succeeded",
];

/// Tags of `workflow.` that always have a value; those ending in a dot start others.
const WORKFLOW_TAGS: [&str; 15] = [
    "workflow.annotations",
    "workflow.annotations.",
    "workflow.creationTimestamp",
    "workflow.creationTimestamp.RFC3339",
    "workflow.duration",
    "workflow.labels",
    "workflow.labels.",
    "workflow.mainEntrypoint",
    "workflow.name",
    "workflow.namespace",
    "workflow.parameters",
    "workflow.parameters.json",
    "workflow.serviceAccountName",
    "workflow.status",
    "workflow.uid",
];

pub(super) fn check(workflow: &Workflow, spec: &Cursor) -> Result<()> {
    for (field, name) in [
        ("entrypoint", Some(&workflow.entrypoint)),
        ("onExit", workflow.on_exit.as_ref()),
    ] {
        if let Some(name) = name
            && !workflow.templates.contains_key(name)
        {
            return Err(spec
                .field(field)
                .error(format!("there is no template {name:?}")));
        }
    }
    for template in workflow.templates.values() {
        check_template(workflow, template)?;
    }
    check_tags_of_arguments(workflow, spec)
}

fn check_tags_of_arguments(workflow: &Workflow, spec: &Cursor) -> Result<()> {
    for tag in tags(&spec.field("arguments").value.to_string()) {
        if !is_workflow_tag(workflow, tag) {
            return Err(spec
                .field("arguments")
                .error(format!("failed to resolve {{{{{tag}}}}}")));
        }
    }
    Ok(())
}

fn check_template(workflow: &Workflow, template: &Template) -> Result<()> {
    let cursor = Cursor::at(
        &workflow.document,
        &template.pointer,
        &format!("template {:?}", template.name),
    );
    let mut names = HashSet::new();
    for task in template.body.tasks() {
        let place = Cursor::at(&workflow.document, &task.pointer, &cursor.owner);
        if !names.insert(task.name.as_str()) {
            return Err(place.error(format!("there are two steps {:?}", task.name)));
        }
        let Some(called) = workflow.templates.get(&task.template) else {
            return Err(place.field("template").error(format!(
                "step {:?}: there is no template {:?}",
                task.name, task.template
            )));
        };
        check_arguments(&place, task, called)?;
    }
    if let Body::Dag(tasks) = &template.body {
        check_dag(workflow, &cursor, tasks)?;
    }
    check_mounts(workflow, &cursor, template)?;
    check_tags(workflow, &cursor, template)
}

fn check_mounts(workflow: &Workflow, cursor: &Cursor, template: &Template) -> Result<()> {
    for container in template.containers() {
        let place = Cursor::at(&workflow.document, &container.pointer, &cursor.owner);
        for mount in &container.mounts {
            let mut volumes = workflow.volumes.iter().chain(&template.volumes);
            if !volumes.any(|volume| volume.name == mount.volume) {
                let what = format!("there is no volume {:?}", mount.volume);
                return Err(place.field("volumeMounts").error(what));
            }
        }
    }
    Ok(())
}

fn check_arguments(place: &Cursor, task: &Task, called: &Template) -> Result<()> {
    for input in &called.inputs {
        let given = task.arguments.iter().any(|(name, _)| *name == input.name);
        if !given && input.default.is_none() {
            return Err(place.field("arguments").error(format!(
                "step {:?} does not give the input {:?} of template {:?}",
                task.name, input.name, called.name
            )));
        }
    }
    Ok(())
}

fn check_dag(workflow: &Workflow, cursor: &Cursor, tasks: &[Task]) -> Result<()> {
    let waits: BTreeMap<&str, Vec<String>> = tasks
        .iter()
        .map(|task| (task.name.as_str(), task.waits_for()))
        .collect();
    for task in tasks {
        let place = Cursor::at(&workflow.document, &task.pointer, &cursor.owner);
        if let Some(missing) = waits[task.name.as_str()]
            .iter()
            .find(|name| !waits.contains_key(name.as_str()))
        {
            return Err(place.error(format!(
                "task {:?} waits for {missing:?}, which is no task",
                task.name
            )));
        }
        for name in task
            .depends
            .iter()
            .flat_map(crate::expression::Expression::names)
        {
            if let Some((_, condition)) = name.split_once('.')
                && !CONDITIONS.contains(&condition)
            {
                return Err(place.field("depends").error(format!(
                    "{condition:?} is no condition of a task: use one of {}",
                    CONDITIONS.join(", ")
                )));
            }
        }
    }
    match find_cycle(&waits) {
        Some(cycle) => Err(cursor.field("dag").error(format!(
            "tasks wait for one another in a circle: {}",
            cycle.join(" -> ")
        ))),
        None => Ok(()),
    }
}

/// A circle of tasks, its first one repeated at the end.
fn find_cycle(waits: &BTreeMap<&str, Vec<String>>) -> Option<Vec<String>> {
    let mut done = HashSet::new();
    for start in waits.keys() {
        // A path of (task, how many of those that it waits for have been looked at).
        let mut path: Vec<(String, usize)> = vec![((*start).to_owned(), 0)];
        while let Some((task, looked_at)) = path.last_mut() {
            let next = waits
                .get(task.as_str())
                .and_then(|list| list.get(*looked_at))
                .cloned();
            *looked_at += 1;
            let Some(next) = next else {
                done.extend(path.pop().map(|(task, _)| task));
                continue;
            };
            if let Some(position) = path.iter().position(|(task, _)| *task == next) {
                let mut cycle: Vec<String> = path[position..]
                    .iter()
                    .map(|(task, _)| task.clone())
                    .collect();
                cycle.push(next);
                return Some(cycle);
            }
            if !done.contains(&next) {
                path.push((next, 0));
            }
        }
    }
    None
}

fn check_tags(workflow: &Workflow, cursor: &Cursor, template: &Template) -> Result<()> {
    let mut problem = None;
    each_text(
        cursor.value,
        &mut cursor.pointer.clone(),
        &mut |pointer, text| {
            for tag in tags(text) {
                if problem.is_none() && !resolves(workflow, template, pointer, tag) {
                    let place = Cursor::at(&workflow.document, pointer, &cursor.owner);
                    problem = Some(if tag.starts_with('=') {
                        place.error("run-local does not support expression tags {{=…}}")
                    } else {
                        place.error(format!("failed to resolve {{{{{tag}}}}}"))
                    });
                }
            }
        },
    );
    problem.map_or(Ok(()), Err)
}

fn each_text(value: &Value, pointer: &mut String, take: &mut impl FnMut(&str, &str)) {
    let length = pointer.len();
    let mut inner = |key: &str, value: &Value| {
        pointer.push('/');
        pointer.push_str(&common::yaml::pointer_segment(key));
        each_text(value, pointer, take);
        pointer.truncate(length);
    };
    match value {
        Value::String(text) => take(pointer, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                inner(&index.to_string(), item);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                inner(key, value);
            }
        }
        _ => {}
    }
}

/// Whether a tag has a value where it stands, at `pointer`.
fn resolves(workflow: &Workflow, template: &Template, pointer: &str, tag: &str) -> bool {
    let is_input = |name: &str| template.inputs.iter().any(|input| input.name == name);
    let is_sibling = |name: &str| template.body.tasks().iter().any(|task| task.name == name);
    let in_loop = || {
        template
            .body
            .tasks()
            .iter()
            .any(|task| task.repeat.is_some())
    };
    if let Some(name) = tag.strip_prefix("inputs.parameters.") {
        return is_input(name);
    }
    if let Some(rest) = tag
        .strip_prefix("steps.")
        .or_else(|| tag.strip_prefix("tasks."))
    {
        return rest.split_once('.').is_some_and(|(name, _)| {
            is_sibling(name) && ends_before(&template.body, name, pointer)
        });
    }
    match tag {
        "inputs.parameters" | "pod.name" | "node.name" => true,
        "retries" => template.retry.is_some(),
        "item" => in_loop(),
        _ if tag.starts_with("item.") => in_loop(),
        _ => is_workflow_tag(workflow, tag),
    }
}

/// Whether a step has ended, whatever else runs, when the text at `pointer` is needed: one that
/// only happens to be faster would do today and fail tomorrow.
fn ends_before(body: &Body, name: &str, pointer: &str) -> bool {
    let is_here = |task: &&Task| {
        let below = pointer.strip_prefix(&task.pointer);
        below.is_some_and(|below| below.starts_with('/'))
    };
    match body {
        Body::Leaf(_) => false,
        Body::Steps(groups) => {
            let group_of = |wanted: &dyn Fn(&&Task) -> bool| {
                groups
                    .iter()
                    .position(|group| group.iter().any(|step| wanted(&step)))
            };
            match group_of(&is_here) {
                Some(here) => group_of(&|step| step.name == name).is_some_and(|group| group < here),
                // The template's own outputs.
                None => true,
            }
        }
        Body::Dag(tasks) => {
            let Some(here) = tasks.iter().find(is_here) else {
                return true;
            };
            let by_name: BTreeMap<&str, &Task> = tasks
                .iter()
                .map(|task| (task.name.as_str(), task))
                .collect();
            let mut to_look_at = here.waits_for();
            let mut seen = HashSet::new();
            while let Some(before) = to_look_at.pop() {
                if before == name {
                    return true;
                }
                if let Some(task) = by_name.get(before.as_str())
                    && seen.insert(before)
                {
                    to_look_at.extend(task.waits_for());
                }
            }
            false
        }
    }
}

fn is_workflow_tag(workflow: &Workflow, tag: &str) -> bool {
    if let Some(name) = tag.strip_prefix("workflow.parameters.") {
        return name == "json" || workflow.parameters.iter().any(|(other, _)| other == name);
    }
    let known = |known: &str| tag == known || (known.ends_with('.') && tag.starts_with(known));
    tag == "workflow.failures" || WORKFLOW_TAGS.iter().any(|name| known(name))
}
