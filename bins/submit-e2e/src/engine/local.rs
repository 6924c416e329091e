//! The local engine: one run-local for each workflow.

mod check;
pub(crate) mod containers;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::exec::{self, Cause, Ended, Limits};
use common::workflow::{self, FailedStep, NodeStatus, Phase, WorkflowStatus, failed_steps};
use common::{Error, Result, ResultExt};
use futures::future::join_all;
use serde_json::Value;
use tokio::time::Instant;
use tracing::info;

use super::{Run, StepEnd, WorkflowEnd, cut_short, prefix};
use crate::opts::RunOpts;
use crate::output::Lines;
use crate::siblings;
use crate::workflows::Workflow;

/// The program.
const PROGRAM: &str = "run-local";

/// What run-local needs at its end beside the grace times of steps and exit handler.
const MARGIN: Duration = Duration::from_secs(5);

/// Runs workflows on this machine.
#[derive(Debug)]
pub(crate) struct Local {
    program: PathBuf,
    run_dir: PathBuf,
    grace: Duration,
    /// `--secret` and `--pass-env`, as they were given, and what is about containers.
    passed_on: Vec<OsString>,
}

impl Local {
    /// run-local, from beside this program or else from the `PATH`.
    pub(crate) fn new(run_dir: &Path, opts: &RunOpts) -> Self {
        let secrets = opts.secret.iter().map(|secret| ["--secret", secret]);
        let pass_env = opts.pass_env.iter().map(|name| ["--pass-env", name]);
        Local {
            program: siblings::program(PROGRAM),
            run_dir: run_dir.to_owned(),
            grace: opts.grace_period,
            passed_on: secrets
                .chain(pass_env)
                .flatten()
                .map(OsString::from)
                .collect(),
        }
    }

    /// With more flags for every run-local.
    #[must_use]
    pub(crate) fn passing_on(mut self, flags: Vec<OsString>) -> Self {
        self.passed_on.extend(flags);
        self
    }

    /// Where the manifest of a workflow is written.
    fn manifest(&self, workflow: &Workflow) -> PathBuf {
        self.run_dir.join(format!("{}.yaml", workflow.name))
    }

    /// The folder of a workflow: its volumes and logs.
    fn folder(&self, workflow: &Workflow) -> PathBuf {
        self.run_dir.join(&workflow.name)
    }

    /// Where the workflow is written with its status.
    fn status(&self, workflow: &Workflow) -> PathBuf {
        self.folder(workflow).join("workflow.json")
    }

    fn command(&self, manifest: &Path, workflow: &Workflow) -> exec::Command {
        exec::Command::new(&self.program)
            .arg(manifest)
            .arg("--run-dir")
            .arg(self.folder(workflow))
            .args(self.passed_on.iter().cloned())
    }

    /// The command that runs a workflow; `prefix` starts each of its lines.
    pub(crate) fn run_command(&self, workflow: &Workflow, prefix: &str) -> exec::Command {
        let mut command = self
            .command(&self.manifest(workflow), workflow)
            .arg("--status")
            .arg(self.status(workflow))
            .arg("--grace-period")
            .arg(humantime::format_duration(self.grace).to_string())
            .arg("--with-parent");
        if !prefix.is_empty() {
            command = command.arg("--output-prefix").arg(prefix);
        }
        command
    }

    /// The command that runs one step of a workflow again, as a person has the program on the
    /// `PATH`.
    fn step_command(
        &self,
        workflow: &Workflow,
        status: &WorkflowStatus,
        step: &NodeStatus,
    ) -> exec::Command {
        let (manifest, folder) = (self.status(workflow), self.folder(workflow));
        workflow::run_step_again(&manifest, &folder, workflow::step_name(status, step))
            .args(self.passed_on.iter().cloned())
    }

