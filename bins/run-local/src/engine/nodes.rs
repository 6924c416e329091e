//! The nodes of a running workflow, in the shape that Argo's controller gives them, and the
//! status file that follows them.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use common::workflow::{Inputs, NodeStatus, Outputs, Parameter, Phase, WorkflowStatus};
use common::{Error, Result, ResultExt, whole_file};
use serde_json::Value;
use tokio::sync::Notify;

/// The status is written at most this often while the workflow runs: a reader wants to
/// follow, and a workflow of thousands of nodes must not be written thousands of times.
const WRITE_EVERY: Duration = Duration::from_millis(500);

/// Time as Kubernetes writes it.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// When each node started and ended, finer than the seconds of the status.
pub(crate) type Times = HashMap<String, (Instant, Option<Instant>)>;

/// All nodes, and the object that they are the status of.
pub(crate) struct Nodes {
    workflow: String,
    object: Value,
    status: Mutex<WorkflowStatus>,
    times: Mutex<Times>,
    changed: Notify,
    file: Option<PathBuf>,
}

/// What a new node is.
pub(crate) struct NewNode<'a> {
    pub(crate) name: &'a str,
    pub(crate) display_name: &'a str,
    pub(crate) node_type: &'static str,
    pub(crate) template: &'a str,
    pub(crate) boundary: Option<&'a str>,
    pub(crate) inputs: &'a [(String, String)],
}

