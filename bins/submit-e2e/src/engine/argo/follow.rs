//! Follows all objects of a job to their ends.

mod ending;
mod finish;
mod pods;

use std::collections::HashMap;
use std::rc::Rc;

use common::Error;
use common::workflow::{NodeStatus, Phase};
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use super::AT_ONCE;
use super::Settings;
use super::client::Cluster;
use super::evidence::{Collector, StepEvidence};
use super::fault::Fault;
use super::feed::{Feed, News};
use super::identity::Run as Identity;
use super::item::{Item, State};
use super::resource::{Resource, Shutdown};
use super::stream::Screen;
use super::submit::get;
use super::track::Transition;
use super::view::Seen;
use crate::engine::{Run, WorkflowEnd};
use crate::opts::{Kept, Steps};

use ending::Ending;

/// How long the evidence of one step may take while nothing urges.
const COLLECTING: std::time::Duration = std::time::Duration::from_mins(5);

/// How many news may wait to be looked at.
const WAITING: usize = 16;

/// Something that was under way is done.
enum Done {
    Created(usize, common::Result<Seen>),
    Collected {
        index: usize,
        node: Box<NodeStatus>,
        evidence: StepEvidence,
    },
    Shown(usize),
    /// The steps of a `PipelineRun` that has ended.
    Pods(usize, Vec<NodeStatus>),
    /// An object was told to end, after a look at what waited to start.
    Told {
        index: usize,
        how: Shutdown,
        told: Result<(), Fault>,
        looked: Vec<(NodeStatus, StepEvidence)>,
    },
    /// Whether an object that a list did not have is gone.
    LookedFor(usize, bool),
    Written(usize, Box<WorkflowEnd>),
    /// A feed came to its end, which it tells itself.
    FeedEnded,
}

type Task<'a> = LocalBoxFuture<'a, Done>;

/// All objects of a job, and everything that is under way for them.
pub(super) struct Follow<'a> {
    cluster: &'a Cluster,
    identity: &'a Identity,
    settings: &'a Settings,
    run: &'a Run<'a>,
    collector: Rc<Collector<'a>>,
    screen: Rc<Screen<'a>>,
    items: Vec<Item>,
    by_name: HashMap<(Resource, String), usize>,
    tasks: FuturesUnordered<Task<'a>>,
    /// Requests of one kind take turns.
    creating: Rc<Semaphore>,
    collecting: Rc<Semaphore>,
    finishing: usize,
    ending: Option<Ending>,
    /// Lines name the workflow as well.
    has_several: bool,
}

impl<'a> Follow<'a> {
    pub(super) fn new(
        cluster: &'a Cluster,
        identity: &'a Identity,
        settings: &'a Settings,
        run: &'a Run<'a>,
        items: Vec<Item>,
    ) -> Self {
        let by_name = |(index, item): (usize, &Item)| {
            (
                (item.order.resource.clone(), item.order.name.clone()),
                index,
            )
        };
        Follow {
            cluster,
            identity,
            settings,
            run,
            collector: Rc::new(Collector {
                cluster,
                record: run.record,
                rules: &settings.rules,
                folder: &settings.run_dir,
                project: settings.project.as_deref(),
            }),
            screen: Rc::new(Screen {
                cluster,
                rules: &settings.rules,
                output: run.output.clone(),
            }),
            by_name: items.iter().enumerate().map(by_name).collect(),
            has_several: items.len() > 1,
            items,
            tasks: FuturesUnordered::new(),
            creating: Rc::new(Semaphore::new(AT_ONCE)),
            collecting: Rc::new(Semaphore::new(AT_ONCE)),
            finishing: 0,
            ending: None,
        }
    }

    /// Creates what is not there, and follows everything to its end; gives the ends in the order
    /// of the items, a teardown behind what it follows.
    pub(super) async fn until_the_end(mut self, feeds: Vec<Feed>) -> Vec<WorkflowEnd> {
        let (sender, mut news) = mpsc::channel(WAITING);
        for feed in feeds {
            let run = feed.run(self.cluster, sender.clone());
            self.tasks.push(run.map(|()| Done::FeedEnded).boxed_local());
        }
        drop(sender);
        for index in 0..self.items.len() {
            self.begin(index);
        }
        let stop = self.run.stop.clone();
        while !self.items.iter().all(|item| item.state == State::Over) {
            let next = self.ending.as_ref().map_or(self.run.deadline, Ending::next);
            let is_ending = self.ending.is_some();
            tokio::select! {
                // What is done makes room for what is new.
                Some(done) = self.tasks.next() => self.done(done),
                Some(news) = news.recv(), if self.finishing < AT_ONCE => self.take(news),
                signal = stop.wait(), if !is_ending => self.end_all(Some(signal)),
                _ = stop.insisted(), if is_ending && !self.is_hurried() => self.hurry(),
                () = sleep_until(next) => {
                    if !is_ending {
                        self.end_all(None);
                    } else if self.go_on_ending() {
                        break;
                    }
                }
            }
        }
        self.ends()
    }

