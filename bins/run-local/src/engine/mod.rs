//! Runs a workflow's templates in the order that Argo's controller would, and records what
//! happened in the controller's own shape.

mod call;
mod dag;
mod items;
mod nodes;
mod retry;
mod scope;
mod steps;
mod tasks;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::Result;
use common::app::{Stop, StopHandle};
use common::workflow::{Outputs, Phase};
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub(crate) use call::{Call, Frame};
pub(crate) use nodes::{NewNode, Nodes, Times};

use crate::choice::Choice;
use crate::manifest::Workflow;
use crate::step::{Failure, StepRunner};
use crate::substitute::{Scope, replace};

/// How a node ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) id: String,
    pub(crate) phase: Phase,
    pub(crate) message: String,
    pub(crate) outputs: Option<Outputs>,
    /// The last nodes within it: those that the next ones follow.
    pub(crate) outbound: Vec<String>,
}

/// Why the steps were told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The workflow's own deadline.
    Deadline,
    /// A signal to this program.
    Signal(i32),
}

/// A running workflow.
pub(crate) struct Engine {
    pub(crate) workflow: Arc<Workflow>,
    pub(crate) nodes: Nodes,
    runner: StepRunner,
    output_prefix: String,
    global: Mutex<Scope>,
    pods: Arc<Semaphore>,
    /// Tells the steps that run, and those that would start, to end.
    stop: Mutex<Stop>,
    ending: Mutex<Option<Ending>>,
}

impl Engine {
    pub(crate) fn new(
        workflow: Arc<Workflow>,
        nodes: Nodes,
        runner: StepRunner,
        output_prefix: &str,
    ) -> Self {
        let started_at = nodes.snapshot().started_at.unwrap_or_default();
        let pods = workflow.parallelism.unwrap_or(Semaphore::MAX_PERMITS);
        Engine {
            global: Mutex::new(scope::of_workflow(&workflow, &started_at)),
            pods: Arc::new(Semaphore::new(pods)),
            stop: Mutex::new(Stop::never()),
            ending: Mutex::new(None),
            workflow,
            nodes,
            runner,
            output_prefix: output_prefix.to_owned(),
        }
    }

    /// Runs the workflow to its end, the exit handler included. `stop` is what the outside
    /// asks; `grace` bounds the exit handler when it has asked.
    pub(crate) async fn run(self: &Arc<Self>, stop: &Stop, grace: Duration) -> Result<Outcome> {
        let started = Instant::now();
        let deadline = self.deadline(started)?;
        let main = self.top_level(&self.workflow.entrypoint, &self.workflow.name);
        let mut end = self.run_until(main, stop, deadline, None).await;
        if self.ending() == Some(Ending::Deadline) {
            end.phase = Phase::Failed;
            "Workflow exceeded its activeDeadlineSeconds".clone_into(&mut end.message);
        }
        if let Some(on_exit) = self.workflow.on_exit.clone() {
            let seconds = started.elapsed().as_secs_f64();
            scope::add_end(
                &mut self.lock_global(),
                end.phase,
                self.nodes.failures(),
                seconds,
            );
            let handler = self.top_level(&on_exit, &format!("{}.onExit", self.workflow.name));
            let handler = self.run_until(handler, stop, None, Some(grace)).await;
            // What failed first stays the reason, as in the controller.
            if handler.phase.is_bad() && !end.phase.is_bad() {
                end.phase = handler.phase;
                end.message = handler.message;
            }
        }
        self.nodes.end(end.phase, &end.message);
        Ok(end)
    }

    fn deadline(&self, started: Instant) -> Result<Option<Instant>> {
        let Some(text) = &self.workflow.active_deadline else {
            return Ok(None);
        };
        let place = |why: &str| {
            self.workflow
                .document
                .error("/spec/activeDeadlineSeconds", why)
        };
        let text = replace(text, &[&self.lock_global()]).map_err(|why| place(&why))?;
        let seconds = text
            .parse()
            .map_err(|_| place("activeDeadlineSeconds is not a number"))?;
        // One that no clock reaches is none.
        Ok(started.checked_add(Duration::from_secs(seconds)))
    }

    /// Runs a single step.
    pub(crate) async fn run_step(self: &Arc<Self>, choice: &Choice, stop: &Stop) -> Outcome {
        let call = self.chosen(choice);
        let end = self.run_until(call, stop, None, None).await;
        self.nodes.end(end.phase, &end.message);
        end
    }

    fn chosen(&self, choice: &Choice) -> Result<Call, String> {
        let mut arguments = choice.given.clone();
        for (name, text) in &choice.written {
            arguments.push((name.clone(), self.replace(text, &[])?));
        }
        Ok(Call {
            display_name: choice.display_name.clone(),
            arguments,
            ..self.top_level(&choice.template, &choice.node_name)?
        })
    }

