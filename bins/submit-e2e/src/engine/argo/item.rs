//! One object that is followed, from its creation to its end.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use common::Error;
use common::workflow::{NodeStatus, Phase};
use tokio::time::Instant;

use super::evidence::{StepEvidence, Subject, folder_name};
use super::feed::Existing;
use super::identity::Run;
use super::pod;
use super::resource::{Resource, Shutdown};
use super::submit::Order;
use super::track::Tracker;
use super::view::Seen;
use crate::engine::WorkflowEnd;
use crate::fnv::fnv32;

/// How far an object is, as far as we have to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It was not asked for yet.
    Waiting,
    /// It is being created.
    Creating,
    /// It is there.
    There,
    /// It has come to its end; what is left of its steps is being collected.
    Ended,
    /// Its end is being written down.
    Finishing,
    /// All is said of it.
    Over,
}

/// One object.
pub(super) struct Item {
    pub(super) order: Order,
    /// What is created when it has come to its end.
    pub(super) teardown: Option<Order>,
    /// An earlier start of the same build created it.
    pub(super) is_adopted: bool,
    pub(super) state: State,
    pub(super) uid: Option<String>,
    pub(super) since: Instant,
    pub(super) tracker: Tracker,
    /// The steps that have not come to an end.
    pub(super) open: Vec<NodeStatus>,
    pods_are_node_ids: bool,
    pub(super) evidence: HashMap<String, StepEvidence>,
    /// Nodes of which evidence was or is being collected.
    pub(super) collected: HashSet<String>,
    folders: HashMap<String, String>,
    /// Collecting that is under way.
    pub(super) busy: usize,
    /// Tells those who show its output that no more is to be expected.
    pub(super) is_over: Rc<Cell<bool>>,
    /// How it was told to end.
    pub(super) told: Option<Shutdown>,
    /// The item that it follows.
    pub(super) parent: Option<usize>,
    pub(super) last: Last,
    /// The steps of a `PipelineRun`, once it has ended: its own status does not have them.
    pub(super) pods: Vec<NodeStatus>,
    pub(super) problems: Vec<Error>,
    pub(super) end: Option<WorkflowEnd>,
}

/// The last that was seen of an object.
#[derive(Debug, Default)]
pub(super) struct Last {
    pub(super) phase: Phase,
    pub(super) message: String,
    /// All of it, where it came to its end.
    pub(super) whole: Option<Vec<u8>>,
    pub(super) took: Option<Duration>,
}

impl Item {
    pub(super) fn new(order: Order, teardown: Option<Order>) -> Self {
        Item {
            order,
            teardown,
            is_adopted: false,
            state: State::Waiting,
            uid: None,
            since: Instant::now(),
            tracker: Tracker::default(),
            open: Vec::new(),
            pods_are_node_ids: false,
            evidence: HashMap::new(),
            collected: HashSet::new(),
            folders: HashMap::new(),
            busy: 0,
            is_over: Rc::default(),
            told: None,
            parent: None,
            last: Last::default(),
            pods: Vec::new(),
            problems: Vec::new(),
            end: None,
        }
    }

    /// All objects that it stands for.
    pub(super) fn orders(&self) -> impl Iterator<Item = &Order> {
        std::iter::once(&self.order).chain(&self.teardown)
    }

    /// Takes an object that is there for its own, if it is.
    pub(super) fn adopt(&mut self, resource: &Resource, existing: &[Existing], run: &Run) {
        if *resource != self.order.resource || self.is_adopted {
            return;
        }
        let owns =
            |one: &&Existing| run.owns(&self.order.entry, |name| one.labels.get(name).cloned());
        if let Some(own) = existing.iter().find(owns) {
            // A function may give each object another name.
            self.order.name.clone_from(&own.name);
            self.is_adopted = true;
        }
    }

    /// It is on the cluster.
    pub(super) fn is_there(&mut self, uid: &str) {
        if self.uid.is_none() {
            self.uid = Some(uid.to_owned());
            // The manifest is not needed any more, and may be large.
            self.order.manifest = serde_json::Value::Null;
        }
        if matches!(self.state, State::Waiting | State::Creating) {
            self.state = State::There;
        }
    }

    /// Whether something is to be expected of it yet.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Waiting | State::Creating | State::There)
    }

    /// Remembers what is open.
    pub(super) fn remember(&mut self, seen: &mut Seen) {
        self.pods_are_node_ids = seen.pods_are_node_ids;
        self.last.phase = seen.status.phase;
        self.last.message.clone_from(&seen.status.message);
        let nodes = std::mem::take(&mut seen.status.nodes);
        let is_open = |node: &NodeStatus| node.node_type == "Pod" && !node.phase.is_final();
        self.open = nodes.into_values().filter(is_open).map(thin).collect();
    }

    /// A step of it, as evidence is collected of it.
    pub(super) fn subject(&mut self, node: &NodeStatus) -> Subject {
        let workflow = &self.order.name;
        let template = node.template();
        Subject {
            resource: self.order.resource.clone(),
            workflow: workflow.clone(),
            step: node.display_name.clone(),
            step_label: (!template.is_empty()).then(|| template.to_owned()),
            folder: folder(&mut self.folders, node),
            node_id: node.id.clone(),
            pod: pod::name(workflow, node, template, self.pods_are_node_ids),
        }
    }
}

/// A folder of its own for each step: two that are named alike are told apart by their ids.
fn folder(folders: &mut HashMap<String, String>, node: &NodeStatus) -> String {
    let name = folder_name(&node.display_name);
    let owner = folders
        .entry(name.clone())
        .or_insert_with(|| node.id.clone());
    if *owner == node.id {
        name
    } else {
        format!("{name}-{}", fnv32(node.id.as_bytes()))
    }
}

/// A node without what is not needed to follow it.
fn thin(node: NodeStatus) -> NodeStatus {
    NodeStatus {
        id: node.id,
        name: node.name,
        display_name: node.display_name,
        node_type: node.node_type,
        template_name: node.template_name,
        template_ref: node.template_ref,
        phase: node.phase,
        started_at: node.started_at,
        ..NodeStatus::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_one_name_have_folders_of_their_own() {
        let node = |id: &str| NodeStatus {
            id: id.to_owned(),
            display_name: "unit(0:a)".to_owned(),
            ..NodeStatus::default()
        };
        let mut folders = HashMap::new();
        let first = folder(&mut folders, &node("1"));
        assert_eq!(first, "unit-0-a");
        assert_ne!(folder(&mut folders, &node("2")), first);
        assert_eq!(folder(&mut folders, &node("1")), first);
    }
}
