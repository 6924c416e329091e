//! The steps of a workflow as tests: `TestGrid` shows each as a row.

use std::collections::HashMap;

use common::junit::{Case, Detail, Outcome, Report, Suite};
use common::workflow::{NodeStatus, Phase, WorkflowStatus};

use super::evidence::StepEvidence;
use super::view::{is_step, took};

/// The report on a workflow's steps. Attempts at a step have its name, so that one that failed and
/// one that then passed are shown as flaky.
pub(super) fn report(
    entry: &str,
    status: &WorkflowStatus,
    evidence: &HashMap<String, StepEvidence>,
) -> Report {
    let attempts: HashMap<&str, &NodeStatus> = (status.nodes.values())
        .filter(|node| node.node_type == "Retry")
        .flat_map(|retry| {
            retry
                .children
                .iter()
                .map(move |child| (child.as_str(), retry))
        })
        .collect();
    let mut steps: Vec<&NodeStatus> = status.nodes.values().filter(|node| is_step(node)).collect();
    steps.sort_by_key(|node| (&node.started_at, &node.name));
    let mut names: HashMap<&str, Vec<&str>> = HashMap::new();
    for step in &steps {
        let step = known_as(&attempts, step);
        let ids = names.entry(step.display_name.as_str()).or_default();
        if !ids.contains(&step.id.as_str()) {
            ids.push(&step.id);
        }
    }
    let case = |node: &&NodeStatus| {
        let step = known_as(&attempts, node);
        let is_alone = names
            .get(step.display_name.as_str())
            .is_none_or(|ids| ids.len() == 1);
        let name = if is_alone {
            &step.display_name
        } else {
            within(step)
        };
        Case {
            name: format!("{entry}/{name}"),
            classname: entry.to_owned(),
            time: took(node.started_at.as_deref(), node.finished_at.as_deref()),
            outcome: outcome(node, status.phase, step.phase, evidence.get(&node.id)),
            ..Case::default()
        }
    };
    let started = status.started_at.as_deref();
    Report {
        name: entry.to_owned(),
        time: took(started, status.finished_at.as_deref()),
        suites: vec![Suite {
            name: entry.to_owned(),
            timestamp: started.and_then(|time| humantime::parse_rfc3339(time).ok()),
            time: took(started, status.finished_at.as_deref()),
            cases: steps.iter().map(case).collect(),
            ..Suite::default()
        }],
    }
}

/// The step that a node is an attempt at, or the node itself.
fn known_as<'a>(attempts: &HashMap<&str, &'a NodeStatus>, node: &'a NodeStatus) -> &'a NodeStatus {
    attempts.get(node.id.as_str()).copied().unwrap_or(node)
}

/// A node's name without its workflow's, which is another one in each run.
fn within(node: &NodeStatus) -> &str {
    let at = node.name.find(['.', '[']).unwrap_or(0);
    node.name[at..].trim_start_matches('.')
}

/// `workflow` and `step` are the phases of the whole, and of all attempts together.
fn outcome(
    node: &NodeStatus,
    workflow: Phase,
    step: Phase,
    evidence: Option<&StepEvidence>,
) -> Outcome {
    let detail = |message: &str| Detail {
        message: message.to_owned(),
        text: evidence.map(text).unwrap_or_default(),
    };
    match node.phase {
        Phase::Succeeded => Outcome::Passed,
        Phase::Skipped | Phase::Omitted => Outcome::Skipped(detail(&node.message)),
        // Whoever wrote the workflow lets it go on: the job is green, and no row of it is red.
        Phase::Failed | Phase::Error if workflow == Phase::Succeeded && step.is_bad() => {
            Outcome::Skipped(detail(&format!(
                "{} ({}), as the workflow allows",
                node.phase, node.message
            )))
        }
        Phase::Failed => Outcome::Failed(detail(&node.message)),
        Phase::Error => Outcome::Errored(detail(&node.message)),
        Phase::Pending | Phase::Running if workflow == Phase::Succeeded => Outcome::Passed,
        Phase::Pending | Phase::Running => Outcome::Errored(detail("it did not come to an end")),
    }
}

