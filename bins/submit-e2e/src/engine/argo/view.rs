//! What is read of an object on the cluster while it is followed: a thin typed view, so that a
//! watch of many large objects takes little memory.

use std::collections::BTreeMap;
use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::workflow::{NodeStatus, Phase, WorkflowStatus};
use serde::Deserialize;
use serde_json::Value;

use super::fault::Fault;
use super::resource::Kind;

/// Most that packed nodes may unpack to, in bytes.
const UNPACKED: u64 = 256 * 1024 * 1024;

/// An object as it is at some moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) labels: BTreeMap<String, String>,
    /// How new this is, in the server's count; 0 where it does not count.
    pub(super) version: u64,
    /// Pods are named by their nodes' ids, as Argo did before 3.4; those of a `PipelineRun` are its nodes.
    pub(super) pods_are_node_ids: bool,
    /// It has been told to end.
    pub(super) is_shut_down: bool,
    /// How far it is.
    pub(super) status: WorkflowStatus,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Object {
    metadata: Metadata,
    spec: Spec,
    status: Option<Box<serde_json::value::RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    uid: String,
    resource_version: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spec {
    shutdown: Option<String>,
    /// Tekton's word for it.
    status: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Packed {
    compressed_nodes: String,
}

/// `.status` of a `PipelineRun`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct PipelineRunStatus {
    conditions: Vec<Condition>,
    start_time: Option<String>,
    completion_time: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
    reason: String,
    message: String,
}

impl Seen {
    /// Reads an object of the API server.
    pub(super) fn read(kind: Kind, json: &[u8]) -> Result<Seen, Fault> {
        let garbled = |error: serde_json::Error| {
            Fault::Garbled(format!("an object that cannot be read: {error}"))
        };
        let object: Object = serde_json::from_slice(json).map_err(garbled)?;
        if object.metadata.name.is_empty() {
            return Err(Fault::Garbled("an object without a name".to_owned()));
        }
        let status = object.status.as_ref().map_or("{}", |status| status.get());
        let status = match kind {
            Kind::Workflow => workflow_status(status).map_err(Fault::Garbled)?,
            Kind::PipelineRun => serde_json::from_str(status)
                .map(of_conditions)
                .map_err(garbled)?,
        };
        let annotation = object
            .metadata
            .annotations
            .get("workflows.argoproj.io/pod-name-format");
        Ok(Seen {
            pods_are_node_ids: kind == Kind::PipelineRun
                || annotation.is_some_and(|format| format == "v1"),
            is_shut_down: object.spec.shutdown.or(object.spec.status).is_some(),
            version: object.metadata.resource_version.parse().unwrap_or_default(),
            name: object.metadata.name,
            uid: object.metadata.uid,
            labels: object.metadata.labels,
            status,
        })
    }

    /// Whether it has come to its end.
    pub(super) fn is_final(&self) -> bool {
        self.status.phase.is_final()
    }
}

fn workflow_status(json: &str) -> Result<WorkflowStatus, String> {
    let garbled = |error: serde_json::Error| format!("a status that Argo does not write: {error}");
    let mut status: WorkflowStatus = serde_json::from_str(json).map_err(garbled)?;
    if status.nodes.is_empty() && json.contains("\"compressedNodes\"") {
        let packed: Packed = serde_json::from_str(json).map_err(garbled)?;
        status.nodes = unpacked(&packed.compressed_nodes)?;
    }
    Ok(status)
}

/// Nodes of a workflow that is too large to be stored as it is. Source: Argo's
/// `file.CompressEncodeString`: gzip as base64.
fn unpacked<T: serde::de::DeserializeOwned + Default>(packed: &str) -> Result<T, String> {
    if packed.is_empty() {
        return Ok(T::default());
    }
    let failed = |error: &dyn std::fmt::Display| format!("compressedNodes: {error}");
    let bytes = STANDARD.decode(packed).map_err(|error| failed(&error))?;
    let reader = flate2::read::GzDecoder::new(&bytes[..]).take(UNPACKED);
    serde_json::from_reader(std::io::BufReader::new(reader)).map_err(|error| failed(&error))
}

/// The whole object, its nodes unpacked: as the bucket and run-local have it.
pub(super) fn whole(json: &[u8]) -> Result<Value, Fault> {
    let mut object: Value = serde_json::from_slice(json)
        .map_err(|error| Fault::Garbled(format!("an object that cannot be read: {error}")))?;
    let packed = object
        .pointer("/status/compressedNodes")
        .and_then(Value::as_str);
    let nodes: Option<Value> = packed.map(unpacked).transpose().map_err(Fault::Garbled)?;
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut)
        && let Some(nodes) = nodes
    {
        status.shift_remove("compressedNodes");
        status.insert("nodes".to_owned(), nodes);
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        // Who wrote which field: longer than the rest, and of no use to a reader.
        metadata.shift_remove("managedFields");
    }
    Ok(object)
}

