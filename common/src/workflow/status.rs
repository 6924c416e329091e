//! `.status` of a Workflow, in the shape of Argo's `WorkflowStatus` and `NodeStatus`
//! (pkg/apis/workflow/v1alpha1). run-local writes it, submit-e2e reads it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How far a workflow or one of its nodes is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Waits to run. Argo writes an empty phase as well.
    #[default]
    #[serde(alias = "")]
    Pending,
    /// Runs.
    Running,
    /// Ended well.
    Succeeded,
    /// Did not run because its `when` was false.
    Skipped,
    /// Ended badly.
    Failed,
    /// Could not be run.
    Error,
    /// Did not run because what it depends on ended otherwise.
    Omitted,
}

impl Phase {
    /// Whether this phase is the last one.
    pub fn is_final(self) -> bool {
        !matches!(self, Phase::Pending | Phase::Running)
    }

    /// Whether this phase makes a workflow fail.
    pub fn is_bad(self) -> bool {
        matches!(self, Phase::Failed | Phase::Error)
    }

    /// The name that Argo uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Pending => "Pending",
            Phase::Running => "Running",
            Phase::Succeeded => "Succeeded",
            Phase::Skipped => "Skipped",
            Phase::Failed => "Failed",
            Phase::Error => "Error",
            Phase::Omitted => "Omitted",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(self.as_str())
    }
}

/// `.status` of a Workflow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowStatus {
    /// How far it is.
    pub phase: Phase,
    /// When it started, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// `DONE/ALL` of its pods.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub progress: String,
    /// Why it is in this phase.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Its steps, by node id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<String, NodeStatus>,
}

/// One node: a pod, a group of steps, a retry, a DAG.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    /// Its key in [`WorkflowStatus::nodes`].
    pub id: String,
    /// Its full name: `WORKFLOW[0].STEP`, `WORKFLOW.TASK`, `…(1:ITEM)`.
    pub name: String,
    /// The name that people see: the step's or task's.
    pub display_name: String,
    /// `Pod`, `Steps`, `StepGroup`, `DAG`, `TaskGroup`, `Retry`, `Skipped`.
    #[serde(rename = "type")]
    pub node_type: String,
    /// Name of its template.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub template_name: String,
    /// The template of another object, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_ref: Option<TemplateRef>,
    /// `local/WORKFLOW`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub template_scope: String,
    /// How far it is.
    pub phase: Phase,
    /// Id of the `Steps` or `DAG` node that it belongs to.
    #[serde(rename = "boundaryID", skip_serializing_if = "String::is_empty")]
    pub boundary_id: String,
    /// Why it is in this phase.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it started, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// Its input parameters, as they were.
    #[serde(skip_serializing_if = "Inputs::is_empty")]
    pub inputs: Inputs,
    /// What it gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
    /// Ids of the nodes that follow it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<String>,
    /// Ids of the last nodes within it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outbound_nodes: Vec<String>,
    /// The machine it ran on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host_node_name: String,
}

impl NodeStatus {
    /// Name of the template that its pod is named after. Source: Argo's `GetTemplateFromNode`.
    pub fn template(&self) -> &str {
        let other = self.template_ref.as_ref().map(|other| &other.template);
        other.unwrap_or(&self.template_name)
    }
}

/// A template of a `WorkflowTemplate`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateRef {
    /// Name of the object.
    pub name: String,
    /// Name of the template in it.
    pub template: String,
}

/// Input parameters of a node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inputs {
    /// In the order of the template.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
}

impl Inputs {
    fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }
}

/// What a node gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Outputs {
    /// In the order of the template.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// stdout of a script.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Exit code of the main container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<String>,
}

/// A named value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}
