//! What runs the workflows.

mod local;

use std::time::Duration;

use common::Error;
use common::workflow::{Phase, WorkflowStatus};
use serde_json::Value;

use crate::workflows::Workflow;

pub(crate) use local::{Local, containers};

/// A workflow that has come to its end, one way or another.
#[derive(Debug)]
pub(crate) struct WorkflowEnd {
    /// What was run.
    pub(crate) workflow: Workflow,
    /// The whole object with its status; the manifest where the engine left none.
    pub(crate) object: Value,
    /// Its status; empty where the engine left none.
    pub(crate) status: WorkflowStatus,
    /// How long it took.
    pub(crate) took: Duration,
    /// What went wrong beyond the workflow's own steps.
    pub(crate) problem: Option<Error>,
}

impl WorkflowEnd {
    /// The last phase. A workflow that was cut short has none of its own.
    pub(crate) fn phase(&self) -> Phase {
        if self.status.phase.is_final() {
            self.status.phase
        } else {
            Phase::Error
        }
    }
}
