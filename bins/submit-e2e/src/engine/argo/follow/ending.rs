//! The end that comes from outside: a signal, or the time limit. Everything has to be over
//! within the grace time: whoever sent the signal kills us then.

use std::time::Duration;

use common::Error;
use common::workflow::{NodeStatus, Phase};
use futures::FutureExt;
use futures::future::join_all;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::{Done, Follow};
use crate::engine::argo::item::{Item, State};
use crate::engine::argo::resource::Shutdown;
use crate::engine::argo::submit::shut_down;
use crate::opts::OnAbort;

/// How an end goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Steps end, and exit handlers run.
    Stopping,
    /// Everything ends.
    Terminating,
    /// What is known is written down.
    GivenUp,
}

/// All the time that is left after a second signal.
const HURRY: Duration = Duration::from_secs(2);

/// An end that has begun.
#[derive(Debug)]
pub(super) struct Ending {
    /// The signal; none where the time limit passed.
    signal: Option<i32>,
    since: Instant,
    grace: Duration,
    stage: Stage,
    is_hurried: bool,
}

impl Ending {
    fn new(signal: Option<i32>, grace: Duration) -> Self {
        Ending {
            signal,
            since: Instant::now(),
            grace,
            stage: Stage::Stopping,
            is_hurried: false,
        }
    }

    /// When the next stage begins: most of the time is for the exit handlers, and some has to be
    /// left for evidence and verdict.
    pub(super) fn next(&self) -> Instant {
        let share = match self.stage {
            Stage::Stopping => 0.6,
            Stage::Terminating => 0.8,
            Stage::GivenUp => 0.9,
        };
        self.since + self.grace.mul_f64(share)
    }

    /// Until when evidence is collected.
    pub(super) fn evidence_until(&self) -> Instant {
        self.since + self.grace.mul_f64(0.8)
    }

    fn problem(&self, entry: &str) -> Error {
        match self.signal {
            Some(signal) => {
                Error::interrupted(signal, format!("workflow {entry:?} was interrupted"))
            }
            None => Error::timed_out(format!(
                "workflow {entry:?} did not end within the job's --timeout"
            )),
        }
    }

    fn shutdown(&self) -> Shutdown {
        match self.stage {
            Stage::Stopping => Shutdown::Stop,
            Stage::Terminating | Stage::GivenUp => Shutdown::Terminate,
        }
    }
}

impl Follow<'_> {
    /// The job is interrupted, or out of time.
    pub(super) fn end_all(&mut self, signal: Option<i32>) {
        let ending = Ending::new(signal, self.settings.grace);
        let leaves = self.settings.on_abort == OnAbort::Leave;
        let why = if signal.is_some() {
            "interrupted"
        } else {
            "out of time"
        };
        let what = if leaves { "left running" } else { "stopped" };
        warn!("the job is {why}: its workflows are {what}");
        for item in self.items.iter_mut().filter(|item| item.is_open()) {
            item.problems.push(ending.problem(&item.order.entry));
        }
        self.ending = Some(ending);
        if leaves {
            self.leave_all();
        } else {
            self.tell_all_to_end();
        }
    }

    fn leave_all(&mut self) {
        for index in 0..self.items.len() {
            let item = &mut self.items[index];
            if item.is_open() {
                let name = &item.order.name;
                info!("{name} is left running; to follow it: submit-e2e wait {name}");
                "it was left running on the cluster".clone_into(&mut item.last.message);
                self.ended(index, None);
            }
        }
    }

    fn tell_all_to_end(&mut self) {
        for index in 0..self.items.len() {
            self.tell_to_end(index);
        }
    }

    /// Tells an object what the stage calls for; one that is just being created is told again
    /// when it is there. What waits to start is looked at first: its pod goes away.
    pub(super) fn tell_to_end(&mut self, index: usize) {
        let Some(ending) = self.ending.as_ref() else {
            return;
        };
        let (how, until) = (ending.shutdown(), ending.evidence_until());
        let item = &mut self.items[index];
        // A teardown is the cleaning up itself.
        if !item.is_open() || item.parent.is_some() || item.told >= Some(how) {
            return;
        }
        item.told = Some(how);
        let limit = look_limit(self.settings.grace);
        let waiting: Vec<NodeStatus> = (item.open.iter())
            .filter(|node| node.phase == Phase::Pending)
            .cloned()
            .collect();
        let mut looks = Vec::new();
        for node in waiting {
            let (subject, collector) = (item.subject(&node), self.collector.clone());
            looks.push(async move {
                let evidence = collector.collect(&subject, Instant::now() + limit).await;
                (node, evidence)
            });
        }
        let cluster = self.cluster;
        let (resource, name) = (item.order.resource.clone(), item.order.name.clone());
        let task = async move {
            let looked = timeout(limit, join_all(looks)).await.unwrap_or_default();
            let told = shut_down(cluster, &resource, &name, how, until).await;
            Done::Told {
                index,
                how,
                told,
                looked,
            }
        };
        self.tasks.push(task.boxed_local());
    }

    pub(super) fn is_hurried(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.is_hurried)
    }

    /// A second signal: no grace any more.
    pub(super) fn hurry(&mut self) {
        if let Some(ending) = &mut self.ending {
            ending.is_hurried = true;
            ending.since = Instant::now();
            ending.grace = HURRY;
            ending.stage = Stage::Terminating;
        }
        if self.settings.on_abort == OnAbort::Stop {
            self.tell_all_to_end();
        }
    }

    /// The next stage; true where nothing is waited for any more.
    pub(super) fn go_on_ending(&mut self) -> bool {
        let Some(ending) = &mut self.ending else {
            return true;
        };
        match ending.stage {
            Stage::Stopping => {
                ending.stage = Stage::Terminating;
                let is_open = self.items.iter().any(Item::is_open);
                if self.settings.on_abort == OnAbort::Stop && is_open {
                    warn!("not all workflows have ended: they are terminated");
                    self.tell_all_to_end();
                }
                false
            }
            Stage::Terminating => {
                ending.stage = Stage::GivenUp;
                self.give_up();
                false
            }
            Stage::GivenUp => true,
        }
    }

    /// Writes down what is known of everything.
    fn give_up(&mut self) {
        for index in 0..self.items.len() {
            let item = &mut self.items[index];
            if item.is_open() {
                let name = &item.order.name;
                warn!("{name} did not end within the grace time; it will on its own");
                "it did not end within the grace time".clone_into(&mut item.last.message);
                self.ended(index, None);
            }
            if self.items[index].state == State::Ended {
                self.finish(index);
            }
        }
    }
}

/// How long one looks at what waits to start before it is stopped.
fn look_limit(grace: Duration) -> Duration {
    (grace / 5).min(Duration::from_secs(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stages_of_an_end_fit_into_the_grace_time() {
        let mut ending = Ending::new(Some(15), Duration::from_secs(10));
        let mut last = ending.since;
        for stage in [Stage::Stopping, Stage::Terminating, Stage::GivenUp] {
            ending.stage = stage;
            assert!(ending.next() > last);
            last = ending.next();
        }
        assert!(last < ending.since + ending.grace);
        assert_eq!(ending.problem("e2e").exit(), common::Exit::Interrupted(15));
        let out_of_time = Ending::new(None, Duration::from_secs(1));
        assert_eq!(out_of_time.problem("e2e").exit(), common::Exit::TimedOut);
    }
}
