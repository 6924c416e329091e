//! Templates: inputs, outputs, and what they run.

use std::collections::BTreeSet;

use common::Result;

use super::container::{Container, Kind};
use super::cursor::Cursor;
use super::fields;
use super::task::Task;
use super::volume::{self, Volume};
use crate::expression::Expression;

/// A template.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) name: String,
    pub(crate) inputs: Vec<Input>,
    pub(crate) outputs: Vec<Output>,
    /// What runs to its end before the body, one after the other; leaf templates only.
    pub(crate) init: Vec<Container>,
    pub(crate) body: Body,
    pub(crate) retry: Option<Retry>,
    /// Seconds, as text because a tag may stand there; leaf templates only.
    pub(crate) active_deadline: Option<String>,
    pub(crate) parallelism: Option<usize>,
    pub(crate) volumes: Vec<Volume>,
    /// Where the manifest has it, for errors.
    pub(crate) pointer: String,
}

/// What a template runs.
#[derive(Debug)]
pub(crate) enum Body {
    /// `container` or `script`.
    Leaf(Box<Container>),
    /// Groups one after the other, the steps of a group at once.
    Steps(Vec<Vec<Task>>),
    /// Tasks, each as soon as those that it waits for have ended.
    Dag(Vec<Task>),
}

impl Body {
    /// All steps or tasks.
    pub(crate) fn tasks(&self) -> Vec<&Task> {
        match self {
            Body::Leaf(_) => Vec::new(),
            Body::Steps(groups) => groups.iter().flatten().collect(),
            Body::Dag(tasks) => tasks.iter().collect(),
        }
    }
}

/// An input parameter.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) default: Option<String>,
}

/// An output parameter.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) source: OutputSource,
    pub(crate) default: Option<String>,
}

/// Where an output's value comes from.
#[derive(Debug, Clone)]
pub(crate) enum OutputSource {
    /// A file, as the step sees it.
    Path(String),
    /// An output of a step within this template: a tag.
    Parameter(String),
}

/// `retryStrategy`.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    /// Number of retries after the first attempt, as text because a tag may stand there;
    /// `None`: no end.
    pub(crate) limit: Option<String>,
    pub(crate) policy: RetryPolicy,
    pub(crate) expression: Option<Expression>,
    pub(crate) backoff: Option<Backoff>,
}

/// After which ends a step is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryPolicy {
    Always,
    OnFailure,
    OnError,
}

/// Waiting between retries; durations as Argo writes them: `10s`, `2m`, or plain seconds.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    pub(crate) duration: String,
    pub(crate) factor: Option<String>,
    pub(crate) cap: Option<String>,
    pub(crate) max_duration: Option<String>,
}

impl Template {
    /// Its containers in the order in which they run; none for steps and tasks.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &Container> {
        let own = match &self.body {
            Body::Leaf(container) => Some(&**container),
            Body::Steps(_) | Body::Dag(_) => None,
        };
        self.init.iter().chain(own)
    }

    pub(crate) fn read(
        cursor: Cursor,
        spec: &Cursor,
        not_applied: &mut BTreeSet<String>,
    ) -> Result<Self> {
        let name = cursor.required_text("name")?;
        let cursor = cursor.called(format!("template {name:?}"));
        cursor.check(&fields::TEMPLATE, not_applied)?;
        let body = read_body(&cursor, spec, not_applied)?;
        let active_deadline = cursor.seconds("activeDeadlineSeconds")?;
        if active_deadline.is_some() && !matches!(body, Body::Leaf(_)) {
            return Err(cursor
                .field("activeDeadlineSeconds")
                .error("activeDeadlineSeconds goes with container and script only, as in Argo"));
        }
        Ok(Template {
            init: read_init(&cursor, spec, &body, not_applied)?,
            inputs: read_inputs(&cursor, not_applied)?,
            outputs: read_outputs(&cursor, not_applied)?,
            retry: read_retry(&cursor, not_applied)?,
            parallelism: cursor.count("parallelism")?,
            volumes: volume::read(&cursor, not_applied)?,
            pointer: cursor.pointer.clone(),
            active_deadline,
            body,
            name,
        })
    }
}

/// The containers before the step's own. Those that ask for it see its volumes as it does.
fn read_init(
    cursor: &Cursor,
    spec: &Cursor,
    body: &Body,
    not_applied: &mut BTreeSet<String>,
) -> Result<Vec<Container>> {
    let places = cursor.items("initContainers")?;
    let Body::Leaf(own) = body else {
        return match places.first() {
            Some(place) => Err(place.error("initContainers go with container and script only")),
            None => Ok(Vec::new()),
        };
    };
    let read = |place: &Cursor| {
        let mut init = Container::read(place, Kind::Init, [spec, cursor], not_applied)?;
        if place.flag("mirrorVolumeMounts")? {
            init.mounts.extend(own.mounts.iter().cloned());
        }
        Ok(init)
    };
    places.iter().map(read).collect()
}

