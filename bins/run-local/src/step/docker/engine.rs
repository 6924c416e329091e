//! The only caller of the docker program.

use std::time::Duration;

use common::app::Stop;
use common::exec::{self, Cause, Command, Ended, Limits};
use common::{Error, Result};
use tokio::time::Instant;

/// The program. Which engine it speaks to is its own configuration's.
const PROGRAM: &str = "docker";

/// How much of what it says is kept.
const MOST_SAID: usize = 1024 * 1024;

/// How long the engine may take over what it can do at once.
const SHORT: Duration = Duration::from_mins(1);

/// A command of it.
pub(super) fn docker(command: &str) -> Command {
    Command::new(PROGRAM).arg(command)
}

/// Runs a command; gives its stdout, or what it complained of.
pub(super) async fn call(
    command: &Command,
    limits: Limits,
    stop: &Stop,
) -> Result<Vec<u8>, String> {
    let what = || format!("docker {}", command.args[0].to_string_lossy());
    let captured = exec::capture(command, limits, stop, MOST_SAID).await;
    let captured = captured.map_err(|error| format!("run {}: {error}", what()))?;
    match captured.ended.cause {
        Cause::Itself if captured.ended.success() => Ok(captured.stdout),
        Cause::Itself => {
            let said = complaint(&captured.stderr, captured.ended);
            Err(format!("{}: {said}", what()))
        }
        Cause::Deadline => Err(format!("{}: it was not done in time", what())),
        Cause::Stopped(_) => Err("Stopped with strategy 'Stop'".to_owned()),
    }
}

/// As [`call`], for what is to be done even where the run is ending.
pub(super) async fn short(command: &Command) -> Result<Vec<u8>, String> {
    call(command, short_limits(), &Stop::never()).await
}

pub(super) fn short_limits() -> Limits {
    Limits {
        deadline: Some(Instant::now() + SHORT),
        grace: Duration::from_secs(1),
    }
}

/// What it says on stderr, without its advice to read the help.
pub(super) fn complaint(stderr: &[u8], ended: Ended) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines = text.lines().map(str::trim).filter(|line| {
        !line.is_empty() && !line.starts_with("See 'docker") && !line.starts_with("Run 'docker")
    });
    let said: Vec<&str> = lines.collect();
    if said.is_empty() {
        format!("exit code {}", ended.code())
    } else {
        common::on_one_line(&said.join("; "))
    }
}

/// Makes sure that the program is there and reaches an engine.
pub(super) async fn check(stop: &Stop) -> Result<()> {
    let version = docker("version").arg("--format={{.Server.Version}}");
    match exec::capture(&version, short_limits(), stop, MOST_SAID).await {
        Err(error) => Err(Error::usage("--runtime docker: run docker")
            .because(error)
            .hint("install Docker's command line, or let steps run as processes of this machine")),
        Ok(captured) if captured.ended.success() => Ok(()),
        Ok(captured) => Err(
            Error::unavailable("--runtime docker: the engine is out of reach")
                .because(complaint(&captured.stderr, captured.ended))
                .hint("start it, or name another with DOCKER_HOST or `docker context use`"),
        ),
    }
}
