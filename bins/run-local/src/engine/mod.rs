//! Runs a workflow's templates in the order that Argo's controller would, and records what
//! happened in the controller's own shape.

mod dag;
mod items;
mod nodes;
mod retry;
mod scope;
mod steps;
mod tasks;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::Result;
use common::app::{Stop, StopHandle};
use common::workflow::{Outputs, Parameter, Phase};
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub(crate) use nodes::{NewNode, Nodes, Times};

use crate::choice::Choice;
use crate::manifest::{Body, Input, OutputSource, Template, Workflow};
use crate::step::{Failure, Leaf, StepRunner};
use crate::substitute::{Scope, replace};

/// Templates may call themselves; deeper than this is a mistake (the controller: 100).
const MAX_DEPTH: usize = 100;

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
    global: Mutex<Scope>,
    pods: Arc<Semaphore>,
    /// Tells the steps that run, and those that would start, to end.
    stop: Mutex<Stop>,
    ending: Mutex<Option<Ending>>,
}

/// A template about to run.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) template: Arc<Template>,
    pub(crate) node_name: String,
    pub(crate) display_name: String,
    pub(crate) boundary: Option<String>,
    pub(crate) arguments: Vec<(String, String)>,
    pub(crate) result_wanted: bool,
    pub(crate) depth: usize,
}

/// A `steps` or `dag` template while it runs.
pub(crate) struct Frame {
    pub(crate) template: Arc<Template>,
    pub(crate) node_name: String,
    pub(crate) id: String,
    pub(crate) scope: Scope,
    pub(crate) parallelism: Option<Arc<Semaphore>>,
    pub(crate) depth: usize,
}