/// A `PipelineRun` has one condition, `Succeeded`.
fn of_conditions(status: PipelineRunStatus) -> WorkflowStatus {
    let condition = (status.conditions.into_iter())
        .find(|condition| condition.r#type == "Succeeded")
        .unwrap_or_default();
    let phase = match condition.status.as_str() {
        "True" => Phase::Succeeded,
        "False" => Phase::Failed,
        _ if status.start_time.is_some() => Phase::Running,
        _ => Phase::Pending,
    };
    let message = match (condition.reason.as_str(), condition.message) {
        (_, message) if phase == Phase::Succeeded => message,
        ("", message) => message,
        (reason, message) => format!("{reason}: {message}"),
    };
    WorkflowStatus {
        phase,
        started_at: status.start_time,
        finished_at: status.completion_time,
        message,
        ..WorkflowStatus::default()
    }
}

/// How long a node or a workflow took, as far as its times say: they are whole seconds.
pub(super) fn took(started: Option<&str>, finished: Option<&str>) -> Option<std::time::Duration> {
    let time = |text: Option<&str>| humantime::parse_rfc3339(text?).ok();
    time(finished)?.duration_since(time(started)?).ok()
}

/// Whether a node is one that people know: a step, not a group of them.
pub(super) fn is_step(node: &NodeStatus) -> bool {
    !matches!(
        node.node_type.as_str(),
        "" | "Steps" | "StepGroup" | "DAG" | "TaskGroup" | "Retry"
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::json;

    use super::*;

    fn seen(kind: Kind, object: &Value) -> Seen {
        Seen::read(kind, object.to_string().as_bytes()).unwrap()
    }

    fn packed(nodes: &Value) -> String {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(nodes.to_string().as_bytes()).unwrap();
        STANDARD.encode(gzip.finish().unwrap())
    }

    #[test]
    fn nodes_that_are_packed_are_read() {
        let nodes = json!({"a": {"id": "a", "displayName": "unit", "phase": "Failed"}});
        let object = json!({"metadata": {"name": "w", "managedFields": []},
            "status": {"phase": "Running", "compressedNodes": packed(&nodes)}});
        let seen = seen(Kind::Workflow, &object);
        assert_eq!(seen.status.phase, Phase::Running);
        assert_eq!(seen.status.nodes["a"].display_name, "unit");
        let whole = whole(object.to_string().as_bytes()).unwrap();
        assert_eq!(whole["status"], json!({"phase": "Running", "nodes": nodes}));
        assert_eq!(whole["metadata"], json!({"name": "w"}));
    }

    #[test]
    fn a_workflow_that_nobody_looked_at_yet_is_pending() {
        let object = json!({"metadata": {"name": "w", "uid": "u", "labels": {"a": "b"}},
            "spec": {"shutdown": "Stop"}});
        let seen = seen(Kind::Workflow, &object);
        assert_eq!(seen.status.phase, Phase::Pending);
        assert!(seen.is_shut_down && !seen.is_final());
        assert_eq!((seen.uid.as_str(), seen.labels["a"].as_str()), ("u", "b"));
    }

    #[test]
    fn a_pipeline_run_tells_its_phase_by_its_condition() {
        let phase = |status: &str| {
            let object = json!({"metadata": {"name": "p"}, "status": {"startTime": "2026-01-01T00:00:00Z", "conditions": [
                {"type": "Succeeded", "status": status, "reason": "Why", "message": "so"}]}});
            let seen = seen(Kind::PipelineRun, &object);
            (seen.status.phase, seen.status.message)
        };
        assert_eq!(phase("True"), (Phase::Succeeded, "so".to_owned()));
        assert_eq!(phase("False"), (Phase::Failed, "Why: so".to_owned()));
        assert_eq!(phase("Unknown"), (Phase::Running, "Why: so".to_owned()));
        let new = seen(Kind::PipelineRun, &json!({"metadata": {"name": "p"}}));
        assert_eq!(new.status.phase, Phase::Pending);
    }

    #[test]
    fn what_is_no_object_is_an_error_and_no_panic() {
        for json in [
            "",
            "[]",
            "{\"status\": []}",
            "{\"status\": {\"compressedNodes\": \"?\"}}",
        ] {
            assert!(
                Seen::read(Kind::Workflow, json.as_bytes()).is_err(),
                "{json}"
            );
        }
    }
}
