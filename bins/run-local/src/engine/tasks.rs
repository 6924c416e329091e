//! One step or task: its condition, its items, its call.

use std::sync::Arc;

use common::workflow::Phase;
use tokio::task::JoinSet;

use super::items::{Item, expand};
use super::{Call, Engine, Frame, NewNode, Outcome};
use crate::expression::Expression;
use crate::manifest::Task;
use crate::substitute::Scope;

/// A step or task, all of its items included, once it has ended.
#[derive(Debug, Default)]
pub(crate) struct TaskEnd {
    /// The whole of it.
    pub(crate) whole: Outcome,
    /// One for each item; empty without a loop.
    pub(crate) items: Vec<Outcome>,
}

/// What a step or task needs of the template that it stands in, to run beside others.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) task: Task,
    /// The node's name: `WORKFLOW[0].STEP`, `WORKFLOW.TASK`.
    pub(crate) node_name: String,
    /// The nodes that it follows.
    pub(crate) parents: Vec<String>,
    pub(crate) boundary: String,
    pub(crate) scope: Scope,
    pub(crate) parallelism: Option<Arc<tokio::sync::Semaphore>>,
    pub(crate) depth: usize,
    /// In a DAG the items of a loop stand under a node of their own.
    pub(crate) group_items: bool,
}

impl Site {
    pub(crate) fn new(frame: &Frame, task: &Task, node_name: String, parents: Vec<String>) -> Self {
        Site {
            task: task.clone(),
            node_name,
            parents,
            boundary: frame.id.clone(),
            scope: frame.scope.clone(),
            parallelism: frame.parallelism.clone(),
            depth: frame.depth,
            group_items: false,
        }
    }
}

impl Engine {
    /// Runs a step or task to its end.
    pub(crate) async fn run_task(self: Arc<Self>, mut site: Site) -> TaskEnd {
        let Some(repeat) = site.task.repeat.clone() else {
            let whole = self.run_item(&site, None).await;
            return TaskEnd {
                whole,
                items: Vec::new(),
            };
        };
        let items = {
            let global = self.lock_global().clone();
            expand(&repeat, &[&site.scope, &global])
        };
        let items = match items {
            Ok(items) => items,
            Err(why) => return self.not_run(&site, None, Phase::Error, &why).into(),
        };
        if items.is_empty() {
            return self
                .not_run(&site, None, Phase::Skipped, "Skipped, empty params")
                .into();
        }
        let group = site.group_items.then(|| self.start_item_group(&site));
        if let Some(id) = &group {
            site.parents = vec![id.clone()];
        }
        let ends = self.run_items(&site, items).await;
        let mut whole = worst(&ends);
        if let Some(id) = group {
            self.nodes.finish(&id, whole.phase, &whole.message, None);
            whole.id = id;
        }
        TaskEnd { whole, items: ends }
    }

    fn start_item_group(&self, site: &Site) -> String {
        let id = self.nodes.start(&NewNode {
            name: &site.node_name,
            display_name: &site.task.name,
            node_type: "TaskGroup",
            template: &site.task.template,
            boundary: Some(&site.boundary),
            inputs: &[],
        });
        self.nodes.follow(&site.parents, &id);
        id
    }

    async fn run_items(self: &Arc<Self>, site: &Site, items: Vec<Item>) -> Vec<Outcome> {
        let mut running = JoinSet::new();
        let count = items.len();
        for (index, item) in items.into_iter().enumerate() {
            let (engine, site) = (self.clone(), site.clone());
            running.spawn(async move { (index, engine.run_item(&site, Some(&item)).await) });
        }
        let mut ends = vec![Outcome::lost(); count];
        while let Some(joined) = running.join_next().await {
            if let Ok((index, end)) = joined {
                ends[index] = end;
            }
        }
        ends
    }

