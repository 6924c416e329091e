//! What runs the workflows: this machine, or Argo Workflows on a cluster.

mod argo;
mod choice;
mod local;

use std::ffi::OsString;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use common::app::{App, Stop};
use common::workflow::Phase;
use common::{Error, Result, exec};
use serde_json::Value;
use tokio::time::Instant;

use self::choice::choose;
use crate::names::Naming;
use crate::opts::{EngineName, RunOpts};
use crate::origin::Origin;
use crate::output::Output;
use crate::record::Record;
use crate::workflows::Workflow;

pub(crate) use argo::{Argo, Source, by_hand};
pub(crate) use choice::Choice;
pub(crate) use local::{Local, containers};

/// What runs the workflows of a job.
#[derive(Debug)]
pub(crate) enum Engine {
    /// run-local, one for each workflow.
    Local(Local),
    /// Argo Workflows, on a cluster.
    Argo(Box<Argo>),
}

/// What a run of workflows needs beside them.
pub(crate) struct Run<'a> {
    /// Where what is left of a workflow goes as soon as it has ended.
    pub(crate) record: &'a Record,
    /// What people read meanwhile.
    pub(crate) output: Rc<Output>,
    /// When all of it has to be over.
    pub(crate) deadline: Instant,
    /// Tells when the program has been asked to end.
    pub(crate) stop: Stop,
}

impl Engine {
    /// The engine for a job, and why it is this one.
    pub(crate) fn choose(
        opts: &RunOpts,
        origin: &Origin,
        run_dir: &Path,
        app: &App,
    ) -> Result<(Engine, Choice)> {
        let is_prow_job = matches!(origin, Origin::Prow(_));
        let project = opts.render.project.as_deref();
        let cluster = Source::find(&opts.cluster, project, &app.env);
        let choice = choose(opts.engine, is_prow_job, cluster.as_ref());
        let engine = match choice.engine {
            EngineName::Local => Engine::Local(Local::new(run_dir, opts)),
            EngineName::Argo => {
                choice.check(opts)?;
                let source = Source::of_person(&opts.cluster, project, &app.env)?;
                let argo = Argo::new(source, origin.job(), run_dir.to_owned(), opts, &app.env)?;
                Engine::Argo(Box::new(argo))
            }
        };
        Ok((engine, choice))
    }

    /// With more flags for every run-local.
    #[must_use]
    pub(crate) fn passing_on(self, flags: Vec<OsString>) -> Self {
        match self {
            Engine::Local(local) => Engine::Local(local.passing_on(flags)),
            Engine::Argo(_) => self,
        }
    }

    /// How its objects are named: on a cluster a second start of the same build has to find what
    /// the first one made.
    pub(crate) fn naming(&self) -> Naming {
        match self {
            Engine::Local(_) => Naming::EachTime,
            Engine::Argo(_) => Naming::OfBuild,
        }
    }

    /// Checks that each workflow is of a kind that this engine runs. Nothing is asked for it.
    pub(crate) fn can_run(&self, workflows: &[Workflow]) -> Result<()> {
        match self {
            Engine::Local(_) => Local::can_run(workflows),
            Engine::Argo(_) => Ok(()),
        }
    }

    /// Asks whether each workflow can be run, so that a mistake in one starts none.
    pub(crate) async fn check(&mut self, workflows: &[Workflow], app: &App) -> Result<()> {
        match self {
            Engine::Local(local) => local.check(workflows, &app.stop).await,
            Engine::Argo(argo) => argo.check(workflows, app).await,
        }
    }

    /// Runs all workflows at once; gives their ends in the order of the configuration.
    pub(crate) async fn run_all(
        &mut self,
        workflows: Vec<Workflow>,
        run: &Run<'_>,
    ) -> Vec<WorkflowEnd> {
        match self {
            Engine::Local(local) => local.run_all(workflows, run).await,
            Engine::Argo(argo) => {
                drop(workflows);
                argo.run_all(run).await
            }
        }
    }

    /// The names of the objects that [`Engine::check`] accepted, each with the page that shows it.
    pub(crate) fn pages(&self, workflows: &[Workflow]) -> Vec<(String, Option<String>)> {
        match self {
            Engine::Local(_) => {
                let name = |workflow: &Workflow| (workflow.name.clone(), None);
                workflows.iter().map(name).collect()
            }
            Engine::Argo(argo) => argo.pages(),
        }
    }

    /// What would be done for each workflow, in a line each.
    pub(crate) fn actions(&self, workflows: &[Workflow]) -> Vec<String> {
        match self {
            Engine::Local(local) => {
                let prefix = prefix(workflows);
                let command = |workflow| local.run_command(workflow, &prefix(workflow)).to_string();
                workflows.iter().map(command).collect()
            }
            Engine::Argo(argo) => argo.actions(workflows),
        }
    }
}

/// A workflow that has come to its end, one way or another.
#[derive(Debug, Default)]
pub(crate) struct WorkflowEnd {
    /// Name in `prow_config.yaml`.
    pub(crate) entry: String,
    /// Name of the workflow object.
    pub(crate) name: String,
    /// The last phase; a workflow that was cut short has an error.
    pub(crate) phase: Phase,
    /// Why it is in this phase.
    pub(crate) message: String,
    /// The steps that failed, first to start first.
    pub(crate) failed: Vec<StepEnd>,
    /// How long it took.
    pub(crate) took: Duration,
    /// Where to look, each with what is there.
    pub(crate) links: Vec<(&'static str, String)>,
    /// Patterns of JUnit files, below `artifacts`, of which each has to be there.
    pub(crate) expected_junit: Vec<String>,
    /// What went wrong beyond the workflow's own steps.
    pub(crate) problems: Vec<Error>,
}

/// A step that failed.
#[derive(Debug, Default)]
pub(crate) struct StepEnd {
    /// The name that people see.
    pub(crate) name: String,
    /// Its phase.
    pub(crate) phase: Phase,
    /// Why it is in this phase.
    pub(crate) message: String,
    /// Why it ended so, from its pod and the pod's events.
    pub(crate) reasons: Vec<String>,
    /// The last lines that it printed, where they are not shown anyway.
    pub(crate) last_lines: Vec<String>,
    /// Where its logs are.
    pub(crate) logs: Option<String>,
    /// What runs it again, where something can.
    pub(crate) again: Option<exec::Command>,
}

/// The annotation by which a workflow says which JUnit its steps leave: patterns below
/// `artifacts`, with commas between them, of which each has to be there at the end.
const EXPECTED_JUNIT: &str = "submit-e2e/expected-junit";

impl WorkflowEnd {
    /// What an object says of the JUnit that its steps leave.
    fn expected_junit(object: &Value) -> Vec<String> {
        let annotations = &object["metadata"]["annotations"];
        let patterns = annotations[EXPECTED_JUNIT].as_str().unwrap_or_default();
        let patterns = patterns.split(',').map(str::trim);
        patterns
            .filter(|pattern| !pattern.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// What starts the lines of a workflow's steps: its name, where several run at once.
fn prefix(workflows: &[Workflow]) -> impl Fn(&Workflow) -> String + use<> {
    let several = workflows.len() > 1;
    move |workflow: &Workflow| {
        if several {
            format!("{}/", workflow.entry)
        } else {
            String::new()
        }
    }
}

/// Ends a workflow that nobody runs any more: in the object, and for the verdict.
fn cut_short(object: &mut Value, message: &str) {
    object["status"]["phase"] = Phase::Error.as_str().into();
    object["status"]["message"] = message.into();
}
