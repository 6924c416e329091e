//! The docker program, run within bounds, its output shown as it comes.

use std::io;
use std::time::Duration;

use common::app::App;
use common::exec::{self, Cause, Command, Limits, Sink, Stream};
use common::{Error, Result};
use tokio::time::Instant;

use super::digest_in;
use crate::lines::Lines;

/// How long docker may take to end after a signal: it tells the engine to stop.
const GRACE: Duration = Duration::from_secs(10);

/// How long an engine may take to say that it is there.
const GREETING: Duration = Duration::from_secs(20);

/// How long the pause before a further push is.
const PAUSE: Duration = Duration::from_secs(2);

/// The docker program.
pub(super) struct Docker<'a> {
    app: &'a App,
    deadline: Option<Instant>,
    lines: Lines,
}

impl<'a> Docker<'a> {
    /// All of its work ends within this time.
    pub(super) fn new(app: &'a App, timeout: Option<Duration>) -> Self {
        Docker {
            app,
            deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            lines: Lines::default(),
        }
    }

    /// Asks whether there is an engine.
    pub(super) async fn reach(&self) -> Result<()> {
        let command = Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]);
        let limits = Limits {
            deadline: Instant::now().checked_add(GREETING),
            grace: Duration::ZERO,
        };
        let answer = exec::capture(&command, limits, &self.app.stop, 4096).await;
        let answer = answer.map_err(|error| not_started(&command, error))?;
        self.app
            .stop
            .check("while the Docker engine was looked for")?;
        if answer.ended.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
        Err(Error::unavailable("reach the Docker engine")
            .because(said)
            .hint("start it (dockerd), or say with DOCKER_HOST where it is"))
    }

    /// Runs a command to its end, and shows what it says; gives its end.
    pub(super) async fn run(&mut self, command: &Command) -> Result<String> {
        let told = told(command);
        tracing::info!("{told}");
        let limits = Limits {
            deadline: self.deadline,
            grace: GRACE,
        };
        let before = self.lines.count();
        let mut sink = Shown(&mut self.lines);
        let merged = command.clone().merge_output();
        let ended = exec::run(&merged, limits, &self.app.stop, &mut sink).await;
        self.lines.end();
        let ended = ended.map_err(|error| not_started(command, error))?;
        match ended.cause {
            Cause::Stopped(signal) => {
                Err(Error::interrupted(signal, format!("interrupted: {told}")))
            }
            Cause::Deadline => {
                Err(Error::timed_out(told).because("it did not end within --timeout"))
            }
            Cause::Itself if ended.status.success() => Ok(self.lines.since(before)),
            Cause::Itself => {
                let what = format!("it ended with exit code {}", ended.code());
                Err(Error::failed(told).because(what))
            }
        }
    }

    /// Pushes an image, with further tries; gives its digest.
    pub(super) async fn push(&mut self, command: &Command, retries: u32) -> Result<String> {
        for left in (0..=retries).rev() {
            let error = match self.run(command).await {
                Ok(said) => {
                    let digest = digest_in(&said);
                    return digest
                        .ok_or_else(|| Error::failed(command).because("it names no digest"));
                }
                Err(error) => error,
            };
            if left == 0 || error.exit() != common::Exit::Failed {
                return Err(error);
            }
            tracing::warn!("{}: trying again, {left} tries left", error.report());
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = self.app.stop.wait() => {}
            }
        }
        Err(Error::failed(command))
    }

    /// The end of what it said.
    pub(super) fn output(&self) -> String {
        self.lines.last()
    }
}

fn not_started(command: &Command, error: io::Error) -> Error {
    let hint = "--builder docker needs the docker program on the PATH";
    match error.kind() {
        io::ErrorKind::NotFound => Error::usage(told(command)).because(error).hint(hint),
        _ => Error::failed(told(command)).because(error),
    }
}

/// A command as the log may show it: people give secrets as build arguments, although they should
/// not, so the values stay out of it.
fn told(command: &Command) -> String {
    let mut shown = command.clone();
    let mut is_value = false;
    for arg in &mut shown.args {
        let text = arg.to_string_lossy();
        if is_value && let Some((key, _)) = text.split_once('=') {
            *arg = format!("{key}=…").into();
            is_value = false;
        } else {
            is_value = text == "--build-arg";
        }
    }
    shown.to_string()
}

struct Shown<'a>(&'a mut Lines);

impl Sink for Shown<'_> {
    async fn write(&mut self, _: Stream, piece: &[u8]) -> io::Result<()> {
        self.0.add(piece);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_build_arguments_are_not_shown() {
        let args = [
            "build",
            "--build-arg",
            "NPM_TOKEN=s3cr3t",
            "--label",
            "a=b",
            "--",
            "/c",
        ];
        let told = told(&Command::new("docker").args(args));
        assert!(!told.contains("s3cr3t"), "{told}");
        assert!(
            told.contains("NPM_TOKEN=") && told.contains("a=b"),
            "{told}"
        );
    }
}
