//! Steps of `steps` and tasks of `dag`: the same but for what they wait for.

use std::collections::BTreeSet;

use common::Result;
use serde_json::Value;

use super::cursor::Cursor;
use super::fields::{self, Fields};
use crate::expression::Expression;

/// A step or task.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) template: String,
    pub(crate) arguments: Vec<(String, String)>,
    pub(crate) when: Option<String>,
    pub(crate) continue_on_failed: bool,
    pub(crate) continue_on_error: bool,
    pub(crate) repeat: Option<Loop>,
    /// Of a DAG's task only.
    pub(crate) dependencies: Vec<String>,
    /// Of a DAG's task only; in place of `dependencies`.
    pub(crate) depends: Option<Expression>,
    /// Where the manifest has it, for errors.
    pub(crate) pointer: String,
    /// Whether a sibling reads its `outputs.result`.
    pub(crate) result_wanted: bool,
}

/// A step that runs once for each item.
#[derive(Debug, Clone)]
pub(crate) enum Loop {
    /// `withItems`.
    Items(Vec<Value>),
    /// `withParam`: text that is a JSON list once its tags are replaced.
    Param(String),
    /// `withSequence`.
    Sequence(Sequence),
}

/// `withSequence`; numbers as text because a tag may stand there.
#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    pub(crate) start: Option<String>,
    pub(crate) end: Option<String>,
    pub(crate) count: Option<String>,
    pub(crate) format: Option<String>,
}

impl Task {
    pub(crate) fn read_step(cursor: &Cursor, not_applied: &mut BTreeSet<String>) -> Result<Self> {
        Task::read(cursor, &fields::STEP, not_applied)
    }

    pub(crate) fn read_task(cursor: &Cursor, not_applied: &mut BTreeSet<String>) -> Result<Self> {
        Task::read(cursor, &fields::TASK, not_applied)
    }

    fn read(cursor: &Cursor, known: &Fields, not_applied: &mut BTreeSet<String>) -> Result<Self> {
        cursor.check(known, not_applied)?;
        let name = cursor.required_text("name")?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !name.chars().all(allowed) || name.len() > 128 {
            return Err(cursor.field("name").error(format!(
                "step name {name:?} is not made of letters, digits, - and _"
            )));
        }
        let continue_on = cursor.field("continueOn");
        continue_on.check(&fields::CONTINUE_ON, not_applied)?;
        let depends = match cursor.text("depends")?.filter(|text| !text.is_empty()) {
            Some(text) => Some(
                Expression::parse_depends(&text)
                    .map_err(|why| cursor.field("depends").error(format!("depends: {why}")))?,
            ),
            None => None,
        };
        let dependencies = cursor.texts("dependencies")?;
        if depends.is_some() && !dependencies.is_empty() {
            return Err(cursor.error(format!("task {name:?} has both depends and dependencies")));
        }
        Ok(Task {
            template: cursor.required_text("template")?,
            arguments: arguments(cursor, not_applied)?,
            when: cursor.text("when")?.filter(|when| !when.is_empty()),
            continue_on_failed: continue_on.flag("failed")?,
            continue_on_error: continue_on.flag("error")?,
            repeat: read_loop(cursor, not_applied)?,
            dependencies,
            depends,
            pointer: cursor.pointer.clone(),
            result_wanted: false,
            name,
        })
    }

    /// The tasks that this one waits for.
    pub(crate) fn waits_for(&self) -> Vec<String> {
        match &self.depends {
            Some(expression) => expression.task_names(),
            None => self.dependencies.clone(),
        }
    }

    /// Whether a bad end in this phase counts as a good one.
    pub(crate) fn continues_on(&self, phase: common::workflow::Phase) -> bool {
        match phase {
            common::workflow::Phase::Failed => self.continue_on_failed,
            common::workflow::Phase::Error => self.continue_on_error,
            _ => false,
        }
    }
}

fn arguments(cursor: &Cursor, not_applied: &mut BTreeSet<String>) -> Result<Vec<(String, String)>> {
    let arguments = cursor.field("arguments");
    arguments.check(&fields::ARGUMENTS, not_applied)?;
    let mut values = Vec::new();
    for parameter in arguments.items("parameters")? {
        parameter.check(&fields::PARAMETER, not_applied)?;
        let name = parameter.required_text("name")?;
        let value = match parameter.scalar("value")? {
            Some(value) => value,
            None => parameter
                .scalar("default")?
                .ok_or_else(|| parameter.error(format!("the argument {name:?} has no value")))?,
        };
        values.push((name, value));
    }
    Ok(values)
}

fn read_loop(cursor: &Cursor, not_applied: &mut BTreeSet<String>) -> Result<Option<Loop>> {
    let sequence = cursor.field("withSequence");
    let mut found = Vec::new();
    if !cursor.field("withItems").value.is_null() {
        let items = cursor.items("withItems")?;
        found.push(Loop::Items(
            items.iter().map(|item| item.value.clone()).collect(),
        ));
    }
    if let Some(text) = cursor.text("withParam")?.filter(|text| !text.is_empty()) {
        found.push(Loop::Param(text));
    }
    if !sequence.value.is_null() {
        sequence.check(&fields::SEQUENCE, not_applied)?;
        let sequence = Sequence {
            start: sequence.scalar("start")?,
            end: sequence.scalar("end")?,
            count: sequence.scalar("count")?,
            format: sequence.text("format")?,
        };
        found.push(Loop::Sequence(sequence));
    }
    if found.len() > 1 {
        return Err(cursor.error("a step has one of withItems, withParam and withSequence"));
    }
    Ok(found.pop())
}
