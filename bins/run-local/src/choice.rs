//! `--step NAME`: which template that is, and with which inputs.

use common::workflow::{NodeStatus, WorkflowStatus};
use common::{Error, Result};

use crate::manifest::{Template, Workflow};
use crate::substitute::tags;

/// One step to run.
#[derive(Debug)]
pub(crate) struct Choice {
    /// The name that was asked for.
    pub(crate) asked: String,
    pub(crate) template: String,
    /// The node's full name: it decides on the step's folder.
    pub(crate) node_name: String,
    pub(crate) display_name: String,
    /// Inputs as the command line or the run's status has them: values.
    pub(crate) given: Vec<(String, String)>,
    /// Inputs as the manifest has them: texts whose tags are still to be replaced.
    pub(crate) written: Vec<(String, String)>,
}

impl Choice {
    /// Finds a step by the name that a run showed it under, or by that of a step, task or
    /// template of the manifest. Inputs come from `given`, from the run's status, from the
    /// manifest.
    pub(crate) fn find(
        workflow: &Workflow,
        status: &WorkflowStatus,
        name: &str,
        given: &[(String, String)],
    ) -> Result<Choice> {
        let mut choice = match of_status(status, name)? {
            Some(node) => from_node(node, name),
            None => of_manifest(workflow, name)?,
        };
        let Some(template) = workflow.templates.get(&choice.template) else {
            return Err(Error::usage(format!(
                "--step {name}: the manifest has no template {:?} any more",
                choice.template
            )));
        };
        choice.give(workflow, template, given)?;
        choice.check(template)?;
        Ok(choice)
    }

    fn give(
        &mut self,
        workflow: &Workflow,
        template: &Template,
        given: &[(String, String)],
    ) -> Result<()> {
        for (name, value) in given {
            if !template.inputs.iter().any(|input| input.name == *name) {
                if workflow.given.contains(name) {
                    continue;
                }
                return Err(Error::usage(format!(
                    "-p {name}: neither the workflow nor the step {:?} has it",
                    self.display_name
                )));
            }
            self.written.retain(|(other, _)| other != name);
            self.given.retain(|(other, _)| other != name);
            self.given.push((name.clone(), value.clone()));
        }
        Ok(())
    }

    /// Every input must have a value that does not hang on a step that does not run.
    fn check(&self, template: &Template) -> Result<()> {
        for input in &template.inputs {
            let named = |(name, _): &&(String, String)| *name == input.name;
            if self.given.iter().any(|pair| named(&pair)) {
                continue;
            }
            let written = self.written.iter().find(named).map(|(_, text)| text);
            let needs_others = |text: &String| {
                tags(text)
                    .into_iter()
                    .any(|tag| !tag.starts_with("workflow."))
            };
            if written.or(input.default.as_ref()).is_none_or(needs_others) {
                return Err(Error::usage(format!(
                    "--step {}: the input {:?} comes from another step",
                    self.display_name, input.name
                ))
                .hint(format!(
                    "name the workflow.yaml of a run, which has the inputs of that time, or \
                     give -p {}=VALUE",
                    input.name
                )));
            }
        }
        Ok(())
    }
}

/// The node that a run showed under this name; the retries of a step are one node.
fn of_status<'a>(status: &'a WorkflowStatus, name: &str) -> Result<Option<&'a NodeStatus>> {
    let called = |node: &&NodeStatus| {
        (node.display_name == name || node.name == name)
            && matches!(node.node_type.as_str(), "Pod" | "Retry" | "Steps" | "DAG")
    };
    let mut found = status.nodes.values().filter(called);
    let first = found.next();
    if let Some(other) = found.next() {
        let (first, other) = (first.map_or("", |node| &node.name), &other.name);
        return Err(Error::usage(format!("--step {name} is {first} or {other}"))
            .hint("use the full name of one of them"));
    }
    if first.is_none() {
        check_no_loop(status, name)?;
    }
    Ok(first)
}

/// A loop is as many steps as it has items.
fn check_no_loop(status: &WorkflowStatus, name: &str) -> Result<()> {
    const SHOWN: usize = 5;
    let is_item = |shown: &&str| {
        let rest = shown.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with('(') && rest.ends_with(')'))
    };
    let names = status.nodes.values().map(|node| node.display_name.as_str());
    let items: Vec<&str> = names.filter(is_item).take(SHOWN).collect();
    if items.is_empty() {
        return Ok(());
    }
    Err(
        Error::usage(format!("--step {name}: it ran once for each of its items")).hint(format!(
            "name one of them, for example {}",
            items.join(", ")
        )),
    )
}

fn from_node(node: &NodeStatus, name: &str) -> Choice {
    let argument = |parameter: &common::workflow::Parameter| {
        Some((parameter.name.clone(), parameter.value.clone()?))
    };
    Choice {
        asked: name.to_owned(),
        template: node.template_name.clone(),
        node_name: node.name.clone(),
        display_name: node.display_name.clone(),
        given: node.inputs.parameters.iter().filter_map(argument).collect(),
        written: Vec::new(),
    }
}

fn of_manifest(workflow: &Workflow, name: &str) -> Result<Choice> {
    let all = workflow
        .templates
        .values()
        .flat_map(|template| template.body.tasks());
    let mut named = all.filter(|task| task.name == name);
    let node_name = format!("{}.{name}", workflow.name);
    let display_name = name.to_owned();
    if let Some(task) = named.next() {
        if named.any(|other| other.template != task.template) {
            return Err(
                Error::usage(format!("--step {name}: several steps have this name"))
                    .hint("name a template instead"),
            );
        }
        return Ok(Choice {
            asked: name.to_owned(),
            template: task.template.clone(),
            node_name,
            display_name,
            given: Vec::new(),
            written: task.arguments.clone(),
        });
    }
    if workflow.templates.contains_key(name) {
        return Ok(Choice {
            asked: name.to_owned(),
            template: name.to_owned(),
            node_name,
            display_name,
            given: Vec::new(),
            written: Vec::new(),
        });
    }
    let mut steps: Vec<&str> = workflow
        .templates
        .values()
        .flat_map(|template| template.body.tasks())
        .map(|task| task.name.as_str())
        .collect();
    steps.sort_unstable();
    steps.dedup();
    Err(
        Error::usage(format!("--step {name}: there is no such step"))
            .hint(format!("steps of this workflow: {}", steps.join(", "))),
    )
}
