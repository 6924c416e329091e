//! A container while it runs: its output, and its end when that is asked for.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use common::app::{Stop, StopHandle};
use common::exec::{self, Cause, Command, Ended, Limits};
use rustix::process::Signal;

use super::engine;
use crate::step::runtime::Following;

/// How long the client may take to hand over the last words of a container that was killed.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Runs `docker start --attach` until the container has ended. Signals go to the container by
/// the engine: the client would leave at the first one, and take the container's last words
/// along.
pub(super) async fn to_its_end(
    name: &str,
    start: &Command,
    following: Following<'_, '_>,
) -> io::Result<Ended> {
    let Following {
        output,
        limits,
        stop,
    } = following;
    let cause = OnceLock::new();
    let (client, client_stop) = Stop::by_hand();
    let no_limits = Limits {
        deadline: None,
        grace: Duration::ZERO,
    };
    let ended = tokio::select! {
        ended = exec::run(start, no_limits, &client_stop, output) => ended?,
        () = end_when_asked(name, limits, stop, &cause, &client) => {
            return Err(io::Error::other("nobody waited for its end"));
        }
    };
    Ok(Ended {
        status: ended.status,
        cause: cause.get().copied().unwrap_or(ended.cause),
    })
}

/// Asks the container to end when the time is up or a signal came, kills it after the grace
/// time, and ends the client where even that does not. Never comes back.
async fn end_when_asked(
    name: &str,
    limits: Limits,
    stop: &Stop,
    cause: &OnceLock<Cause>,
    client: &StopHandle,
) {
    let (reason, signal) = tokio::select! {
        signal = stop.wait() => (Cause::Stopped(signal), signal),
        () = exec::until(limits.deadline) => (Cause::Deadline, Signal::TERM.as_raw()),
    };
    cause.get_or_init(|| reason);
    kill(name, signal).await;
    tokio::select! {
        () = tokio::time::sleep(limits.grace) => {}
        _ = stop.insisted() => {}
    }
    kill(name, Signal::KILL.as_raw()).await;
    tokio::time::sleep(LAST_WORDS).await;
    client.stop(Signal::TERM.as_raw());
    std::future::pending::<()>().await;
}

/// Sends a signal to the container's first process; one that has ended needs none.
async fn kill(name: &str, signal: i32) {
    let signal = format!("--signal={signal}");
    let command = engine::docker("kill").args([signal.as_str(), "--", name]);
    if let Err(why) = engine::short(&command).await
        && !why.contains("is not running")
        && !why.contains("No such container")
    {
        tracing::warn!("{why}");
    }
}