    /// Runs all workflows at once; gives their ends in the same order.
    pub(super) async fn run_all(
        &self,
        workflows: Vec<Workflow>,
        run: &Run<'_>,
    ) -> Vec<WorkflowEnd> {
        let prefix = prefix(&workflows);
        let one = |workflow| {
            let prefix = prefix(&workflow);
            self.run(workflow, prefix, run)
        };
        let ends = join_all(workflows.into_iter().map(one)).await;
        exec::end_orphans();
        ends
    }

    /// Runs a workflow to its end. Asked to end, run-local gives its steps the grace time, its
    /// exit handler the same again, and the same once more where that has to be stopped; it gets
    /// a little more than all three together.
    async fn run(&self, workflow: Workflow, prefix: String, run: &Run<'_>) -> WorkflowEnd {
        let started = Instant::now();
        info!("workflow {} starts: {}", workflow.entry, workflow.name);
        let command = self.run_command(&workflow, &prefix);
        let limits = Limits {
            deadline: Some(run.deadline),
            grace: self.grace.saturating_mul(3).saturating_add(MARGIN),
        };
        let mut lines = Lines::new(run.output.clone(), limits, run.stop.clone());
        let ended = exec::run(&command, limits, &run.stop, &mut lines).await;
        let took = started.elapsed();
        let flushed = lines.finish().await.or_failed(|| "write the build log");
        let (mut object, mut status, status_problem) = match self.read_status(&workflow) {
            Ok((object, status)) => (object, status, None),
            Err(error) => (
                workflow.manifest.clone(),
                WorkflowStatus::default(),
                Some(error),
            ),
        };
        let problem = match ended {
            Err(error) => Some(not_started(&command, error)),
            Ok(ended) => problem(&workflow, ended, status.phase).or(status_problem),
        };
        if !status.phase.is_final() {
            status.phase = Phase::Error;
            status.message = format!("{PROGRAM} ended before the workflow did");
            cut_short(&mut object, &status.message);
        }
        info!("workflow {} ends: {}", workflow.entry, status.phase);
        let recorded = run.record.workflow(&workflow.name, &object).await;
        WorkflowEnd {
            failed: self.failed(&workflow, &status),
            entry: workflow.entry,
            name: workflow.name,
            phase: status.phase,
            message: status.message,
            took,
            links: Vec::new(),
            expected_junit: WorkflowEnd::expected_junit(&object),
            problems: (problem.or(flushed.err()).into_iter())
                .chain(recorded.err())
                .collect(),
        }
    }

    fn failed(&self, workflow: &Workflow, status: &WorkflowStatus) -> Vec<StepEnd> {
        let end = |FailedStep { step, pod }| StepEnd {
            name: step.display_name.clone(),
            phase: pod.phase,
            message: pod.message.clone(),
            again: (pod.node_type == "Pod").then(|| self.step_command(workflow, status, step)),
            // run-local has shown the rest already.
            ..StepEnd::default()
        };
        failed_steps(status).into_iter().map(end).collect()
    }

    fn read_status(&self, workflow: &Workflow) -> Result<(Value, WorkflowStatus)> {
        let what = || format!("{PROGRAM} left no status of {}", workflow.name);
        let text = std::fs::read(self.status(workflow)).or_failed(what)?;
        let object = serde_json::from_slice(&text).or_failed(what)?;
        let status = workflow::status(&object)?;
        Ok((object, status))
    }
}

/// What ended a workflow beside its own steps.
fn problem(workflow: &Workflow, ended: Ended, phase: Phase) -> Option<Error> {
    let entry = &workflow.entry;
    match (ended.cause, ended.code()) {
        (Cause::Deadline, _) => Some(Error::timed_out(format!(
            "workflow {entry:?} did not end within the job's --timeout"
        ))),
        (Cause::Stopped(signal), _) => Some(Error::interrupted(
            signal,
            format!("workflow {entry:?} was interrupted"),
        )),
        (Cause::Itself, 0) => None,
        // Its status says the rest; 124 is the workflow's own time limit.
        (Cause::Itself, 1 | 124) if phase != Phase::Succeeded => None,
        (Cause::Itself, code) => {
            let what = format!("workflow {entry:?}: {PROGRAM} ended with exit code {code}");
            Some(match code {
                2 => Error::usage(what),
                75 => Error::unavailable(what),
                _ => Error::failed(what),
            })
        }
    }
}

