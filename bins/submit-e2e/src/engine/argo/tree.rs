//! The steps of a workflow as people see them: each below what it is a part of.

use std::collections::{HashMap, HashSet};

use common::workflow::{NodeStatus, Phase, WorkflowStatus};
use serde_json::{Value, json};

use super::view::took;

/// Deepest place of a step; workflows may call themselves.
const DEEPEST: usize = 20;

/// The nodes that people know, in the order of their start, each with its depth. Groups are left
/// out: what is in them is told.
fn steps(status: &WorkflowStatus) -> Vec<(usize, &NodeStatus)> {
    let mut attempts: HashMap<&str, &str> = HashMap::new();
    for retry in status
        .nodes
        .values()
        .filter(|node| node.node_type == "Retry")
    {
        attempts.extend(
            retry
                .children
                .iter()
                .map(|child| (child.as_str(), retry.id.as_str())),
        );
    }
    let mut below: HashMap<&str, Vec<&NodeStatus>> = HashMap::new();
    for node in status.nodes.values().filter(|node| !is_group(node)) {
        let parent = attempts.get(node.id.as_str()).copied();
        let boundary = status
            .nodes
            .get(&node.boundary_id)
            .map(|node| node.id.as_str());
        below
            .entry(parent.or(boundary).unwrap_or_default())
            .or_default()
            .push(node);
    }
    for nodes in below.values_mut() {
        nodes.sort_by_key(|node| (&node.started_at, &node.name));
    }
    let mut told = HashSet::new();
    let mut all = Vec::new();
    walk("", 0, &below, &mut told, &mut all);
    all
}

fn walk<'a>(
    parent: &str,
    depth: usize,
    below: &HashMap<&str, Vec<&'a NodeStatus>>,
    told: &mut HashSet<&'a str>,
    all: &mut Vec<(usize, &'a NodeStatus)>,
) {
    for node in below.get(parent).into_iter().flatten() {
        if depth < DEEPEST && told.insert(&node.id) {
            all.push((depth, node));
            walk(&node.id, depth + 1, below, told, all);
        }
    }
}

fn is_group(node: &NodeStatus) -> bool {
    matches!(node.node_type.as_str(), "StepGroup" | "TaskGroup")
}

/// A line for the workflow and one for each step.
pub(super) fn text(name: &str, status: &WorkflowStatus) -> String {
    let mut lines = vec![line(
        name,
        status.phase,
        (&status.started_at, &status.finished_at),
        &status.message,
    )];
    for (depth, node) in steps(status) {
        // The first one is the workflow itself.
        if node.name == name {
            continue;
        }
        let times = (&node.started_at, &node.finished_at);
        let step = line(&node.display_name, node.phase, times, &node.message);
        lines.push(format!("{:1$}{step}", "", 2 * depth.max(1)));
    }
    lines.join("\n") + "\n"
}

fn line(
    name: &str,
    phase: Phase,
    times: (&Option<String>, &Option<String>),
    message: &str,
) -> String {
    let mut text = format!("{}: {phase}", common::on_one_line(name));
    let took = took(times.0.as_deref(), times.1.as_deref()).filter(|_| phase.is_final());
    if let Some(took) = took {
        text = format!("{text} after {}", humantime::format_duration(took));
    }
    if !message.is_empty() {
        text = format!("{text}: {}", common::on_one_line(message));
    }
    text
}

/// The same as data.
pub(super) fn value(name: &str, namespace: &str, status: &WorkflowStatus) -> Value {
    let step = |(depth, node): (usize, &NodeStatus)| {
        json!({"name": node.display_name, "node": node.name, "type": node.node_type,
            "depth": depth, "phase": node.phase.as_str(), "message": node.message,
            "startedAt": node.started_at, "finishedAt": node.finished_at})
    };
    json!({"name": name, "namespace": namespace, "phase": status.phase.as_str(),
        "message": status.message, "startedAt": status.started_at,
        "finishedAt": status.finished_at,
        "steps": steps(status).into_iter().map(step).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> WorkflowStatus {
        let node = |name: &str, kind: &str, phase: &str, boundary: &str, children: &[&str]| {
            json!({"id": name, "name": name, "displayName": name, "type": kind, "phase": phase,
                "boundaryID": boundary, "children": children, "startedAt": "2026-01-01T00:00:00Z",
                "finishedAt": if phase == "Running" { "" } else { "2026-01-01T00:00:03Z" }})
        };
        let nodes = json!({
            "w": node("w", "Steps", "Running", "", &["[0]"]),
            "[0]": node("[0]", "StepGroup", "Running", "w", &["a", "b"]),
            "a": node("a", "Retry", "Succeeded", "w", &["a(0)", "a(1)"]),
            "a(0)": node("a(0)", "Pod", "Failed", "w", &[]),
            "a(1)": node("a(1)", "Pod", "Succeeded", "w", &[]),
            "b": node("b", "DAG", "Running", "w", &["c"]),
            "c": node("c", "Pod", "Running", "b", &[]),
        });
        let status = json!({"phase": "Running", "nodes": nodes});
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn steps_stand_below_what_they_are_a_part_of() {
        assert_eq!(
            text("w", &status()),
            "w: Running\n  a: Succeeded after 3s\n    a(0): Failed after 3s\n    \
             a(1): Succeeded after 3s\n  b: Running\n    c: Running\n"
        );
        let steps = value("w", "ci", &status());
        assert_eq!(steps["steps"][3]["name"], "a(1)");
    }

    #[test]
    fn nodes_that_contain_themselves_end() {
        let mut status = status();
        if let Some(node) = status.nodes.get_mut("w") {
            node.boundary_id = "c".to_owned();
        }
        assert_eq!(text("w", &status), "w: Running\n");
    }
}