fn text(evidence: &StepEvidence) -> String {
    let mut lines = evidence.reasons.clone();
    lines.extend(evidence.last_lines.iter().cloned());
    lines.extend(
        evidence
            .elsewhere
            .iter()
            .map(|link| format!("logs: {link}")),
    );
    lines.extend(evidence.place.iter().map(|place| format!("files: {place}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use common::junit::summarize;
    use serde_json::{Value, json};

    use super::*;

    fn node(id: &str, name: &str, kind: &str, phase: &str) -> Value {
        json!({"id": id, "name": format!("w[{id}].{name}"), "displayName": name, "type": kind,
            "phase": phase, "message": "why", "startedAt": format!("2026-01-01T00:00:0{id}Z"),
            "finishedAt": "2026-01-01T00:00:09Z"})
    }

    fn cases(phase: &str, nodes: &[Value]) -> Vec<(String, Outcome)> {
        let nodes: serde_json::Map<_, _> = (nodes.iter())
            .map(|node| (node["id"].as_str().unwrap().to_owned(), node.clone()))
            .collect();
        let status = json!({"phase": phase, "nodes": nodes});
        let status = serde_json::from_value(status).unwrap();
        let mut suites = report("e2e", &status, &HashMap::new()).suites;
        let cases = std::mem::take(&mut suites[0].cases);
        cases
            .into_iter()
            .map(|case| (case.name, case.outcome))
            .collect()
    }

    #[test]
    fn attempts_have_one_name_and_read_as_flaky() {
        let mut retry = node("1", "unit", "Retry", "Succeeded");
        retry["children"] = json!(["2", "3"]);
        let nodes = [
            retry,
            node("2", "unit(0)", "Pod", "Failed"),
            node("3", "unit(1)", "Pod", "Succeeded"),
            node("4", "main", "DAG", "Succeeded"),
        ];
        let told = cases("Succeeded", &nodes);
        let names: Vec<_> = told.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["e2e/unit", "e2e/unit"]);
        assert!(matches!(told[0].1, Outcome::Failed(_)) && told[1].1 == Outcome::Passed);

        let status = json!({"phase": "Succeeded", "nodes":
            {"1": nodes[0], "2": nodes[1], "3": nodes[2]}});
        let status = serde_json::from_value(status).unwrap();
        let mut xml = Vec::new();
        report("e2e", &status, &HashMap::new())
            .write(&mut xml)
            .unwrap();
        let summary = summarize(&xml[..], "x").unwrap();
        assert_eq!((summary.failures, summary.flaky), (0, 1));
    }

    #[test]
    fn steps_of_one_name_are_told_apart() {
        let nodes = [
            node("1", "unit", "Pod", "Succeeded"),
            node("2", "unit", "Pod", "Error"),
        ];
        let told = cases("Failed", &nodes);
        assert_eq!(told[0].0, "e2e/[1].unit");
        assert_eq!(told[1].0, "e2e/[2].unit");
        assert!(matches!(told[1].1, Outcome::Errored(_)));
    }

    #[test]
    fn a_failure_that_the_workflow_allows_is_no_red_row() {
        let nodes = [
            node("1", "lint", "Pod", "Failed"),
            node("2", "unit", "Pod", "Omitted"),
        ];
        let told = cases("Succeeded", &nodes);
        assert!(
            matches!(&told[0].1, Outcome::Skipped(detail) if detail.message.contains("allows"))
        );
        assert!(matches!(told[1].1, Outcome::Skipped(_)));
        let cut = cases("Error", &[node("1", "unit", "Pod", "Running")]);
        assert!(matches!(cut[0].1, Outcome::Errored(_)));
    }
}
