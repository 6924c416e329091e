//! What a person wants to know of a workflow that failed: which steps, and how to run each
//! again.

use std::collections::HashMap;
use std::path::Path;

use super::{NodeStatus, WorkflowStatus};
use crate::exec::Command;

/// A step that failed.
#[derive(Debug, Clone, Copy)]
pub struct FailedStep<'a> {
    /// The node that people know it by: of a step that was tried several times the one that
    /// stands for all attempts.
    pub step: &'a NodeStatus,
    /// The node whose process failed, or that could not be run at all: the last attempt.
    pub pod: &'a NodeStatus,
}

/// The steps that failed, first to start first. An attempt that was followed by another is
/// not among them, nor is anything within one.
pub fn failed_steps(status: &WorkflowStatus) -> Vec<FailedStep<'_>> {
    let attempts = attempts(status);
    let mut failed: Vec<FailedStep> = status
        .nodes
        .values()
        .filter(|node| node.phase.is_bad())
        .filter(|node| matches!(node.node_type.as_str(), "Pod" | "Skipped"))
        .filter(|node| !was_tried_again(status, &attempts, node))
        .map(|pod| {
            let retry = attempts.get(pod.id.as_str()).map(|(retry, _)| *retry);
            FailedStep {
                step: retry.unwrap_or(pod),
                pod,
            }
        })
        .collect();
    failed.sort_by_key(|failed| (&failed.pod.started_at, &failed.pod.name));
    failed
}

/// The attempts at steps that have a retry strategy, by id: the step, and whether it is the
/// last one.
type Attempts<'a> = HashMap<&'a str, (&'a NodeStatus, bool)>;

fn attempts(status: &WorkflowStatus) -> Attempts<'_> {
    let mut attempts = Attempts::new();
    for retry in status
        .nodes
        .values()
        .filter(|node| node.node_type == "Retry")
    {
        for id in &retry.children {
            attempts.insert(id, (retry, retry.children.last() == Some(id)));
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
        within = status
            .nodes
            .get(&node.boundary_id)
            .filter(|above| above.id != node.id);
    }
    false
}

/// The name of a step for `run-local --step`: the one that people see, unless another step has
/// it as well.
pub fn step_name<'a>(status: &WorkflowStatus, step: &'a NodeStatus) -> &'a str {
    let same = |node: &&NodeStatus| node.display_name == step.display_name;
    if status.nodes.values().filter(same).count() > 1 {
        &step.name
    } else {
        &step.display_name
    }
}

/// The command that runs one step again, on the files and with the inputs that a run left:
/// `manifest` is the workflow with its status, `run_dir` the run's folder.
pub fn run_step_again(manifest: &Path, run_dir: &Path, step: &str) -> Command {
    Command::new("run-local")
        .args(["--step", step])
        .arg(manifest)
        .arg("--run-dir")
        .arg(run_dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::Phase;

    fn status(nodes: &[(&str, &str, &str, Phase, &[&str])]) -> WorkflowStatus {
        let node = |(id, name, node_type, phase, children): &(&str, &str, &str, Phase, &[&str])| {
            let node = NodeStatus {
                id: (*id).to_owned(),
                name: format!("w.{id}"),
                display_name: (*name).to_owned(),
                node_type: (*node_type).to_owned(),
                phase: *phase,
                children: children.iter().map(|child| (*child).to_owned()).collect(),
                ..NodeStatus::default()
            };
            ((*id).to_owned(), node)
        };
        WorkflowStatus {
            nodes: nodes.iter().map(node).collect(),
            ..WorkflowStatus::default()
        }
    }

    #[test]
    fn a_flaky_step_is_no_failure_and_a_hopeless_one_is_one() {
        let status = status(&[
            ("1", "flaky", "Retry", Phase::Succeeded, &["2", "3"]),
            ("2", "flaky(0)", "Pod", Phase::Failed, &[]),
            ("3", "flaky(1)", "Pod", Phase::Succeeded, &[]),
            ("4", "hopeless", "Retry", Phase::Failed, &["5", "6"]),
            ("5", "hopeless(0)", "Pod", Phase::Failed, &[]),
            ("6", "hopeless(1)", "Pod", Phase::Failed, &[]),
            ("7", "main", "DAG", Phase::Failed, &["1", "4"]),
        ]);
        let failed = failed_steps(&status);
        assert_eq!(failed.len(), 1);
        assert_eq!(
            (failed[0].step.id.as_str(), failed[0].pod.id.as_str()),
            ("4", "6")
        );
    }

    #[test]
    fn two_steps_of_one_name_are_told_apart() {
        let status = status(&[
            ("1", "test", "Pod", Phase::Failed, &[]),
            ("2", "test", "Pod", Phase::Succeeded, &[]),
        ]);
        let name = step_name(&status, &status.nodes["1"]);
        let command = run_step_again(Path::new("w.yaml"), Path::new("run"), name);
        assert_eq!(
            command.to_string(),
            "run-local --step w.1 w.yaml --run-dir run"
        );
    }
}
