//! What runs a step: a process of this machine, or a container of the step's image.

use std::io;
use std::path::PathBuf;

use common::app::Stop;
use common::exec::{Ended, Limits};

use super::docker::Docker;
use super::output::StepOutput;
use super::process::Process;
use super::resolve::Resolved;

/// Most that is read of a file for an output parameter (Argo's own limit is the size of the
/// workflow object, 1 MiB).
pub(super) const MAX_OUTPUT: u64 = 256 * 1024;

/// What runs steps.
pub(crate) enum Runtime {
    /// A process of this machine, which stands in for the step's image.
    Process(Process),
    /// A container of the step's image.
    Docker(Docker),
}

/// What it takes to follow a step while it runs.
pub(super) struct Following<'a, 'o> {
    pub(super) output: &'a mut StepOutput<'o>,
    pub(super) limits: Limits,
    pub(super) stop: &'a Stop,
}

/// A step that has ended.
pub(super) struct Ran {
    pub(super) ended: Ended,
    /// It was ended because it used more memory than it may.
    pub(super) out_of_memory: bool,
    /// Its output parameters that are files: by name, the file, its text.
    pub(super) outputs: Vec<(String, PathBuf, io::Result<String>)>,
}

impl Runtime {
    /// Runs a step to its end; an error says why it could not be run.
    pub(super) async fn run(
        &self,
        resolved: Resolved,
        following: Following<'_, '_>,
    ) -> Result<Ran, String> {
        match self {
            Runtime::Process(process) => process.run(resolved, following).await,
            Runtime::Docker(docker) => docker.run(resolved, following).await,
        }
    }

    /// Ends what steps may have left running; for the end of a run.
    pub(crate) async fn end(&self) {
        match self {
            Runtime::Process(_) => {}
            Runtime::Docker(docker) => docker.end_containers().await,
        }
    }
}

/// An output parameter's text as the controller has it: bounded, one newline cut off its end.
pub(super) fn output_text(reader: impl io::Read) -> io::Result<String> {
    use io::Read;
    let mut text = String::new();
    let length = reader.take(MAX_OUTPUT + 1).read_to_string(&mut text)?;
    if length as u64 > MAX_OUTPUT {
        let what = format!("it is larger than {MAX_OUTPUT} bytes");
        return Err(io::Error::other(what));
    }
    Ok(text.strip_suffix('\n').map_or(text.clone(), str::to_owned))
}
