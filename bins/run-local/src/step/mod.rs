//! Runs one leaf template: as a process on this machine, or as a container of its image.

mod docker;
mod environment;
mod output;
mod process;
mod resolve;
mod runtime;
mod volumes;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use common::app::Stop;
use common::exec::{Cause, Limits};
use common::live::Live;
use common::workflow::{Outputs, Parameter, Phase};

pub use common::view::enter;
pub(crate) use docker::{Described, Docker, Shared};
pub(crate) use environment::{Secrets, missing, named};
pub(crate) use process::Process;
pub(crate) use runtime::Runtime;

use crate::manifest::{Container, Template, Volume};
use output::StepOutput;
use resolve::Resolved;
use runtime::{Following, Ran};

/// Replaces the tags of a text; an error names the tag without a value.
pub(crate) type Replace<'a> = &'a (dyn Fn(&str) -> Result<String, String> + Send + Sync);

/// A leaf template about to run.
pub(crate) struct Leaf<'a> {
    pub(crate) id: &'a str,
    pub(crate) node_name: &'a str,
    /// What people see of its name.
    pub(crate) label: &'a str,
    pub(crate) template: &'a Template,
    pub(crate) container: &'a Container,
    pub(crate) result_wanted: bool,
}

/// How it ended.
pub(crate) struct LeafEnd {
    pub(crate) phase: Phase,
    pub(crate) message: String,
    pub(crate) outputs: Outputs,
}

/// A step that failed, for the report at the end.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) id: String,
    pub(crate) last_lines: String,
    pub(crate) log: PathBuf,
}

/// What all steps have in common.
pub(crate) struct StepRunner {
    pub(crate) run_dir: PathBuf,
    /// Held while the run folder is in use.
    pub(crate) _lock: std::fs::File,
    pub(crate) runtime: Runtime,
    /// Variables that every step starts from.
    pub(crate) inherited: Vec<(String, String)>,
    pub(crate) secrets: Secrets,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) namespace: String,
    pub(crate) service_account: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) grace: Duration,
    pub(crate) live: Live,
    pub(crate) failures: Mutex<Vec<Failure>>,
}

impl StepRunner {
    /// The folder of a step: its log, its private files.
    pub(crate) fn folder(&self, node_name: &str) -> PathBuf {
        self.run_dir
            .join("steps")
            .join(volumes::folder_name(node_name))
    }

    /// Runs a leaf to its end.
    pub(crate) async fn run(&self, leaf: &Leaf<'_>, replace: Replace<'_>, stop: &Stop) -> LeafEnd {
        let started = Instant::now();
        tracing::info!("{}: started", leaf.label);
        let end = self.run_containers(leaf, replace, stop).await;
        let end = end.unwrap_or_else(|why| LeafEnd {
            phase: Phase::Error,
            message: why,
            outputs: Outputs::default(),
        });
        let seconds = started.elapsed().as_secs_f64();
        let message = if end.message.is_empty() {
            String::new()
        } else {
            format!(": {}", end.message)
        };
        if end.phase.is_bad() {
            tracing::error!(
                "{}: {} after {seconds:.1} s{message}",
                leaf.label,
                end.phase
            );
        } else {
            tracing::info!(
                "{}: {} after {seconds:.1} s{message}",
                leaf.label,
                end.phase
            );
        }
        end
    }

    /// Runs the step's containers one after the other; the first that fails is the last.
    async fn run_containers(
        &self,
        leaf: &Leaf<'_>,
        replace: Replace<'_>,
        stop: &Stop,
    ) -> Result<LeafEnd, String> {
        let folder = self.folder(leaf.node_name);
        resolve::start_afresh(&folder)?;
        let deadline = resolve::deadline(leaf, replace)?;
        let limits = Limits {
            deadline: deadline.and_then(|limit| tokio::time::Instant::now().checked_add(limit)),
            grace: self.grace,
        };
        for container in &leaf.template.init {
            let resolved = self.resolve(leaf, container, &folder, replace)?;
            let name = container.name.as_deref().unwrap_or_default();
            let part = Part {
                label: format!("{} {name}", leaf.label),
                init: Some(name),
            };
            let end = self
                .run_resolved(leaf, &part, resolved, limits, stop)
                .await?;
            if end.phase.is_bad() {
                return Ok(LeafEnd {
                    message: format!("init container {name}: {}", end.message),
                    ..end
                });
            }
        }
        let resolved = self.resolve(leaf, leaf.container, &folder, replace)?;
        let part = Part {
            label: leaf.label.to_owned(),
            init: None,
        };
        self.run_resolved(leaf, &part, resolved, limits, stop).await
    }

