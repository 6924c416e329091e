//! The Argo Workflow object, as far as we look into it. Manifests stay plain values end to
//! end, so that no field is lost; this is the thin typed view of what we read.

mod status;
mod steps;

use std::path::Path;

use serde_json::Value;

pub use status::{Inputs, NodeStatus, Outputs, Parameter, Phase, TemplateRef, WorkflowStatus};
pub use steps::{FailedStep, failed_steps, run_step_again, step_name};

use crate::Result;
use crate::yaml::Document;

/// The `apiVersion` of the objects that we know.
pub const API_VERSION: &str = "argoproj.io/v1alpha1";

/// Reads a manifest and checks that it is a Workflow; a mistake names file and line.
pub fn read(path: &Path) -> Result<Document> {
    check(Document::read(path)?)
}

/// Checks that a document is a Workflow.
pub fn check(document: Document) -> Result<Document> {
    let text = |pointer| document.value.pointer(pointer).and_then(Value::as_str);
    if text("/kind") != Some("Workflow") {
        return Err(document
            .error("/kind", "kind is not Workflow")
            .hint("a manifest is one Argo Workflow object: apiVersion, kind, metadata, spec"));
    }
    if text("/apiVersion") != Some(API_VERSION) {
        return Err(document.error("/apiVersion", format!("apiVersion is not {API_VERSION}")));
    }
    let spec = |field: &str| document.value.pointer("/spec")?.get(field);
    if !spec("templates").is_some_and(Value::is_array)
        && !spec("workflowTemplateRef").is_some_and(Value::is_object)
    {
        return Err(document.error("/spec", "spec.templates is not a list"));
    }
    Ok(document)
}

/// Reads the `.status` of a workflow object; absent or unknown parts are empty.
pub fn status(workflow: &Value) -> Result<WorkflowStatus> {
    use crate::ResultExt;
    match workflow.get("status").filter(|status| !status.is_null()) {
        Some(status) => serde_json::from_value(status.clone())
            .or_failed(|| "the workflow's status is not what Argo writes"),
        None => Ok(WorkflowStatus::default()),
    }
}
