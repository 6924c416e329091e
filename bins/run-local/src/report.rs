//! What a person reads at the end: the timeline of the steps, why it failed, and the command
//! that runs just the failed step again.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use common::exec::Command;
use common::workflow::{NodeStatus, Phase, WorkflowStatus};

use crate::plan::Plan;
use crate::step::Failure;

/// Width of the bars.
const WIDTH: f64 = 30.0;

/// The steps that ran, in order, each with its start, its end and a bar.
pub(crate) fn timeline(status: &WorkflowStatus) -> String {
    let mut pods: Vec<&NodeStatus> = status
        .nodes
        .values()
        .filter(|node| node.node_type == "Pod")
        .collect();
    pods.sort_by_key(|node| {
        (
            node.started_at.clone(),
            node.finished_at.clone(),
            node.name.clone(),
        )
    });
    let Some(begin) = pods
        .iter()
        .filter_map(|node| time(node.started_at.as_ref()))
        .min()
    else {
        return String::new();
    };
    let end = pods
        .iter()
        .filter_map(|node| time(node.finished_at.as_ref()))
        .max()
        .unwrap_or(begin);
    let total = seconds(begin, end).max(1.0);
    let name_width = pods
        .iter()
        .map(|node| node.display_name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for pod in pods {
        let start = time(pod.started_at.as_ref()).unwrap_or(begin);
        let stop = time(pod.finished_at.as_ref()).unwrap_or(start);
        let (from, took) = (seconds(begin, start), seconds(start, stop));
        let _ = writeln!(
            text,
            "{:>6} s +{:<6} {:<9} {:<name_width$} |{}",
            from,
            format!("{took} s"),
            pod.phase,
            pod.display_name,
            bar(from, took, total),
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
    let scale = |seconds: f64| (seconds / total * WIDTH).clamp(0.0, WIDTH) as usize;
    format!(
        "{}{}",
        " ".repeat(scale(from)),
        "=".repeat(scale(took).max(1))
    )
}

fn time(text: Option<&String>) -> Option<SystemTime> {
    humantime::parse_rfc3339(text?).ok()
}

fn seconds(from: SystemTime, to: SystemTime) -> f64 {
    to.duration_since(from)
        .unwrap_or(Duration::ZERO)
        .as_secs_f64()
}

/// Why each failed step failed, and how to run it again; a step that was tried again and
/// then succeeded is not among them.
pub(crate) fn failures(plan: &Plan, status: &WorkflowStatus, failures: &[Failure]) -> String {
    let mut text = String::new();
    for failure in failures {
        let Some(node) = status.nodes.get(&failure.id) else {
            continue;
        };
        let retried = status.nodes.values().any(|other| {
            other.phase == Phase::Succeeded
                && other.children.contains(&node.id)
                && other.node_type == "Retry"
        });
        if retried {
            continue;
        }
        let _ = writeln!(
            text,
            "{} {}: {}",
            node.display_name, node.phase, node.message
        );
        for line in failure.last_lines.lines() {
            let _ = writeln!(text, "  | {line}");
        }
        let _ = writeln!(text, "  whole log: {}", failure.log.display());
        let _ = writeln!(
            text,
            "  run just this step again: {}",
            again(plan, status, node)
        );
    }
    text
}

/// The command that runs one step again on what the run left.
fn again(plan: &Plan, status: &WorkflowStatus, node: &NodeStatus) -> Command {
    // A name that two nodes share would have to be asked about.
    let shared = status
        .nodes
        .values()
        .filter(|other| other.display_name == node.display_name)
        .count()
        > 1;
    let name = if shared {
        &node.name
    } else {
        &node.display_name
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
