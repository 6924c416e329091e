//! What a person wants to know of a workflow that failed: which steps, and how to run each
//! again.

use std::path::Path;

use super::{NodeStatus, WorkflowStatus};
use crate::exec::Command;

/// The steps that failed, first to start first. Of a step that was tried several times the
/// node that stands for all attempts is among them, and only where the last one failed.
pub fn failed_steps(status: &WorkflowStatus) -> Vec<&NodeStatus> {
    let is_attempt = |node: &NodeStatus| {
        let mut retries = status
            .nodes
            .values()
            .filter(|node| node.node_type == "Retry");
        retries.any(|retry| retry.children.contains(&node.id))
    };
    let mut failed: Vec<&NodeStatus> = status
        .nodes
        .values()
        .filter(|node| node.phase.is_bad())
        .filter(|node| matches!(node.node_type.as_str(), "Pod" | "Retry"))
        .filter(|node| !is_attempt(node))
        .collect();
    failed.sort_by(|one, other| one.started_at.cmp(&other.started_at));
    failed
}

/// The pod that a step's end comes from: its last attempt, or itself.
pub fn last_attempt<'a>(status: &'a WorkflowStatus, step: &'a NodeStatus) -> &'a NodeStatus {
    let last = step.children.last().filter(|_| step.node_type == "Retry");
    last.and_then(|id| status.nodes.get(id)).unwrap_or(step)
}

/// The command that runs one step again, on the files and with the inputs that a run left:
/// `manifest` is the workflow with its status, `run_dir` the run's folder.
pub fn run_step_again(
    manifest: &Path,
    run_dir: &Path,
    status: &WorkflowStatus,
    step: &NodeStatus,
) -> Command {
    // The name that people see, unless another step has it as well.
    let same = |node: &&NodeStatus| node.display_name == step.display_name;
    let shared = status.nodes.values().filter(same).count() > 1;
    let name = if shared {
        &step.name
    } else {
        &step.display_name
    };
    Command::new("run-local")
        .args(["--step", name])
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
        assert_eq!(failed[0].id, "4");
        assert_eq!(last_attempt(&status, failed[0]).id, "6");
    }

    #[test]
    fn two_steps_of_one_name_are_told_apart() {
        let status = status(&[
            ("1", "test", "Pod", Phase::Failed, &[]),
            ("2", "test", "Pod", Phase::Succeeded, &[]),
        ]);
        let command = run_step_again(
            Path::new("w.yaml"),
            Path::new("run"),
            &status,
            &status.nodes["1"],
        );
        assert_eq!(
            command.to_string(),
            "run-local --step w.1 w.yaml --run-dir run"
        );
    }
}
