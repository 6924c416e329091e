//! What a person reads at the end: the timeline of the steps, why it failed, and the command
//! that runs just the failed step again.

use std::fmt::Write;
use std::time::Instant;

use common::exec::Command;
use common::workflow::{
    FailedStep, NodeStatus, Phase, WorkflowStatus, failed_steps, run_step_again, step_name,
};

use crate::engine::Times;
use crate::opts::RuntimeName;
use crate::plan::Plan;
use crate::step::Failure;

/// Width of the bars.
const WIDTH: f64 = 30.0;

/// The steps that ran, in order, each with its start, its duration and a bar; `label` is what
/// people see of a node's name.
pub(crate) fn timeline(
    status: &WorkflowStatus,
    times: &Times,
    label: impl Fn(&str) -> String,
) -> String {
    let mut pods: Vec<(Instant, Instant, Phase, String)> = status
        .nodes
        .values()
        .filter(|node| node.node_type == "Pod")
        .filter_map(|node| {
            let (start, end) = times.get(&node.id)?;
            Some((
                *start,
                end.unwrap_or(*start),
                node.phase,
                label(&node.display_name),
            ))
        })
        .collect();
    pods.sort_by_key(|(start, end, ..)| (*start, *end));
    let Some(begin) = pods.first().map(|(start, ..)| *start) else {
        return String::new();
    };
    let end = pods.iter().map(|(_, end, ..)| *end).max().unwrap_or(begin);
    let total = (end - begin).as_secs_f64();
    let width = pods.iter().map(|(.., name)| name.chars().count()).max();
    let width = width.unwrap_or(0);
    let mut text = String::new();
    for (start, end, phase, name) in pods {
        let (from, took) = ((start - begin).as_secs_f64(), (end - start).as_secs_f64());
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

/// Why each failed step failed, and how to run it again.
pub(crate) fn failures(plan: &Plan, status: &WorkflowStatus, failures: &[Failure]) -> String {
    let mut text = String::new();
    for FailedStep { step, pod } in failed_steps(status) {
        let (name, message) = (&step.display_name, &pod.message);
        let Some(failure) = failures.iter().find(|failure| failure.id == pod.id) else {
            let _ = writeln!(text, "{name} could not be run: {message}");
            continue;
        };
        let _ = writeln!(text, "{name} {}: {message}", pod.phase);
        for line in failure.last_lines.lines() {
            let _ = writeln!(text, "  | {line}");
        }
        let _ = writeln!(text, "  whole log: {}", failure.log.display());
        let again = again(plan, status, step);
        let _ = writeln!(text, "  run just this step again: {again}");
    }
    text
}

fn again(plan: &Plan, status: &WorkflowStatus, step: &NodeStatus) -> Command {
    let name = match &plan.choice {
        None => step_name(status, step),
        Some(choice) if choice.node_name == step.name => &choice.asked,
        Some(_) => &step.name,
    };
    let manifest = plan.status.as_ref().unwrap_or(&plan.manifest);
    let mut command = run_step_again(manifest, &plan.run_dir, name);
    for (name, folder) in &plan.secrets {
        command = command
            .arg("--secret")
            .arg(format!("{name}={}", folder.display()));
    }
    for name in &plan.pass_env {
        command = command.arg("--pass-env").arg(name);
    }
    if plan.runtime == RuntimeName::Docker {
        command = command.arg("--runtime").arg("docker");
    }
    for shared in &plan.shared {
        let how = if shared.read_only { ":ro" } else { "" };
        let mount = format!("{}{how}", shared.folder.display());
        command = command.arg("--mount").arg(mount);
    }
    command
}
