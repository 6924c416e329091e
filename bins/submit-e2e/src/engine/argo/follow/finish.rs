//! What is written down of an object that has come to its end.

use std::collections::HashMap;
use std::time::Duration;

use common::exec::Command;
use common::workflow::{self, FailedStep, NodeStatus, Phase, WorkflowStatus, failed_steps};
use common::{Error, Result};
use futures::FutureExt;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::info;

use super::{Done, Follow};
use crate::engine::argo::client::Cluster;
use crate::engine::argo::evidence::StepEvidence;
use crate::engine::argo::item::{Item, Last, State};
use crate::engine::argo::junit::report;
use crate::engine::argo::resource::{Kind, Resource};
use crate::engine::argo::submit::get;
use crate::engine::argo::view::{Seen, whole};
use crate::engine::argo::{Settings, fill};
use crate::engine::{StepEnd, WorkflowEnd, cut_short};
use crate::record::Record;

/// How long the last state of an object that did not end is asked for.
const LAST_LOOK: Duration = Duration::from_secs(2);

impl Follow<'_> {
    /// An object has come to its end, or to the end of our patience. What follows it starts at
    /// once; what is known of its steps is written down when it is complete.
    pub(super) fn ended(&mut self, index: usize, whole: Option<Vec<u8>>) {
        let item = &mut self.items[index];
        if !item.is_open() {
            return;
        }
        let was_there = item.state == State::There;
        item.state = State::Ended;
        item.is_over.set(true);
        item.last.whole = whole;
        let phase = item.last.phase;
        let shown = if phase.is_final() {
            phase
        } else {
            Phase::Error
        };
        info!("workflow {} ends: {shown}", item.order.entry);
        if let Some(teardown) = item.teardown.take().filter(|_| was_there) {
            self.begin_teardown(index, Item::new(teardown, None));
        }
        if was_there && self.items[index].order.resource.kind == Kind::PipelineRun {
            self.ask_for_pods(index);
        }
        self.check_settled(index);
    }

    fn begin_teardown(&mut self, parent: usize, mut item: Item) {
        item.parent = Some(parent);
        let index = self.items.len();
        let order = &item.order;
        let key = (order.resource.clone(), order.name.clone());
        self.by_name.insert(key, index);
        self.items.push(item);
        self.begin(index);
    }

    /// Something that was under way for an item is done.
    pub(super) fn settle(&mut self, index: usize) {
        self.items[index].busy -= 1;
        self.check_settled(index);
    }

    fn check_settled(&mut self, index: usize) {
        let item = &self.items[index];
        if item.state == State::Ended && item.busy == 0 {
            self.finish(index);
        }
    }

    /// Writes down what is known of an item.
    pub(super) fn finish(&mut self, index: usize) {
        let item = &mut self.items[index];
        item.state = State::Finishing;
        self.finishing += 1;
        let paper = Paper {
            cluster: self.cluster,
            record: self.run.record,
            settings: self.settings,
            resource: item.order.resource.clone(),
            entry: item.order.entry.clone(),
            name: item.order.name.clone(),
            uid: item.uid.clone(),
            evidence: std::mem::take(&mut item.evidence),
            last: std::mem::take(&mut item.last),
            pods: std::mem::take(&mut item.pods),
            elapsed: item.since.elapsed(),
            is_adopted: item.is_adopted,
            problems: std::mem::take(&mut item.problems),
        };
        let task = paper.write();
        let task = task.map(move |end| Done::Written(index, Box::new(end)));
        self.tasks.push(task.boxed_local());
    }

    /// The ends, a teardown behind what it follows.
    pub(super) fn ends(self) -> Vec<WorkflowEnd> {
        let mut ends: Vec<_> = (self.items.into_iter().enumerate())
            .map(|(index, item)| ((item.parent.unwrap_or(index), index), end_of(item)))
            .collect();
        ends.sort_by_key(|(place, _)| *place);
        ends.into_iter().map(|(_, end)| end).collect()
    }
}

/// The end of an item, also where there was no time to write it down.
fn end_of(item: Item) -> WorkflowEnd {
    item.end.unwrap_or(WorkflowEnd {
        entry: item.order.entry,
        name: item.order.name,
        phase: Phase::Error,
        message: "there was no time to write down how it ended".to_owned(),
        took: item.since.elapsed(),
        problems: item.problems,
        ..WorkflowEnd::default()
    })
}

