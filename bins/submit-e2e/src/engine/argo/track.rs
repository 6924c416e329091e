//! The steps of a workflow as they come and go: each transition once.

use std::collections::HashMap;
use std::time::Duration;

use common::workflow::{NodeStatus, Phase};

use super::view::{Seen, is_step, took};

/// How many reasons to wait are remembered of a step, so that two that alternate (`ErrImagePull`,
/// `ImagePullBackOff`) are not told for ever.
const REASONS: usize = 8;

/// What is known of a workflow's steps.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    steps: HashMap<String, Known>,
    /// The version of the object that is known.
    version: u64,
    is_final: bool,
}

#[derive(Debug, Default)]
struct Known {
    phase: Phase,
    /// Why it waits, as far as that was told.
    told: Vec<String>,
}

/// A step has got on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Transition {
    pub(super) id: String,
    pub(super) step: String,
    pub(super) phase: Phase,
    pub(super) took: Option<Duration>,
    pub(super) message: String,
}

impl Tracker {
    /// Whether an object is not older than what is known of it: a poll may bring it late. Servers
    /// count up; what has no count is taken as it comes.
    pub(super) fn is_news(&self, seen: &Seen) -> bool {
        !self.is_final && (seen.version == 0 || seen.version >= self.version)
    }

    /// Takes an object; gives what is new of its steps, in the order in which it happened as far as
    /// that is known.
    pub(super) fn observe(&mut self, seen: &Seen) -> Vec<Transition> {
        if !self.is_news(seen) {
            return Vec::new();
        }
        let status = &seen.status;
        self.version = seen.version;
        self.is_final = status.phase.is_final();
        let mut steps: Vec<&NodeStatus> = (status.nodes.values())
            .filter(|node| is_step(node))
            .collect();
        steps.sort_by_key(|node| (time_of(node), &node.name));
        (steps.into_iter())
            .filter_map(|node| self.advance(node))
            .collect()
    }

    fn advance(&mut self, node: &NodeStatus) -> Option<Transition> {
        let known = match self.steps.get_mut(&node.id) {
            Some(known) => known,
            None => self.steps.entry(node.id.clone()).or_default(),
        };
        // A step may come back from its end: Argo makes the pod again that somebody deleted.
        let before = std::mem::replace(&mut known.phase, node.phase);
        let is_new = if node.phase == Phase::Pending {
            let is_usual = matches!(
                node.message.as_str(),
                "" | "PodInitializing" | "ContainerCreating"
            );
            let is_told = is_usual || known.told.contains(&node.message);
            if is_told || known.told.len() >= REASONS {
                return None;
            }
            known.told.push(node.message.clone());
            true
        } else {
            node.phase != before
        };
        is_new.then(|| Transition {
            id: node.id.clone(),
            step: node.display_name.clone(),
            phase: node.phase,
            took: took(node.started_at.as_deref(), node.finished_at.as_deref())
                .filter(|_| node.phase.is_final()),
            message: node.message.clone(),
        })
    }
}

/// When the last thing happened to a node.
fn time_of(node: &NodeStatus) -> Option<&String> {
    let ended = node.finished_at.as_ref().filter(|_| node.phase.is_final());
    ended.or(node.started_at.as_ref())
}

impl Transition {
    /// As the log tells it.
    pub(super) fn text(&self) -> String {
        let mut text = match self.phase {
            Phase::Pending => format!("{}: waits", self.step),
            phase => format!("{}: {phase}", self.step),
        };
        if let Some(took) = self.took {
            text = format!("{text} after {}", humantime::format_duration(took));
        }
        // That of a step that has ended well says nothing.
        if !self.message.is_empty() && self.phase != Phase::Succeeded {
            text = format!("{text}: {}", self.message);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(phase: &str, message: &str) -> Value {
        json!({"id": "1", "name": "w.unit", "displayName": "unit", "type": "Pod", "phase": phase,
            "message": message, "startedAt": "2026-01-01T00:00:00Z",
            "finishedAt": if phase == "Failed" { "2026-01-01T00:01:05Z" } else { "" }})
    }

    fn told(tracker: &mut Tracker, phase: &str, nodes: &Value) -> Vec<String> {
        told_of(tracker, 0, phase, nodes)
    }

    fn told_of(tracker: &mut Tracker, version: u64, phase: &str, nodes: &Value) -> Vec<String> {
        let status = json!({"phase": phase, "nodes": nodes});
        let seen = Seen {
            version,
            status: serde_json::from_value(status).unwrap(),
            ..Seen::default()
        };
        let transitions = tracker.observe(&seen);
        transitions.iter().map(Transition::text).collect()
    }

    #[test]
    fn each_transition_is_told_once_with_its_duration() {
        let mut tracker = Tracker::default();
        let mut step =
            |phase, message| told(&mut tracker, "Running", &json!({"1": node(phase, message)}));
        assert!(step("Pending", "").is_empty());
        assert_eq!(step("Running", ""), ["unit: Running"]);
        assert!(step("Running", "").is_empty());
        assert_eq!(
            step("Failed", "exit code 1"),
            ["unit: Failed after 1m 5s: exit code 1"]
        );
    }

    #[test]
    fn an_older_state_is_not_news_and_a_step_that_comes_back_is() {
        let mut tracker = Tracker::default();
        let mut step = |version, phase| {
            let nodes = json!({"1": node(phase, "")});
            told_of(&mut tracker, version, "Running", &nodes)
        };
        assert_eq!(step(7, "Failed"), ["unit: Failed after 1m 5s"]);
        // As a poll may bring it.
        assert!(step(6, "Running").is_empty());
        assert_eq!(step(8, "Running"), ["unit: Running"]);
        assert!(step(9, "Pending").is_empty());
        assert_eq!(step(10, "Failed"), ["unit: Failed after 1m 5s"]);
    }

    #[test]
    fn why_a_step_waits_is_told_once_for_each_reason() {
        let mut tracker = Tracker::default();
        let mut step = |message| {
            told(
                &mut tracker,
                "Running",
                &json!({"1": node("Pending", message)}),
            )
        };
        assert!(step("PodInitializing").is_empty());
        assert_eq!(step("ErrImagePull"), ["unit: waits: ErrImagePull"]);
        assert_eq!(step("ImagePullBackOff"), ["unit: waits: ImagePullBackOff"]);
        assert!(step("ErrImagePull").is_empty());
    }

    #[test]
    fn groups_are_not_steps_and_what_happened_first_comes_first() {
        let mut tracker = Tracker::default();
        let node = |id: &str, kind: &str, start: &str| {
            json!({"id": id, "name": id, "displayName": id, "type": kind, "phase": "Succeeded",
                "startedAt": start, "finishedAt": start})
        };
        let nodes = json!({
            "a": node("a", "Pod", "2026-01-01T00:00:09Z"),
            "b": node("b", "DAG", "2026-01-01T00:00:01Z"),
            "c": node("c", "Pod", "2026-01-01T00:00:03Z"),
        });
        let all = told(&mut tracker, "Succeeded", &nodes);
        assert_eq!(all, ["c: Succeeded after 0s", "a: Succeeded after 0s"]);
        assert!(told(&mut tracker, "Running", &nodes).is_empty());
    }
}
