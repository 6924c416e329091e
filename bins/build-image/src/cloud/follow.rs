//! A build from its start to its end.

use std::time::{Duration, Instant};

use common::app::Stop;
use common::env::Env;
use common::{Error, Result};

use super::build::{Build, Status};
use super::client::{Client, unless_stopped};
use super::log::Log;
use crate::lines::Lines;

/// How long the pause between two looks is. It is gcloud's.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a build may take to end that was cancelled.
const CANCELLED: Duration = Duration::from_secs(15);

/// A build that has ended, and the end of its log.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) build: Build,
    pub(crate) lines: Lines,
}

/// Follows a build to its end: its log, its steps. A signal cancels it. A service that cannot be
/// reached is asked again until patience ends; the build goes on meanwhile.
pub(crate) async fn follow(
    client: &Client,
    started: Build,
    env: &Env,
    stop: &Stop,
) -> Result<Ended> {
    let mut build = started;
    let mut log = Log::of(&build, env);
    let mut told = Told::default();
    loop {
        told.tell(&build);
        if build.status.is_final() {
            break;
        }
        let look = async {
            log.look().await;
            tokio::time::sleep(PAUSE).await;
            client.get(&build.id, None).await
        };
        let Some(looked) = unless_stopped(stop, look).await else {
            return Err(cancel(client, &build, stop).await);
        };
        build =
            looked.map_err(|error| error.hint(format!("the build goes on: {}", build.log_url)))?;
    }
    log.finish().await;
    for warning in &build.warnings {
        tracing::warn!("Cloud Build: {}", warning.text);
    }
    Ok(Ended {
        build,
        lines: log.lines,
    })
}

/// Cancels a build because of a signal; gives the error to end with.
pub(crate) async fn cancel(client: &Client, build: &Build, stop: &Stop) -> Error {
    let signal = stop.asked().unwrap_or_default();
    let id = &build.id;
    let end = Instant::now() + CANCELLED;
    let cancelled = async {
        client.cancel(id, Some(end)).await?;
        loop {
            let build = client.get(id, Some(end)).await?;
            if build.status.is_final() || Instant::now() >= end {
                return Ok::<_, Error>(build.status);
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let cancelled = tokio::select! {
        cancelled = cancelled => cancelled,
        _ = stop.insisted() => Err(Error::failed("wait for its end").because("a second signal")),
    };
    let what = match cancelled {
        Ok(Status::Cancelled) => format!("interrupted: build {id} was cancelled"),
        Ok(status) => format!("interrupted: build {id} was to be cancelled and is {status}"),
        Err(error) => {
            let report = error.report();
            format!(
                "interrupted: build {id} may go on: {report}: {}",
                build.log_url
            )
        }
    };
    Error::interrupted(signal, what)
}

/// What the log was told of a build.
#[derive(Debug, Default)]
struct Told {
    status: Status,
    steps: Vec<Status>,
}

impl Told {
    /// Tells what has changed.
    fn tell(&mut self, build: &Build) {
        if build.status != self.status && !build.status.is_final() {
            tracing::info!("build {} is {}", build.id, build.status);
        }
        self.status = build.status;
        self.steps.resize(build.steps.len(), Status::default());
        let count = build.steps.len();
        for (index, (step, told)) in build.steps.iter().zip(&mut self.steps).enumerate() {
            if step.status == *told {
                continue;
            }
            *told = step.status;
            let (number, title) = (index + 1, step.title());
            if let Some(took) = step.took().filter(|_| step.status.is_final()) {
                let took = humantime::format_duration(Duration::from_millis(whole(took)));
                tracing::info!(
                    "step {number} of {count}, {title}: {} in {took}",
                    step.status
                );
            } else {
                tracing::info!("step {number} of {count}, {title}: {}", step.status);
            }
        }
    }
}

/// Milliseconds, to the tenth of a second: more says nothing.
fn whole(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis() / 100 * 100).unwrap_or(u64::MAX)
}