fn not_started(command: &exec::Command, error: std::io::Error) -> Error {
    let missing = error.kind() == ErrorKind::NotFound;
    let program = command.program.to_string_lossy();
    let error = Error::failed(format!("run {program}")).because(error);
    if missing {
        error.hint("run-local has to be beside submit-e2e or on the PATH")
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workflow() -> Workflow {
        Workflow {
            entry: "e2e".to_owned(),
            name: "e2e-1".to_owned(),
            document: None,
            manifest: Value::Null,
            teardown: None,
            kind: "manifest",
        }
    }

    #[test]
    fn a_failure_that_the_status_does_not_tell_of_is_a_problem() {
        use std::os::unix::process::ExitStatusExt;
        let problem = |code: i32, phase| {
            let ended = Ended {
                status: std::process::ExitStatus::from_raw(code << 8),
                cause: Cause::Itself,
            };
            problem(&workflow(), ended, phase).map(|error| error.report())
        };
        assert_eq!(problem(0, Phase::Succeeded), None);
        assert_eq!(problem(1, Phase::Failed), None);
        assert_eq!(problem(124, Phase::Error), None);
        assert_eq!(
            problem(1, Phase::Succeeded).as_deref(),
            Some("workflow \"e2e\": run-local ended with exit code 1")
        );
    }

    fn local() -> Local {
        Local {
            program: "/bin/run-local".into(),
            run_dir: "/run dir".into(),
            grace: Duration::from_secs(10),
            passed_on: vec!["--secret".into(), "a=/b".into()],
        }
    }

    #[test]
    fn failed_steps_come_in_the_order_of_their_start_with_the_command_that_runs_them_again() {
        let node = |id: &str, node_type: &str, phase: &str, started: &str, children: &[&str]| {
            json!({"id": id, "name": id, "displayName": id, "type": node_type, "phase": phase,
                "message": "exit code 1", "startedAt": started, "children": children})
        };
        let status = json!({"phase": "Failed", "message": "child failed", "nodes": {
            "a": node("a", "DAG", "Failed", "1", &[]),
            "b": node("b", "Pod", "Failed", "3", &[]),
            "c": node("c", "Retry", "Failed", "2", &["d"]),
            "d": node("d", "Pod", "Failed", "2", &[]),
            "e": node("e", "Pod", "Succeeded", "1", &[]),
        }});
        let status = serde_json::from_value(status).unwrap();
        let failed = local().failed(&workflow(), &status);
        let told: Vec<_> = failed
            .iter()
            .map(|step| (step.name.as_str(), step.again.as_ref().unwrap().to_string()))
            .collect();
        let end = "'/run dir/e2e-1/workflow.json' --run-dir '/run dir/e2e-1' --secret 'a=/b'";
        let command = |name: &str| format!("run-local --step {name} {end}");
        assert_eq!(told, [("c", command("c")), ("b", command("b"))]);
    }

    #[test]
    fn commands_are_what_a_person_can_type() {
        let local = local();
        let workflow = workflow();
        let step = NodeStatus {
            display_name: "test(0:a b)".to_owned(),
            ..NodeStatus::default()
        };
        let status = WorkflowStatus::default();
        assert_eq!(
            local.step_command(&workflow, &status, &step).to_string(),
            "run-local --step 'test(0:a b)' '/run dir/e2e-1/workflow.json' --run-dir '/run dir/e2e-1' --secret 'a=/b'"
        );
        assert_eq!(
            local.run_command(&workflow, "e2e/").to_string(),
            "/bin/run-local '/run dir/e2e-1.yaml' --run-dir '/run dir/e2e-1' --secret 'a=/b' \
             --status '/run dir/e2e-1/workflow.json' --grace-period 10s --with-parent --output-prefix e2e/"
        );
    }
}