    async fn run_resolved(
        &self,
        leaf: &Leaf<'_>,
        part: &Part<'_>,
        resolved: Resolved,
        limits: Limits,
        stop: &Stop,
    ) -> Result<LeafEnd, String> {
        let log = resolved.folder.join("log.txt");
        let keep_result = resolved.result_wanted;
        let mut output = StepOutput::new(&self.live, &part.label, &log, keep_result, limits, stop)
            .map_err(|error| format!("write {}: {error}", log.display()))?;
        let following = Following {
            output: &mut output,
            limits,
            stop,
        };
        let ran = self.runtime.run(resolved, following).await;
        output.finish().await;
        let end = ran.map(|ran| match part.init {
            None => judge(leaf, ran, &output),
            Some(_) => judge_init(&ran),
        });
        let bad = end.as_ref().map_or(true, |end| end.phase.is_bad());
        if bad && let Ok(mut failures) = self.failures.lock() {
            failures.push(Failure {
                id: leaf.id.to_owned(),
                last_lines: output.last_lines(),
                log,
            });
        }
        end
    }
}

/// Which of a step's containers it is.
struct Part<'a> {
    /// What people see before its lines.
    label: String,
    /// The name of an init container.
    init: Option<&'a str>,
}

/// The outputs are the step's own container's.
fn judge_init(ran: &Ran) -> LeafEnd {
    let (phase, message) = verdict(ran);
    LeafEnd {
        phase,
        message,
        outputs: Outputs {
            exit_code: Some(ran.ended.code().to_string()),
            ..Outputs::default()
        },
    }
}

fn judge(leaf: &Leaf<'_>, ran: Ran, output: &StepOutput<'_>) -> LeafEnd {
    let (mut phase, mut message) = verdict(&ran);
    let mut outputs = Outputs {
        exit_code: Some(ran.ended.code().to_string()),
        result: output.result(),
        ..Outputs::default()
    };
    for (name, path, text) in ran.outputs {
        let declared = leaf.template.outputs.iter();
        let mut declared = declared.filter(|output| output.name == name);
        let default = declared.next().and_then(|output| output.default.clone());
        match (text, default) {
            (Ok(value), _) | (Err(_), Some(value)) => outputs.parameters.push(Parameter {
                name,
                value: Some(value),
            }),
            // A step that failed need not have written its outputs.
            (Err(_), None) if phase.is_bad() => {}
            (Err(why), None) => {
                phase = Phase::Error;
                message = format!(
                    "the output parameter {name:?} cannot be read from {}: {why}",
                    path.display()
                );
            }
        }
    }
    LeafEnd {
        phase,
        message,
        outputs,
    }
}

/// A pod's end in the controller's words.
fn verdict(ran: &Ran) -> (Phase, String) {
    let ended = ran.ended;
    let code = ended.code();
    match ended.cause {
        Cause::Itself if ended.status.success() => (Phase::Succeeded, String::new()),
        Cause::Itself if ran.out_of_memory => {
            (Phase::Failed, format!("OOMKilled (exit code {code})"))
        }
        Cause::Itself => (Phase::Failed, format!("Error (exit code {code})")),
        Cause::Deadline => (
            Phase::Failed,
            "Pod was active on the node longer than the specified deadline".to_owned(),
        ),
        Cause::Stopped(_) => (Phase::Failed, "Stopped with strategy 'Stop'".to_owned()),
    }
}
