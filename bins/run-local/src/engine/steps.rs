//! `steps`: groups one after the other, the steps of a group at once.

use std::sync::Arc;

use common::workflow::Phase;
use tokio::task::JoinSet;

use super::tasks::{Site, TaskEnd};
use super::{Engine, Frame, NewNode, Outcome, scope};
use crate::manifest::{Body, Task};

impl Engine {
    pub(crate) async fn run_steps(self: &Arc<Self>, frame: &mut Frame) -> Outcome {
        let template = frame.template.clone();
        let Body::Steps(groups) = &template.body else {
            return Outcome::lost();
        };
        let mut previous = vec![frame.id.clone()];
        for (index, group) in groups.iter().enumerate() {
            if self.stop().asked().is_some() {
                return Outcome {
                    outbound: previous,
                    ..Outcome::stopped()
                };
            }
            let name = format!("{}[{index}]", frame.node_name);
            let group_id = self.nodes.start(&NewNode {
                name: &name,
                display_name: &format!("[{index}]"),
                node_type: "StepGroup",
                template: "",
                boundary: Some(&frame.id),
                inputs: &[],
            });
            self.nodes.follow(&previous, &group_id);
            let ends = self.run_group(frame, group, &name, &group_id).await;
            let outbound: Vec<String> = ends
                .iter()
                .flat_map(|end| end.whole.outbound.clone())
                .collect();
            previous = if outbound.is_empty() {
                vec![group_id.clone()]
            } else {
                outbound
            };
            if let Some(failed) = unsuccessful(group, &ends) {
                self.nodes.finish(&group_id, Phase::Failed, &failed, None);
                return Outcome {
                    phase: Phase::Failed,
                    message: failed,
                    outbound: previous,
                    ..Outcome::default()
                };
            }
            self.nodes.finish(&group_id, Phase::Succeeded, "", None);
            for (step, end) in group.iter().zip(&ends) {
                let prefix = format!("steps.{}", step.name);
                let node = self.nodes.node(&end.whole.id);
                scope::add_task(&mut frame.scope, &prefix, &end.whole, node.as_ref());
                scope::add_repeated(&mut frame.scope, &prefix, &end.items);
            }
        }
        Outcome {
            phase: Phase::Succeeded,
            outbound: previous,
            ..Outcome::default()
        }
    }

    async fn run_group(
        self: &Arc<Self>,
        frame: &Frame,
        group: &[Task],
        group_name: &str,
        group_id: &str,
    ) -> Vec<TaskEnd> {
        let mut running = JoinSet::new();
        for (index, step) in group.iter().enumerate() {
            let node_name = format!("{group_name}.{}", step.name);
            let site = Site::new(frame, step, node_name, vec![group_id.to_owned()]);
            let engine = self.clone();
            running.spawn(async move { (index, engine.run_task(site).await) });
        }
        let mut ends: Vec<TaskEnd> = group.iter().map(|_| Outcome::lost().into()).collect();
        while let Some(joined) = running.join_next().await {
            if let Ok((index, end)) = joined {
                ends[index] = end;
            }
        }
        ends
    }
}

/// Why the group failed, if it did: the first of its steps that failed and may not.
fn unsuccessful(group: &[Task], ends: &[TaskEnd]) -> Option<String> {
    let failed = |(step, end): &(&Task, &TaskEnd)| {
        let each = std::iter::once(&end.whole).chain(&end.items);
        let mut bad = each.filter(|end| end.phase.is_bad() && !step.continues_on(end.phase));
        bad.next().is_some()
    };
    let (_, end) = group.iter().zip(ends).find(failed)?;
    if end.whole.id.is_empty() {
        return Some(end.whole.message.clone());
    }
    Some(format!("child '{}' failed", end.whole.id))
}