/// Everything that is known of one object.
struct Paper<'a> {
    cluster: &'a Cluster,
    record: &'a Record,
    settings: &'a Settings,
    resource: Resource,
    entry: String,
    name: String,
    uid: Option<String>,
    evidence: HashMap<String, StepEvidence>,
    last: Last,
    pods: Vec<NodeStatus>,
    elapsed: Duration,
    is_adopted: bool,
    problems: Vec<Error>,
}

impl Paper<'_> {
    async fn write(mut self) -> WorkflowEnd {
        let (object, status) = self.object().await;
        let recorded = self.record(&object, &status).await;
        self.problems.extend(recorded.err());
        let took = self.last.took.filter(|_| self.is_adopted);
        WorkflowEnd {
            failed: self.failed(&status),
            phase: status.phase,
            message: self.settings.rules.redact(&status.message),
            took: took.unwrap_or(self.elapsed),
            links: self.links(),
            expected_junit: WorkflowEnd::expected_junit(&object),
            entry: self.entry,
            name: self.name,
            problems: self.problems,
        }
    }

    /// The whole object and its status: as it ended, or as it is now where it did not.
    async fn object(&mut self) -> (Value, WorkflowStatus) {
        let mut json = self.last.whole.take();
        if json.is_none() && self.uid.is_some() {
            let until = Instant::now() + LAST_LOOK;
            let found = get(self.cluster, &self.resource, &self.name, until).await;
            // Where it cannot be had there is nothing to write.
            json = found.unwrap_or_default();
        }
        let read = json.as_deref().and_then(|json| {
            let seen = Seen::read(self.resource.kind, json).ok()?;
            Some((whole(json).ok()?, seen.status))
        });
        let (mut object, mut status) = read.unwrap_or_else(|| {
            let name = json!({"metadata": {"name": self.name}});
            (name, WorkflowStatus::default())
        });
        if !status.phase.is_final() {
            status.phase = Phase::Error;
            status.message.clone_from(&self.last.message);
            cut_short(&mut object, &status.message);
        }
        let pods = std::mem::take(&mut self.pods).into_iter();
        (status.nodes).extend(pods.map(|pod| (pod.id.clone(), pod)));
        (object, status)
    }

    async fn record(&self, object: &Value, status: &WorkflowStatus) -> Result<()> {
        if self.uid.is_none() {
            return Ok(());
        }
        self.record.workflow(&self.name, object).await?;
        if self.resource.kind == Kind::PipelineRun && status.nodes.is_empty() {
            return Ok(());
        }
        let report = report(&self.entry, status, &self.evidence);
        let folder = &self.settings.run_dir;
        self.record.steps(&self.name, &report, folder).await
    }

    fn failed(&self, status: &WorkflowStatus) -> Vec<StepEnd> {
        let end = |FailedStep { step, pod }| {
            // Nothing here runs what Tekton ran.
            let ran = pod.node_type == "Pod" && self.resource.kind == Kind::Workflow;
            let end = StepEnd {
                name: step.display_name.clone(),
                phase: pod.phase,
                message: self.settings.rules.redact(&pod.message),
                again: ran.then(|| self.again(status, step)),
                ..StepEnd::default()
            };
            let Some(evidence) = self.evidence.get(&pod.id) else {
                return end;
            };
            let elsewhere = evidence.elsewhere.as_ref();
            StepEnd {
                reasons: evidence.reasons.clone(),
                last_lines: evidence.last_lines.clone(),
                logs: elsewhere.or(evidence.place.as_ref()).cloned(),
                ..end
            }
        };
        failed_steps(status).into_iter().map(end).collect()
    }

    /// The command that runs a step on this machine, with the workflow's file from the bucket in
    /// the current folder.
    fn again(&self, status: &WorkflowStatus, step: &NodeStatus) -> Command {
        let file = format!("{}.yaml", self.name);
        let step = workflow::step_name(status, step);
        workflow::run_step_again(file.as_ref(), self.name.as_ref(), step)
    }

    fn links(&self) -> Vec<(&'static str, String)> {
        let mut links = Vec::new();
        let Some(uid) = &self.uid else {
            return links;
        };
        let namespace = &self.resource.namespace;
        let page = self.settings.page.as_ref();
        links.extend(page.map(|page| ("page", fill(page, namespace, &self.name, uid))));
        links.push(("object", self.record.workflow_place(&self.name)));
        links
    }
}
