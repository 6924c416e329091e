//! Runs one template: its inputs, its body, its outputs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use common::workflow::{Outputs, Parameter, Phase};
use tokio::sync::Semaphore;

use super::{Engine, NewNode, Outcome, scope};
use crate::manifest::{Body, Container, Input, OutputSource, Template};
use crate::step::Leaf;
use crate::substitute::Scope;

/// Templates may call themselves; deeper than this is a mistake (the controller: 100).
const MAX_DEPTH: usize = 100;

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
            let value = match (given, &input.default) {
                // Its tags are replaced already; others in it came with a value and are text.
                (Some((_, value)), _) => value.clone(),
                (None, Some(default)) => self.replace(default, &[])?,
                (None, None) => {
                    return Err(format!("inputs.parameters.{} was not supplied", input.name));
                }
            };
            Ok((input.name.clone(), value))
        };
        call.template.inputs.iter().map(value).collect()
    }

    /// Runs a template's body once; `retries` is the number of the attempt where there is a
    /// retry strategy.
    pub(super) async fn body(
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
        container: &Container,
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
            label: &self.label(&call.display_name),
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

    pub(super) fn start(
        &self,
        call: &Call,
        node_type: &'static str,
        inputs: &[(String, String)],
    ) -> String {
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
        tracing::error!("{}: {why}", self.label(&call.display_name));
        Outcome {
            outbound: vec![id.clone()],
            id,
            phase: Phase::Error,
            message: why.to_owned(),
            outputs: None,
        }
    }
}