    async fn run_item(self: &Arc<Self>, site: &Site, item: Option<&Item>) -> Outcome {
        let empty = Scope::new();
        let scopes = [item.map_or(&empty, |item| &item.scope), &site.scope];
        if let Some(when) = &site.task.when {
            let holds = self
                .replace(when, &scopes)
                .and_then(|when| Expression::when(&when).map(|holds| (holds, when)));
            match holds {
                Ok((true, _)) => {}
                Ok((false, when)) => {
                    let why = format!("when '{when}' evaluated false");
                    return self.not_run(site, item, Phase::Skipped, &why);
                }
                Err(why) => return self.not_run(site, item, Phase::Error, &why),
            }
        }
        let argument =
            |(name, value): &(String, String)| Ok((name.clone(), self.replace(value, &scopes)?));
        let arguments: Result<Vec<_>, String> = site.task.arguments.iter().map(argument).collect();
        let arguments = match arguments {
            Ok(arguments) => arguments,
            Err(why) => return self.not_run(site, item, Phase::Error, &why),
        };
        let Some(template) = self.workflow.templates.get(&site.task.template).cloned() else {
            let why = format!("there is no template {:?}", site.task.template);
            return self.not_run(site, item, Phase::Error, &why);
        };
        let call = Call {
            template,
            node_name: named(&site.node_name, item),
            display_name: named(&site.task.name, item),
            boundary: Some(site.boundary.clone()),
            arguments,
            result_wanted: site.task.result_wanted,
            depth: site.depth,
        };
        self.called(site, call).await
    }

    async fn called(self: &Arc<Self>, site: &Site, call: Call) -> Outcome {
        let stop = self.stop();
        let _permit = match &site.parallelism {
            Some(parallelism) => tokio::select! {
                permit = parallelism.clone().acquire_owned() => permit.ok(),
                _ = stop.wait() => None,
            },
            None => None,
        };
        if stop.asked().is_some() {
            return Outcome::stopped();
        }
        let end = self.execute(call).await;
        if !end.id.is_empty() {
            self.nodes.follow(&site.parents, &end.id);
        }
        end
    }

    /// Records a step that does not run.
    pub(crate) fn not_run(
        &self,
        site: &Site,
        item: Option<&Item>,
        phase: Phase,
        why: &str,
    ) -> Outcome {
        let display_name = named(&site.task.name, item);
        let id = self.nodes.start(&NewNode {
            name: &named(&site.node_name, item),
            display_name: &display_name,
            node_type: "Skipped",
            template: &site.task.template,
            boundary: Some(&site.boundary),
            inputs: &[],
        });
        self.nodes.finish(&id, phase, why, None);
        self.nodes.follow(&site.parents, &id);
        if phase == Phase::Error {
            tracing::error!("{}: {why}", self.label(&display_name));
        } else {
            tracing::info!("{}: {phase}: {why}", self.label(&display_name));
        }
        Outcome {
            outbound: vec![id.clone()],
            id,
            phase,
            message: why.to_owned(),
            outputs: None,
        }
    }
}

impl From<Outcome> for TaskEnd {
    fn from(whole: Outcome) -> Self {
        TaskEnd {
            whole,
            items: Vec::new(),
        }
    }
}

fn named(name: &str, item: Option<&Item>) -> String {
    item.map_or_else(|| name.to_owned(), |item| format!("{name}{}", item.suffix))
}

/// The end of several as the end of one: Error before Failed before Succeeded.
fn worst(ends: &[Outcome]) -> Outcome {
    let rank = |phase: Phase| match phase {
        Phase::Error => 3,
        Phase::Failed => 2,
        Phase::Succeeded => 1,
        _ => 0,
    };
    let mut whole = ends
        .iter()
        .max_by_key(|end| rank(end.phase))
        .cloned()
        .unwrap_or_default();
    whole.outbound = ends.iter().flat_map(|end| end.outbound.clone()).collect();
    whole.outputs = None;
    if whole.phase.is_bad() {
        whole.message = format!("child '{}' failed", whole.id);
    }
    whole
}