    fn begin(&mut self, index: usize) {
        let (identity, cluster) = (self.identity, self.cluster);
        let item = &mut self.items[index];
        let (entry, name) = (item.order.entry.clone(), item.order.name.clone());
        item.since = Instant::now();
        item.state = State::Creating;
        if item.is_adopted {
            info!("workflow {entry} goes on: {name}, which an earlier start of this build created");
            return;
        }
        let mut order = item.order.clone();
        std::mem::swap(&mut order.manifest, &mut item.order.manifest);
        item.order.manifest = serde_json::Value::Null;
        // What tears down is wanted in any case, and most of all where the job was interrupted.
        let is_teardown = item.parent.is_some();
        let until = match &self.ending {
            Some(ending) => ending.evidence_until(),
            None => self.run.deadline,
        };
        let (creating, stop) = (self.creating.clone(), self.run.stop.clone());
        let task = async move {
            // The semaphore is never closed.
            let _turn = creating.acquire().await;
            if !is_teardown && let Err(error) = stop.check("before the workflow was submitted") {
                return Done::Created(index, Err(error));
            }
            Done::Created(index, order.create(cluster, identity, until).await)
        };
        self.tasks.push(task.boxed_local());
    }

    fn label(&self, index: usize) -> String {
        if self.has_several {
            format!("{}/", self.items[index].order.entry)
        } else {
            String::new()
        }
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Created(index, Ok(seen)) => self.created(index, &seen),
            Done::Created(index, Err(error)) => {
                error!("{}", error.report());
                self.items[index].problems.push(error);
                self.ended(index, None);
            }
            Done::Collected {
                index,
                node,
                evidence,
            } => self.collected(index, &node, evidence),
            Done::Shown(index) => self.settle(index),
            Done::Pods(index, pods) => self.take_pods(index, &pods),
            Done::Told {
                index,
                how,
                told,
                looked,
            } => {
                if let Err(fault) = told {
                    let name = &self.items[index].order.name;
                    warn!("tell {name} to end ({how:?}): {fault}");
                }
                for (node, evidence) in looked {
                    self.looked_at(index, &node, evidence);
                }
            }
            Done::LookedFor(index, true) if self.items[index].is_open() => {
                self.deleted(index, None);
            }
            Done::Written(index, end) => {
                self.finishing -= 1;
                self.items[index].state = State::Over;
                self.items[index].end = Some(*end);
            }
            Done::LookedFor(..) | Done::FeedEnded => {}
        }
    }

    fn created(&mut self, index: usize, seen: &Seen) {
        let item = &mut self.items[index];
        item.is_there(&seen.uid);
        let (entry, name) = (&item.order.entry, &item.order.name);
        let page = self.settings.page.as_ref();
        let namespace = &item.order.resource.namespace;
        if let Some(page) = page.map(|page| super::fill(page, namespace, name, &seen.uid)) {
            info!("workflow {entry} starts: {name}, {page}");
        } else {
            info!("workflow {entry} starts: {name}");
        }
        if self.ending.is_some() {
            self.tell_to_end(index);
        }
    }

    fn take(&mut self, news: News) {
        match news {
            News::Object {
                resource,
                seen,
                whole,
                is_deleted,
            } => {
                let key = (resource, seen.name.clone());
                if let Some(index) = self.by_name.get(&key).copied() {
                    self.see(index, *seen, whole, is_deleted);
                }
            }
            News::All {
                resource,
                uids,
                since,
            } => self.look_for_missing(&resource, &uids, since),
            News::Lost(error) => {
                let what = error.report();
                error!("{what}");
                for index in 0..self.items.len() {
                    if self.items[index].is_open() {
                        let entry = &self.items[index].order.entry;
                        let lost = Error::unavailable(format!(
                            "workflow {entry:?} is not followed any more"
                        ));
                        self.items[index].problems.push(lost.because(what.clone()));
                        self.ended(index, None);
                    }
                }
            }
        }
    }

    fn see(&mut self, index: usize, mut seen: Seen, whole: Option<Vec<u8>>, is_deleted: bool) {
        let item = &mut self.items[index];
        let is_own = match &item.uid {
            Some(uid) => *uid == seen.uid,
            None => self
                .identity
                .owns(&item.order.entry, |name| seen.labels.get(name).cloned()),
        };
        if !item.is_open() || !is_own || !item.tracker.is_news(&seen) {
            return;
        }
        item.is_there(&seen.uid);
        for transition in item.tracker.observe(&seen) {
            self.tell(index, &transition);
            if let Some(node) = seen.status.nodes.get(&transition.id) {
                self.step_changed(index, node);
            }
        }
        if seen.is_final() {
            let item = &mut self.items[index];
            item.last.took = super::view::took(
                seen.status.started_at.as_deref(),
                seen.status.finished_at.as_deref(),
            );
            item.remember(&mut seen);
            self.ended(index, whole);
        } else if is_deleted {
            self.deleted(index, whole);
        } else {
            self.items[index].remember(&mut seen);
            if self.ending.is_some() && !seen.is_shut_down {
                self.tell_to_end(index);
            }
        }
    }

    fn tell(&self, index: usize, transition: &Transition) {
        let text = format!("{}{}", self.label(index), transition.text());
        let text = self.settings.rules.redact(&text);
        if transition.phase.is_bad() {
            error!("{text}");
        } else if transition.phase == Phase::Pending {
            warn!("{text}");
        } else {
            info!("{text}");
        }
    }

    /// Keeps and shows of a step what is asked for.
    fn step_changed(&mut self, index: usize, node: &NodeStatus) {
        if node.node_type != "Pod" {
            return;
        }
        if !node.phase.is_final() {
            // What was kept is of a pod that is gone.
            self.items[index].collected.remove(&node.id);
        }
        let is_kept = self.settings.kept == Kept::All && node.phase == Phase::Succeeded;
        if node.phase.is_bad() || is_kept {
            self.collect(index, node, self.evidence_until());
        } else if node.phase == Phase::Running && self.settings.follow == Steps::All {
            let subject = self.items[index].subject(node);
            self.items[index].busy += 1;
            let (screen, prefix) = (self.screen.clone(), self.label(index));
            let is_over = self.items[index].is_over.clone();
            let task = async move {
                screen.follow(&subject, &prefix, is_over).await;
                Done::Shown(index)
            };
            self.tasks.push(task.boxed_local());
        }
    }

    /// Until when evidence is collected.
    fn evidence_until(&self) -> Instant {
        match &self.ending {
            Some(ending) => ending.evidence_until(),
            None => Instant::now() + COLLECTING,
        }
    }

    fn collect(&mut self, index: usize, node: &NodeStatus, until: Instant) {
        let item = &mut self.items[index];
        if !item.collected.insert(node.id.clone()) {
            return;
        }
        item.busy += 1;
        let subject = item.subject(node);
        let (collector, turns) = (self.collector.clone(), self.collecting.clone());
        let node = Box::new(node.clone());
        let task = async move {
            let _turn = turns.acquire().await;
            let evidence = collector.collect(&subject, until).await;
            Done::Collected {
                index,
                node,
                evidence,
            }
        };
        self.tasks.push(task.boxed_local());
    }

    /// Of a step that waits more cannot be had later: its pod is being removed.
    fn looked_at(&mut self, index: usize, node: &NodeStatus, evidence: StepEvidence) {
        for reason in &evidence.reasons {
            warn!("{}{}: {reason}", self.label(index), node.display_name);
        }
        let item = &mut self.items[index];
        if item.collected.insert(node.id.clone()) || !item.evidence.contains_key(&node.id) {
            item.evidence.insert(node.id.clone(), evidence);
        }
    }

    fn collected(&mut self, index: usize, node: &NodeStatus, evidence: StepEvidence) {
        let label = format!("{}{}", self.label(index), node.display_name);
        for reason in evidence
            .reasons
            .iter()
            .filter(|_| !node.phase.is_final() || node.phase.is_bad())
        {
            warn!("{label}: {reason}");
        }
        if node.phase.is_bad()
            && self.settings.follow == Steps::Failed
            && let Some(log) = evidence.log.clone()
        {
            let screen = self.screen.clone();
            self.items[index].busy += 1;
            let task = async move {
                screen.show_file(&log, &label).await;
                Done::Shown(index)
            };
            self.tasks.push(task.boxed_local());
        }
        self.items[index].evidence.insert(node.id.clone(), evidence);
        self.settle(index);
    }

    /// A list does not have an object: it may have been made or ended meanwhile.
    fn look_for_missing(
        &mut self,
        resource: &Resource,
        uids: &std::collections::HashSet<String>,
        since: Instant,
    ) {
        for index in 0..self.items.len() {
            let item = &self.items[index];
            let is_missing = item.order.resource == *resource
                && (item.state == State::There || item.is_adopted && item.is_open())
                && item.since < since
                && !item.uid.as_ref().is_some_and(|uid| uids.contains(uid));
            if !is_missing {
                continue;
            }
            let (cluster, name, uid) = (self.cluster, item.order.name.clone(), item.uid.clone());
            let resource = resource.clone();
            let task = async move {
                let until = Instant::now() + super::PATIENCE;
                let found = get(cluster, &resource, &name, until).await;
                let is_gone = match found {
                    Ok(Some(json)) => Seen::read(resource.kind, &json)
                        .is_ok_and(|seen| uid.is_some_and(|uid| uid != seen.uid)),
                    Ok(None) => true,
                    // The next list tells.
                    Err(_) => false,
                };
                Done::LookedFor(index, is_gone)
            };
            self.tasks.push(task.boxed_local());
        }
    }

    fn deleted(&mut self, index: usize, whole: Option<Vec<u8>>) {
        let item = &mut self.items[index];
        let (entry, name) = (&item.order.entry, &item.order.name);
        let what = format!("workflow {entry:?} was deleted while it ran: somebody removed {name}");
        error!("{what}");
        item.last.phase = Phase::Error;
        "it was deleted while it ran".clone_into(&mut item.last.message);
        item.problems.push(Error::failed(what));
        self.ended(index, whole);
    }
}
