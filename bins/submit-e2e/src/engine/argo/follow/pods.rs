//! The steps of a `PipelineRun`. Its own status names objects of tasks, which name pods; the pods have
//! labels that tell all of it. They are asked for when it has ended.

use common::workflow::{NodeStatus, Phase};
use futures::FutureExt;
use serde_json::Value;
use tracing::warn;

use super::{Done, Follow};
use crate::cloud_logging;
use crate::engine::argo::item::State;
use crate::engine::argo::pod;

impl Follow<'_> {
    /// Asks for the pods of a `PipelineRun`.
    pub(super) fn ask_for_pods(&mut self, index: usize) {
        let until = self.evidence_until();
        let item = &mut self.items[index];
        item.busy += 1;
        let (resource, name) = (item.order.resource.clone(), item.order.name.clone());
        let collector = self.collector.clone();
        let task = async move {
            let pods = collector.pods(&resource, &name, until).await;
            let pods = pods.unwrap_or_else(|fault| {
                warn!("read the pods of {name}: {fault}");
                Vec::new()
            });
            let steps = pods.iter().filter_map(|pod| step(&name, pod));
            Done::Pods(index, steps.collect())
        };
        self.tasks.push(task.boxed_local());
    }

    /// Takes its pods for its steps, and keeps of them what is kept of steps.
    pub(super) fn take_pods(&mut self, index: usize, pods: &[NodeStatus]) {
        let item = &mut self.items[index];
        // Otherwise there was no time to wait for them.
        if item.state == State::Ended {
            if item.last.phase.is_bad() && !pods.iter().any(|pod| pod.phase.is_bad()) {
                let name = &item.order.name;
                let query = cloud_logging::by_labels(name, None);
                let link = cloud_logging::link(&query, self.settings.project.as_deref());
                // Tekton removes the pods of a task that it cancels or that is out of time.
                warn!("{name} has no failed pod; Cloud Logging may have what one printed: {link}");
            }
            item.pods = pods.to_vec();
            for pod in pods {
                self.step_changed(index, pod);
            }
        }
        self.settle(index);
    }
}

/// A pod as the step that it is; `None` where it is a helper of Tekton's, which is no task's. Source of
/// the labels: Tekton's documentation, docs/labels.md.
fn step(run: &str, pod: &Value) -> Option<NodeStatus> {
    let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str);
    let task = text("/metadata/labels/tekton.dev~1pipelineTask")?;
    let phase = match text("/status/phase") {
        Some("Succeeded") => Phase::Succeeded,
        Some("Failed") => Phase::Failed,
        Some("Running") => Phase::Running,
        _ => Phase::Pending,
    };
    Some(NodeStatus {
        id: text("/metadata/name")?.to_owned(),
        name: format!("{run}.{task}"),
        display_name: task.to_owned(),
        node_type: "Pod".to_owned(),
        phase,
        started_at: text("/status/startTime").map(str::to_owned),
        finished_at: pod::end(pod).map(str::to_owned),
        ..NodeStatus::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_of_a_task_is_a_step() {
        let ended =
            |time: &str| json!({"state": {"terminated": {"exitCode": 1, "finishedAt": time}}});
        let pod = json!({
            "metadata": {"name": "r-unit-pod", "labels": {"tekton.dev/pipelineTask": "unit"}},
            "status": {"phase": "Failed", "startTime": "2026-01-01T00:00:00Z", "containerStatuses": [
                ended("2026-01-01T00:00:09Z"), ended("2026-01-01T00:00:04Z")]},
        });
        let step = step("r", &pod).unwrap();
        assert_eq!(
            (step.id.as_str(), step.display_name.as_str()),
            ("r-unit-pod", "unit")
        );
        assert_eq!((step.phase, step.name.as_str()), (Phase::Failed, "r.unit"));
        assert_eq!(step.finished_at.as_deref(), Some("2026-01-01T00:00:09Z"));
    }

    #[test]
    fn a_pod_that_holds_a_volume_for_others_is_no_step() {
        let pod = json!({"metadata": {"name": "affinity-assistant-0", "labels": {"tekton.dev/pipelineRun": "r"}}});
        assert_eq!(step("r", &pod), None);
    }
}