impl Engine {
    pub(crate) fn new(workflow: Arc<Workflow>, nodes: Nodes, runner: StepRunner) -> Self {
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
            end.message = "Workflow exceeded its activeDeadlineSeconds".to_owned();
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
            if handler.phase.is_bad() {
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
        Ok(Some(started + Duration::from_secs(seconds)))
    }

    /// Runs a single step.
    pub(crate) async fn run_step(self: &Arc<Self>, choice: &Choice, stop: &Stop) -> Outcome {
        let call = self
            .top_level(&choice.template, &choice.node_name)
            .map(|call| Call {
                display_name: choice.display_name.clone(),
                arguments: choice.arguments.clone(),
                ..call
            });
        let end = self.run_until(call, stop, None, None).await;
        self.nodes.end(end.phase, &end.message);
        end
    }

    /// The call of a template that no other one calls.
    fn top_level(&self, template: &str, node_name: &str) -> Result<Call, String> {
        let found = self.workflow.templates.get(template).cloned();
        Ok(Call {
            template: found.ok_or_else(|| format!("there is no template {template:?}"))?,
            display_name: node_name.to_owned(),
            node_name: node_name.to_owned(),
            boundary: None,
            arguments: self.workflow.parameters.clone(),
            result_wanted: false,
            depth: 0,
        })
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
        let at_deadline = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
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
        std::future::pending().await
    }

    /// Why the steps were told to end, if they were.
    pub(crate) fn ending(&self) -> Option<Ending> {
        *lock(&self.ending)
    }

    /// The steps that failed, with their last words.
    pub(crate) fn failures(&self) -> Vec<Failure> {
        lock(&self.runner.failures).clone()
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

    /// Runs a template: its inputs, its retries, its body.
    pub(crate) fn execute(
        self: &Arc<Self>,
        call: Call,
    ) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        let engine = self.clone();
        Box::pin(async move {
            if call.depth > MAX_DEPTH {
                return engine.never_started(&call, "the templates call one another too deeply");
            }
            match engine.inputs(&call) {
                Err(why) => engine.never_started(&call, &why),
                Ok(inputs) if call.template.retry.is_some() => engine.retry(&call, &inputs).await,
                Ok(inputs) => engine.body(&call, &inputs, None).await,
            }
        })
    }

    fn inputs(&self, call: &Call) -> Result<Vec<(String, String)>, String> {
        let value = |input: &Input| {
            let given = call.arguments.iter().find(|(name, _)| *name == input.name);
            match given.map(|(_, value)| value).or(input.default.as_ref()) {
                Some(value) => Ok((input.name.clone(), self.replace(value, &[])?)),
                None => Err(format!("inputs.parameters.{} was not supplied", input.name)),
            }
        };
        call.template.inputs.iter().map(value).collect()
    }

    /// Runs a template's body once; `retries` is the number of the attempt where there is a
    /// retry strategy.
    async fn body(
        self: &Arc<Self>,
        call: &Call,
        inputs: &[(String, String)],
        retries: Option<usize>,
    ) -> Outcome {
        let mut scope = scope::of_inputs(inputs);
        if let Some(retries) = retries {
            scope.insert("retries".to_owned(), retries.to_string());
        }
        scope.insert("node.name".to_owned(), call.node_name.clone());
        scope.insert("pod.name".to_owned(), self.nodes.id(&call.node_name));
        match &call.template.body {
            Body::Leaf(container) => self.leaf(call, inputs, container, scope).await,
            Body::Steps(_) | Body::Dag(_) => self.group(call, inputs, scope).await,
        }
    }

    async fn leaf(
        &self,
        call: &Call,
        inputs: &[(String, String)],
        container: &crate::manifest::Container,
        scope: Scope,
    ) -> Outcome {
        let stop = self.stop();
        let permit = tokio::select! {
            permit = self.pods.clone().acquire_owned() => permit,
            _ = stop.wait() => return Outcome::stopped(),
        };
        if permit.is_err() || stop.asked().is_some() {
            return Outcome::stopped();
        }
        let id = self.start(call, "Pod", inputs);
        let leaf = Leaf {
            id: &id,
            node_name: &call.node_name,
            display_name: &call.display_name,
            template: &call.template,
            container,
            result_wanted: call.result_wanted,
        };
        let replace = |text: &str| self.replace(text, &[&scope]);
        let end = self.runner.run(&leaf, &replace, &stop).await;
        self.nodes
            .finish(&id, end.phase, &end.message, Some(end.outputs.clone()));
        Outcome {
            outbound: vec![id.clone()],
            id,
            phase: end.phase,
            message: end.message,
            outputs: Some(end.outputs),
        }
    }

    async fn group(
        self: &Arc<Self>,
        call: &Call,
        inputs: &[(String, String)],
        scope: Scope,
    ) -> Outcome {
        let is_dag = matches!(call.template.body, Body::Dag(_));
        let id = self.start(call, if is_dag { "DAG" } else { "Steps" }, inputs);
        let mut frame = Frame {
            template: call.template.clone(),
            node_name: call.node_name.clone(),
            id: id.clone(),
            scope,
            parallelism: call
                .template
                .parallelism
                .map(|count| Arc::new(Semaphore::new(count))),
            depth: call.depth + 1,
        };
        let mut end = if is_dag {
            self.run_dag(&mut frame).await
        } else {
            self.run_steps(&mut frame).await
        };
        if end.phase == Phase::Succeeded {
            match self.group_outputs(&call.template, &frame.scope) {
                Ok(outputs) => end.outputs = outputs,
                Err(why) => (end.phase, end.message) = (Phase::Error, why),
            }
        }
        self.nodes.set_outbound(&id, &end.outbound);
        self.nodes
            .finish(&id, end.phase, &end.message, end.outputs.clone());
        Outcome { id, ..end }
    }

    fn group_outputs(&self, template: &Template, scope: &Scope) -> Result<Option<Outputs>, String> {
        let mut parameters = Vec::new();
        for output in &template.outputs {
            let OutputSource::Parameter(tag) = &output.source else {
                return Err(format!(
                    "the output {:?} of steps has no parameter",
                    output.name
                ));
            };
            // The field holds a tag, but its braces are often forgotten, and Argo takes both.
            let tag = if tag.contains("{{") {
                tag.clone()
            } else {
                format!("{{{{{tag}}}}}")
            };
            let value = match self.replace(&tag, &[scope]) {
                Ok(value) => value,
                Err(why) => output.default.clone().ok_or(why)?,
            };
            parameters.push(Parameter {
                name: output.name.clone(),
                value: Some(value),
            });
        }
        let outputs = Outputs {
            parameters,
            ..Outputs::default()
        };
        Ok((!outputs.parameters.is_empty()).then_some(outputs))
    }

    fn start(&self, call: &Call, node_type: &'static str, inputs: &[(String, String)]) -> String {
        self.nodes.start(&NewNode {
            name: &call.node_name,
            display_name: &call.display_name,
            node_type,
            template: &call.template.name,
            boundary: call.boundary.as_deref(),
            inputs,
        })
    }

    fn never_started(&self, call: &Call, why: &str) -> Outcome {
        let id = self.start(call, "Skipped", &[]);
        self.nodes.finish(&id, Phase::Error, why, None);
        tracing::error!("{}: {why}", call.display_name);
        Outcome {
            outbound: vec![id.clone()],
            id,
            phase: Phase::Error,
            message: why.to_owned(),
            outputs: None,
        }
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