    /// The call of a template that no other one calls.
    fn top_level(&self, template: &str, node_name: &str) -> Result<Call, String> {
        let found = self.workflow.templates.get(template).cloned();
        Ok(Call {
            template: found.ok_or_else(|| format!("there is no template {template:?}"))?,
            display_name: node_name.to_owned(),
            node_name: node_name.to_owned(),
            boundary: None,
            arguments: self.parameters(),
            result_wanted: false,
            depth: 0,
        })
    }

    /// The workflow's parameters with their values.
    fn parameters(&self) -> Vec<(String, String)> {
        let global = self.lock_global();
        let parameter = |(name, value): &(String, String)| {
            let replaced = global.get(&format!("workflow.parameters.{name}"));
            (name.clone(), replaced.unwrap_or(value).clone())
        };
        self.workflow.parameters.iter().map(parameter).collect()
    }

    /// Runs one template at the top level. Its steps are told to end at the deadline, and
    /// when the outside asks: at once, or for an exit handler after its grace time.
    async fn run_until(
        self: &Arc<Self>,
        call: Result<Call, String>,
        stop: &Stop,
        deadline: Option<Instant>,
        grace: Option<Duration>,
    ) -> Outcome {
        let call = match call {
            Ok(call) => call,
            Err(why) => return Outcome::error(why),
        };
        let (handle, steps_stop) = Stop::by_hand();
        *lock(&self.stop) = steps_stop;
        let relay = self.relay(&handle, stop, deadline, grace);
        tokio::select! {
            end = self.execute(call) => end,
            () = relay => Outcome::error("interrupted".to_owned()),
        }
    }

    /// Passes on to the steps what asks them to end; never returns.
    async fn relay(
        &self,
        handle: &StopHandle,
        stop: &Stop,
        deadline: Option<Instant>,
        grace: Option<Duration>,
    ) {
        let at_deadline = common::exec::until(deadline);
        let asked = async {
            let signal = stop.wait().await;
            if let Some(grace) = grace {
                tokio::select! {
                    () = tokio::time::sleep(grace) => {}
                    _ = stop.insisted() => {}
                }
            }
            signal
        };
        let (ending, signal) = tokio::select! {
            signal = asked => (Ending::Signal(signal), signal),
            () = at_deadline => (Ending::Deadline, rustix::process::Signal::TERM.as_raw()),
        };
        lock(&self.ending).get_or_insert(ending);
        handle.stop(signal);
        stop.insisted().await;
        handle.stop(signal);
        std::future::pending::<()>().await;
    }

    /// Why the steps were told to end, if they were.
    pub(crate) fn ending(&self) -> Option<Ending> {
        *lock(&self.ending)
    }

    /// What people see of a node's name: with what stands before the names of this workflow's
    /// steps, and without the workflow's own name, which an exit handler starts with. An item
    /// of a loop is part of the name, and may hold anything.
    pub(crate) fn label(&self, display_name: &str) -> String {
        let own = display_name
            .strip_prefix(&self.workflow.name)
            .and_then(|rest| rest.strip_prefix('.'));
        let name = common::on_one_line(own.unwrap_or(display_name));
        format!("{}{name}", self.output_prefix)
    }

    /// The steps that failed, with their last words.
    pub(crate) fn failures(&self) -> Vec<Failure> {
        lock(&self.runner.failures).clone()
    }

    /// Ends what steps have left running.
    pub(crate) async fn end_steps(&self) {
        self.runner.runtime.end().await;
        common::exec::end_orphans();
    }

    pub(crate) fn stop(&self) -> Stop {
        lock(&self.stop).clone()
    }

    fn lock_global(&self) -> std::sync::MutexGuard<'_, Scope> {
        lock(&self.global)
    }

    /// Replaces the tags of a text.
    pub(crate) fn replace(&self, text: &str, scopes: &[&Scope]) -> Result<String, String> {
        let global = self.lock_global();
        let mut all = scopes.to_vec();
        all.push(&global);
        replace(text, &all)
    }
}

impl Outcome {
    fn error(message: String) -> Self {
        Outcome {
            phase: Phase::Error,
            message,
            ..Outcome::default()
        }
    }

    /// The end of what never told its own: a mistake of ours must not read as a success.
    fn lost() -> Self {
        Outcome::error("it did not report its end".to_owned())
    }

    /// The end of what did not start because everything is told to end.
    fn stopped() -> Self {
        Outcome {
            phase: Phase::Failed,
            message: "Stopped with strategy 'Stop'".to_owned(),
            ..Outcome::default()
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