impl Nodes {
    /// No nodes yet; `object` is the workflow as it was read, `file` where it is written.
    pub(crate) fn new(workflow: &str, mut object: Value, file: Option<PathBuf>) -> Self {
        // A name made from generateName must be found again in what is written.
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("name".to_owned(), workflow.into());
        }
        let status = WorkflowStatus {
            phase: Phase::Running,
            started_at: Some(now()),
            ..WorkflowStatus::default()
        };
        Nodes {
            workflow: workflow.to_owned(),
            object,
            status: Mutex::new(status),
            times: Mutex::new(Times::new()),
            changed: Notify::new(),
            file,
        }
    }

    fn lock(&self) -> MutexGuard<'_, WorkflowStatus> {
        self.status
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn lock_times(&self) -> MutexGuard<'_, Times> {
        self.times
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// When each node started and ended.
    pub(crate) fn times(&self) -> Times {
        self.lock_times().clone()
    }

    /// A node's id: the controller's rule (`Workflow.NodeID`), so that links and pod names
    /// look alike in both engines.
    pub(crate) fn id(&self, node_name: &str) -> String {
        if node_name == self.workflow {
            return self.workflow.clone();
        }
        let hash = node_name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        format!("{}-{hash}", self.workflow)
    }

    /// Adds a running node; gives its id.
    pub(crate) fn start(&self, new: &NewNode) -> String {
        let id = self.id(new.name);
        let parameter = |(name, value): &(String, String)| Parameter {
            name: name.clone(),
            value: Some(value.clone()),
        };
        let node = NodeStatus {
            id: id.clone(),
            name: new.name.to_owned(),
            display_name: new.display_name.to_owned(),
            node_type: new.node_type.to_owned(),
            template_name: new.template.to_owned(),
            template_scope: format!("local/{}", self.workflow),
            phase: Phase::Running,
            boundary_id: new.boundary.unwrap_or_default().to_owned(),
            started_at: Some(now()),
            inputs: Inputs {
                parameters: new.inputs.iter().map(parameter).collect(),
            },
            ..NodeStatus::default()
        };
        self.lock_times().insert(id.clone(), (Instant::now(), None));
        let mut status = self.lock();
        status.nodes.insert(id.clone(), node);
        if new.node_type == "Pod" {
            status.progress = progress(&status);
        }
        self.changed.notify_one();
        id
    }

    /// Ends a node.
    pub(crate) fn finish(&self, id: &str, phase: Phase, message: &str, outputs: Option<Outputs>) {
        if let Some((_, end)) = self.lock_times().get_mut(id) {
            *end = Some(Instant::now());
        }
        let mut status = self.lock();
        if let Some(node) = status.nodes.get_mut(id) {
            node.phase = phase;
            message.clone_into(&mut node.message);
            node.finished_at = Some(now());
            node.outputs = outputs;
        }
        status.progress = progress(&status);
        self.changed.notify_one();
    }

    /// Makes one node follow others.
    pub(crate) fn follow(&self, parents: &[String], child: &str) {
        let mut status = self.lock();
        for parent in parents {
            if let Some(node) = status.nodes.get_mut(parent)
                && !node.children.iter().any(|other| other == child)
            {
                node.children.push(child.to_owned());
            }
        }
    }

    /// Says which nodes are the last ones within a node.
    pub(crate) fn set_outbound(&self, id: &str, outbound: &[String]) {
        if let Some(node) = self.lock().nodes.get_mut(id) {
            outbound.clone_into(&mut node.outbound_nodes);
        }
    }

    /// Ends the workflow.
    pub(crate) fn end(&self, phase: Phase, message: &str) {
        let mut status = self.lock();
        status.phase = phase;
        message.clone_into(&mut status.message);
        status.finished_at = Some(now());
    }

    /// A copy of one node.
    pub(crate) fn node(&self, id: &str) -> Option<NodeStatus> {
        self.lock().nodes.get(id).cloned()
    }

    /// A copy of the status.
    pub(crate) fn snapshot(&self) -> WorkflowStatus {
        self.lock().clone()
    }

    /// The failed nodes as `{{workflow.failures}}` gives them.
    pub(crate) fn failures(&self) -> String {
        let failed = |node: &&NodeStatus| node.phase.is_bad() && node.node_type == "Pod";
        let describe = |node: &NodeStatus| {
            serde_json::json!({
                "displayName": node.display_name, "message": node.message,
                "templateName": node.template_name, "phase": node.phase,
                "podName": node.id, "finishedAt": node.finished_at,
            })
        };
        let status = self.lock();
        Value::Array(status.nodes.values().filter(failed).map(describe).collect()).to_string()
    }

    /// Follows the changes into the status file, until dropped.
    pub(crate) async fn write_along(&self) {
        loop {
            self.changed.notified().await;
            if let Err(error) = self.write() {
                tracing::warn!("{}", error.report());
            }
            tokio::time::sleep(WRITE_EVERY).await;
        }
    }

    /// Writes the object with its status to the status file, whole or not at all.
    pub(crate) fn write(&self) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let mut object = self.object.clone();
        let status = serde_json::to_value(&*self.lock()).or_failed(|| "write the status")?;
        if let Some(fields) = object.as_object_mut() {
            fields.insert("status".to_owned(), status);
        }
        let text = if file
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            serde_json::to_string_pretty(&object).or_failed(|| "write the status")?
        } else {
            common::yaml::to_string(&object)?
        };
        whole_file::replace(file, |mut file| file.write_all(text.as_bytes()))
            .map_err(|error| Error::failed(format!("write {}", file.display())).because(error))
    }
}

fn progress(status: &WorkflowStatus) -> String {
    let pods = status.nodes.values().filter(|node| node.node_type == "Pod");
    let (mut done, mut all) = (0, 0);
    for pod in pods {
        all += 1;
        done += u32::from(pod.phase == Phase::Succeeded);
    }
    format!("{done}/{all}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_that_the_controller_gives() {
        // From a real status: shared fixtures of an Argo run.
        let nodes = Nodes::new("e2e-test-presubmit-20180102-204405", Value::Null, None);
        assert_eq!(
            nodes.id("e2e-test-presubmit-20180102-204405[0].checkout"),
            "e2e-test-presubmit-20180102-204405-2898367589"
        );
        assert_eq!(
            nodes.id("e2e-test-presubmit-20180102-204405"),
            "e2e-test-presubmit-20180102-204405"
        );
    }
}
