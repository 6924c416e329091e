//! What a person reads at the end: the timeline of the steps, why it failed, and the command
//! that runs just the failed step again.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Instant;

use common::exec::Command;
use common::workflow::{NodeStatus, Phase, WorkflowStatus};

use crate::engine::Times;
use crate::plan::Plan;
use crate::step::Failure;

/// Width of the bars.
const WIDTH: f64 = 30.0;

/// The steps that ran, in order, each with its start, its duration and a bar.
pub(crate) fn timeline(status: &WorkflowStatus, times: &Times) -> String {
    let mut pods: Vec<(Instant, Instant, &NodeStatus)> = status
        .nodes
        .values()
        .filter(|node| node.node_type == "Pod")
        .filter_map(|node| {
            let (start, end) = times.get(&node.id)?;
            Some((*start, end.unwrap_or(*start), node))
        })
        .collect();
    pods.sort_by_key(|(start, end, _)| (*start, *end));
    let Some((begin, _, _)) = pods.first().copied() else {
        return String::new();
    };
    let end = pods.iter().map(|(_, end, _)| *end).max().unwrap_or(begin);
    let total = (end - begin).as_secs_f64();
    let width = pods
        .iter()
        .map(|(_, _, node)| node.display_name.chars().count())
        .max();
    let width = width.unwrap_or(0);
    let mut text = String::new();
    for (start, end, node) in pods {
        let (from, took) = ((start - begin).as_secs_f64(), (end - start).as_secs_f64());
        let (phase, name) = (node.phase, &node.display_name);
        let bar = bar(from, took, total);
        let _ = writeln!(
            text,
            "{from:>7.1} s {took:>7.1} s  {phase:<9} {name:<width$}  {bar}"
        );
    }
    text
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bar has at most WIDTH characters"
)]
fn bar(from: f64, took: f64, total: f64) -> String {
    let scale = |seconds: f64| (seconds / total.max(0.1) * WIDTH).clamp(0.0, WIDTH) as usize;
    format!(
        "{}{}",
        " ".repeat(scale(from)),
        "=".repeat(scale(took).max(1))
    )
}

/// Why each failed step failed, and how to run it again. Of a step that was tried several
/// times the last attempt is shown, and nothing where that one succeeded.
pub(crate) fn failures(plan: &Plan, status: &WorkflowStatus, failures: &[Failure]) -> String {
    let mut text = String::new();
    let attempts = attempts(status);
    for failure in failures {
        let Some(node) = status.nodes.get(&failure.id) else {
            continue;
        };
        if was_tried_again(status, &attempts, node) {
            continue;
        }
        let step = match attempts.get(node.id.as_str()) {
            Some((retry, _)) => retry,
            None => node,
        };
        let _ = writeln!(
            text,
            "{} {}: {}",
            step.display_name, node.phase, node.message
        );
        for line in failure.last_lines.lines() {
            let _ = writeln!(text, "  | {line}");
        }
        let _ = writeln!(text, "  whole log: {}", failure.log.display());
        let _ = writeln!(
            text,
            "  run just this step again: {}",
            again(plan, status, step)
        );
    }
    let has_no_log = |node: &&NodeStatus| {
        node.phase == Phase::Error
            && matches!(node.node_type.as_str(), "Pod" | "Skipped")
            && !failures.iter().any(|failure| failure.id == node.id)
            && !was_tried_again(status, &attempts, node)
    };
    for node in status.nodes.values().filter(has_no_log) {
        let _ = writeln!(text, "{} could not be run: {}", node.name, node.message);
    }
    text
}

/// The attempts at steps that have a retry strategy, by id: the step, and whether it is the
/// last one.
type Attempts<'a> = HashMap<&'a str, (&'a NodeStatus, bool)>;

fn attempts(status: &WorkflowStatus) -> Attempts<'_> {
    let mut attempts = Attempts::new();
    for retry in status.nodes.values().filter(|n| n.node_type == "Retry") {
        for id in &retry.children {
            let is_last = retry.children.last() == Some(id);
            attempts.insert(id, (retry, is_last));
        }
    }
    attempts
}

/// Whether the node, or what it is part of, was tried again.
fn was_tried_again(status: &WorkflowStatus, attempts: &Attempts<'_>, node: &NodeStatus) -> bool {
    let mut within = Some(node);
    while let Some(node) = within {
        if let Some((_, false)) = attempts.get(node.id.as_str()) {
            return true;
        }
        within = status.nodes.get(&node.boundary_id);
    }
    false
}

/// The command that runs one step again on what the run left.
fn again(plan: &Plan, status: &WorkflowStatus, step: &NodeStatus) -> Command {
    // A name that two nodes share would have to be asked about.
    let named = |node: &&NodeStatus| node.display_name == step.display_name;
    let shared = status.nodes.values().filter(named).count() > 1;
    let name = match &plan.choice {
        Some(choice) if choice.node_name == step.name => &choice.asked,
        None if !shared => &step.display_name,
        _ => &step.name,
    };
    let manifest = plan.status.as_ref().unwrap_or(&plan.manifest);
    let mut command = Command::new("run-local")
        .args(["--step", name])
        .arg(manifest)
        .arg("--run-dir")
        .arg(&plan.run_dir);
    for (name, folder) in &plan.secrets {
        command = command
            .arg("--secret")
            .arg(format!("{name}={}", folder.display()));
    }
    for name in &plan.pass_env {
        command = command.arg("--pass-env").arg(name);
    }
    command
}
