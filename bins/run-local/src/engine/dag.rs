//! `dag`: each task as soon as those that it waits for have ended.

use std::collections::HashMap;
use std::sync::Arc;

use common::workflow::Phase;
use tokio::task::JoinSet;

use super::tasks::{Site, TaskEnd};
use super::{Engine, Frame, Outcome, scope};
use crate::expression::Operand;
use crate::manifest::{Body, Task};

/// The tasks of a DAG that have ended, by name.
type Ends = HashMap<String, TaskEnd>;

impl Engine {
    pub(crate) async fn run_dag(self: &Arc<Self>, frame: &mut Frame) -> Outcome {
        let template = frame.template.clone();
        let Body::Dag(tasks) = &template.body else {
            return Outcome::lost();
        };
        let mut waiting: Vec<&Task> = tasks.iter().collect();
        let mut ends = Ends::new();
        let mut running = JoinSet::new();
        loop {
            let (ready, rest): (Vec<&Task>, Vec<&Task>) = waiting
                .into_iter()
                .partition(|task| task.waits_for().iter().all(|name| ends.contains_key(name)));
            waiting = rest;
            let mut ended_at_once = false;
            for task in ready {
                if self.stop().asked().is_some() {
                    ends.insert(task.name.clone(), Outcome::stopped().into());
                    continue;
                }
                match self.start_task(frame, task, tasks, &ends) {
                    Ok(site) => {
                        let (engine, name) = (self.clone(), task.name.clone());
                        running.spawn(async move { (name, engine.run_task(site).await) });
                    }
                    Err(end) => {
                        self.record(frame, &mut ends, &task.name, (*end).into());
                        ended_at_once = true;
                    }
                }
            }
            if ended_at_once {
                continue;
            }
            match running.join_next().await {
                Some(Ok((name, end))) => self.record(frame, &mut ends, &name, end),
                // A task of ours does not panic; if one does, its dependents cannot run.
                Some(Err(error)) => return Outcome::error(error.to_string()),
                None => break,
            }
        }
        self.end_of_dag(tasks, &ends)
    }

    /// What a task needs to run, or its end where it is not to run.
    fn start_task(
        &self,
        frame: &Frame,
        task: &Task,
        tasks: &[Task],
        ends: &Ends,
    ) -> Result<Site, Box<Outcome>> {
        let mut parents: Vec<String> = Vec::new();
        for name in task.waits_for() {
            parents.extend(
                ends.get(&name)
                    .into_iter()
                    .flat_map(|end| end.whole.outbound.clone()),
            );
        }
        if parents.is_empty() {
            parents.push(frame.id.clone());
        }
        let node_name = format!("{}.{}", frame.node_name, task.name);
        let mut site = Site::new(frame, task, node_name, parents);
        site.group_items = true;
        match may_run(task, tasks, ends) {
            Ok(true) => Ok(site),
            Ok(false) => {
                let why = "omitted: depends condition not met";
                Err(Box::new(self.not_run(&site, None, Phase::Omitted, why)))
            }
            Err(why) => Err(Box::new(self.not_run(&site, None, Phase::Error, &why))),
        }
    }

    fn record(&self, frame: &mut Frame, ends: &mut Ends, name: &str, end: TaskEnd) {
        let prefix = format!("tasks.{name}");
        let node = self.nodes.node(&end.whole.id);
        scope::add_task(&mut frame.scope, &prefix, &end.whole, node.as_ref());
        scope::add_repeated(&mut frame.scope, &prefix, &end.items);
        ends.insert(name.to_owned(), end);
    }

    /// The DAG's phase by the controller's rule (`assessDAGPhase`): that of the tasks nobody
    /// waits for, where one that did not run takes the worst phase of those before it.
    fn end_of_dag(&self, tasks: &[Task], ends: &Ends) -> Outcome {
        let mut whole = Outcome {
            phase: Phase::Succeeded,
            ..Outcome::default()
        };
        if self.stop().asked().is_some() {
            whole = Outcome::stopped();
        }
        let mut deduced = HashMap::new();
        for task in tasks.iter().filter(|task| is_last(task, tasks)) {
            let phase = branch_phase(task, tasks, ends, &mut deduced);
            if let Some(end) = ends.get(&task.name) {
                whole.outbound.extend(end.whole.outbound.clone());
            }
            if phase.is_bad() && !task.continues_on(phase) && !whole.phase.is_bad() {
                whole.phase = phase;
            }
        }
        whole
    }
}

fn is_last(task: &Task, tasks: &[Task]) -> bool {
    !tasks
        .iter()
        .any(|other| other.waits_for().contains(&task.name))
}

fn branch_phase(
    task: &Task,
    tasks: &[Task],
    ends: &Ends,
    deduced: &mut HashMap<String, Phase>,
) -> Phase {
    if let Some(phase) = deduced.get(&task.name) {
        return *phase;
    }
    let own = ends
        .get(&task.name)
        .map_or(Phase::Omitted, |end| end.whole.phase);
    let phase = if matches!(own, Phase::Succeeded | Phase::Failed | Phase::Error) {
        own
    } else {
        let waits_for = task.waits_for();
        let before = tasks.iter().filter(|other| waits_for.contains(&other.name));
        let phases: Vec<Phase> = before
            .map(|other| branch_phase(other, tasks, ends, deduced))
            .collect();
        phases
            .into_iter()
            .find(|phase| phase.is_bad())
            .unwrap_or(Phase::Succeeded)
    };
    deduced.insert(task.name.clone(), phase);
    phase
}

/// Whether a task runs, now that all that it waits for has ended. `dependencies: [a]` is
/// `depends: a`, and a name alone is short for `a.Succeeded || a.Skipped || a.Daemoned`, with
/// what a's `continueOn` adds (the controller's `expandDependency`).
fn may_run(task: &Task, tasks: &[Task], ends: &Ends) -> Result<bool, String> {
    let good_enough = |name: &str| {
        let phase = ends.get(name).map_or(Phase::Omitted, |end| end.whole.phase);
        let continues = tasks
            .iter()
            .any(|other| other.name == name && other.continues_on(phase));
        matches!(phase, Phase::Succeeded | Phase::Skipped) || continues
    };
    let Some(depends) = &task.depends else {
        return Ok(task.dependencies.iter().all(|name| good_enough(name)));
    };
    depends.evaluate(&|name| {
        let truth = match name.split_once('.') {
            None => good_enough(name),
            Some((name, condition)) => holds(ends.get(name)?, condition),
        };
        Some(Operand::Truth(truth))
    })
}

fn holds(end: &TaskEnd, condition: &str) -> bool {
    let phase = end.whole.phase;
    let mut items = end.items.iter().map(|item| item.phase);
    match condition {
        "Succeeded" => phase == Phase::Succeeded,
        "Failed" => phase == Phase::Failed,
        "Errored" => phase == Phase::Error,
        "Skipped" => phase == Phase::Skipped,
        "Omitted" => phase == Phase::Omitted,
        "AnySucceeded" => items.any(|phase| phase == Phase::Succeeded),
        "AllFailed" => !end.items.is_empty() && items.all(|phase| phase == Phase::Failed),
        _ => false,
    }
}
