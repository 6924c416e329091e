//! Runs one leaf template as a process on this machine.

mod environment;
mod isolation;
mod links;
mod output;
mod prepare;
mod rewrite;
mod volumes;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use common::app::Stop;
use common::exec::{self, Cause, Ended, Limits};
use common::live::Live;
use common::workflow::{Outputs, Parameter, Phase};

pub use common::view::enter;
pub(crate) use environment::{Secrets, inherited, missing};
pub(crate) use isolation::{Isolation, find_isolation};

use crate::manifest::{Container, Template, Volume};
use output::StepOutput;
use prepare::Prepared;

/// Replaces the tags of a text; an error names the tag without a value.
pub(crate) type Replace<'a> = &'a (dyn Fn(&str) -> Result<String, String> + Send + Sync);

/// Most that is read of a file for an output parameter (Argo's own limit is the size of the
/// workflow object, 1 MiB).
const MAX_OUTPUT: u64 = 256 * 1024;

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
    /// This program.
    pub(crate) own_path: PathBuf,
    /// The folder of the suite's binaries.
    pub(crate) own_folder: PathBuf,
    pub(crate) inherited: Vec<(String, String)>,
    pub(crate) secrets: Secrets,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) namespace: String,
    pub(crate) service_account: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) grace: Duration,
    pub(crate) isolation: Isolation,
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
        let folder = self.folder(leaf.node_name);
        let end = match self.prepare(leaf, &folder, replace) {
            Ok(prepared) => self.run_prepared(leaf, &prepared, &folder, stop).await,
            Err(why) => Err(why),
        };
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

    async fn run_prepared(
        &self,
        leaf: &Leaf<'_>,
        prepared: &Prepared,
        folder: &Path,
        stop: &Stop,
    ) -> Result<LeafEnd, String> {
        let log = folder.join("log.txt");
        let limits = Limits {
            deadline: prepared
                .deadline
                .and_then(|limit| tokio::time::Instant::now().checked_add(limit)),
            grace: self.grace,
        };
        let mut output = StepOutput::new(
            &self.live,
            leaf.label,
            &log,
            leaf.result_wanted,
            limits,
            stop,
        )
        .map_err(|error| format!("write {}: {error}", log.display()))?;
        let mut command = prepared.command.clone();
        command.merge_output = !leaf.result_wanted;
        let ended = exec::run(&command, limits, stop, &mut output).await;
        output.finish().await;
        let ended = ended.map_err(|error| format!("run the step: {error}"));
        let end = ended.map(|ended| Self::judge(leaf, prepared, &output, &ended));
        if let Some(view) = &prepared.view {
            common::view::tidy(&view.root);
        }
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

    fn judge(
        leaf: &Leaf<'_>,
        prepared: &Prepared,
        output: &StepOutput<'_>,
        ended: &Ended,
    ) -> LeafEnd {
        let (mut phase, mut message) = verdict(ended);
        let mut outputs = Outputs {
            exit_code: Some(ended.code().to_string()),
            result: output.result(),
            ..Outputs::default()
        };
        for declared in &leaf.template.outputs {
            let path = prepared
                .outputs
                .iter()
                .find(|(name, _)| *name == declared.name);
            let Some((_, path)) = path else { continue };
            match (read_output(&prepared.real_path(path)), &declared.default) {
                (Ok(value), _) => outputs.parameters.push(Parameter {
                    name: declared.name.clone(),
                    value: Some(value),
                }),
                (Err(_), Some(default)) => outputs.parameters.push(Parameter {
                    name: declared.name.clone(),
                    value: Some(default.clone()),
                }),
                // A step that failed need not have written its outputs.
                (Err(_), None) if phase.is_bad() => {}
                (Err(why), None) => {
                    phase = Phase::Error;
                    message = format!(
                        "the output parameter {:?} cannot be read from {}: {why}",
                        declared.name,
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
}

/// A pod's end in the controller's words.
fn verdict(ended: &Ended) -> (Phase, String) {
    let code = ended.code();
    match ended.cause {
        Cause::Itself if ended.status.success() => (Phase::Succeeded, String::new()),
        Cause::Itself => (Phase::Failed, format!("Error (exit code {code})")),
        Cause::Deadline => (
            Phase::Failed,
            "Pod was active on the node longer than the specified deadline".to_owned(),
        ),
        Cause::Stopped(_) => (Phase::Failed, "Stopped with strategy 'Stop'".to_owned()),
    }
}

fn read_output(path: &Path) -> Result<String, String> {
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;
    // A pipe that a step put there must not hold us up.
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let open = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path);
    let mut text = String::new();
    let read = open.and_then(|file| {
        if !file.metadata()?.is_file() {
            return Err(std::io::Error::other("it is no file"));
        }
        file.take(MAX_OUTPUT + 1).read_to_string(&mut text)
    });
    let length = read.map_err(|error| error.to_string())?;
    if length as u64 > MAX_OUTPUT {
        return Err(format!("it is larger than {MAX_OUTPUT} bytes"));
    }
    // The controller cuts one newline off the end.
    Ok(text.strip_suffix('\n').map_or(text.clone(), str::to_owned))
}