fn read_body(cursor: &Cursor, spec: &Cursor, not_applied: &mut BTreeSet<String>) -> Result<Body> {
    let kinds = ["container", "script", "steps", "dag"];
    let given: Vec<&str> = kinds
        .into_iter()
        .filter(|kind| !cursor.field(kind).value.is_null())
        .collect();
    let [kind] = given[..] else {
        return Err(
            cursor.error("run-local runs templates with one of container, script, steps and dag")
        );
    };
    let field = cursor.field(kind);
    let leaf = |kind, not_applied: &mut BTreeSet<String>| {
        Container::read(&field, kind, [spec, cursor], not_applied)
            .map(|container| Body::Leaf(Box::new(container)))
    };
    let mut body = match kind {
        "container" => leaf(Kind::Container, not_applied)?,
        "script" => leaf(Kind::Script, not_applied)?,
        "steps" => {
            let mut groups = Vec::new();
            for group in field.elements()? {
                let steps = group.elements()?;
                groups.push(
                    steps
                        .iter()
                        .map(|step| Task::read_step(step, not_applied))
                        .collect::<Result<Vec<_>>>()?,
                );
            }
            Body::Steps(groups)
        }
        _ => {
            field.check(&fields::DAG, not_applied)?;
            let tasks = field.items("tasks")?;
            Body::Dag(
                tasks
                    .iter()
                    .map(|task| Task::read_task(task, not_applied))
                    .collect::<Result<_>>()?,
            )
        }
    };
    mark_wanted_results(&mut body, cursor);
    Ok(body)
}

/// Capturing a step's stdout on its own costs the order of its stdout and stderr, so it is
/// done only where `outputs.result` is read.
fn mark_wanted_results(body: &mut Body, cursor: &Cursor) {
    let text = cursor.value.to_string();
    let mark = |task: &mut Task, prefix: &str| {
        task.result_wanted = text.contains(&format!("{prefix}.{}.outputs.result", task.name));
    };
    match body {
        Body::Leaf(_) => {}
        Body::Steps(groups) => groups
            .iter_mut()
            .flatten()
            .for_each(|task| mark(task, "steps")),
        Body::Dag(tasks) => tasks.iter_mut().for_each(|task| mark(task, "tasks")),
    }
}

fn read_inputs(cursor: &Cursor, not_applied: &mut BTreeSet<String>) -> Result<Vec<Input>> {
    let inputs = cursor.field("inputs");
    inputs.check(&fields::INPUTS, not_applied)?;
    let mut list = Vec::new();
    for parameter in inputs.items("parameters")? {
        parameter.check(&fields::PARAMETER, not_applied)?;
        let default = match parameter.scalar("value")? {
            Some(value) => Some(value),
            None => parameter.scalar("default")?,
        };
        list.push(Input {
            name: parameter.required_text("name")?,
            default,
        });
    }
    Ok(list)
}

fn read_outputs(cursor: &Cursor, not_applied: &mut BTreeSet<String>) -> Result<Vec<Output>> {
    let outputs = cursor.field("outputs");
    outputs.check(&fields::OUTPUTS, not_applied)?;
    let mut list = Vec::new();
    for parameter in outputs.items("parameters")? {
        parameter.check(&fields::OUTPUT_PARAMETER, not_applied)?;
        let from = parameter.field("valueFrom");
        from.check(&fields::VALUE_FROM, not_applied)?;
        let source = match (from.text("path")?, from.text("parameter")?) {
            (Some(path), None) => OutputSource::Path(path),
            (None, Some(tag)) => OutputSource::Parameter(tag),
            _ => return Err(parameter.error("valueFrom has one of path and parameter")),
        };
        list.push(Output {
            name: parameter.required_text("name")?,
            source,
            default: from.scalar("default")?,
        });
    }
    Ok(list)
}

fn read_retry(cursor: &Cursor, not_applied: &mut BTreeSet<String>) -> Result<Option<Retry>> {
    let retry = cursor.field("retryStrategy");
    if retry.value.is_null() {
        return Ok(None);
    }
    retry.check(&fields::RETRY, not_applied)?;
    let expression = match retry.text("expression")?.filter(|text| !text.is_empty()) {
        Some(text) => Some(Expression::parse(&text).map_err(|why| {
            retry
                .field("expression")
                .error(format!("retryStrategy.expression: {why}"))
        })?),
        None => None,
    };
    let policy = match retry.text("retryPolicy")?.as_deref() {
        None | Some("") if expression.is_some() => RetryPolicy::Always,
        None | Some("" | "OnFailure") => RetryPolicy::OnFailure,
        Some("Always") => RetryPolicy::Always,
        Some("OnError") => RetryPolicy::OnError,
        Some(other) => {
            return Err(retry
                .field("retryPolicy")
                .error(format!("run-local does not know the retryPolicy {other:?}")));
        }
    };
    let backoff = retry.field("backoff");
    backoff.check(&fields::BACKOFF, not_applied)?;
    let backoff = if backoff.is_empty() {
        None
    } else {
        Some(Backoff {
            duration: backoff
                .scalar("duration")?
                .ok_or_else(|| backoff.error("backoff has no duration"))?,
            factor: backoff.scalar("factor")?,
            cap: backoff.scalar("cap")?,
            max_duration: backoff.scalar("maxDuration")?,
        })
    };
    Ok(Some(Retry {
        limit: retry.scalar("limit")?,
        policy,
        expression,
        backoff,
    }))
}
