//! Google Cloud Build.

mod build;
mod client;
mod follow;
mod log;
mod request;
mod settings;
mod source;
mod staging;

use std::collections::BTreeSet;
use std::time::Duration;

use common::app::App;
use common::{Error, Result};
use serde_json::Value;

pub(crate) use build::{Build, Status};
use client::{Client, unless_stopped};
use follow::{cancel, follow};
pub(crate) use request::build as request;
pub(crate) use settings::{Settings, project};
pub(crate) use source::Source;

use crate::made::{Made, Step};

/// How long the pause before a further try of a build is.
const PAUSE: Duration = Duration::from_secs(5);

/// A build, ready to be started.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) source: &'a Source,
    pub(crate) retries: u32,
    /// The build without its source.
    pub(crate) request: Value,
}

/// Where builds of these settings are started.
pub(crate) fn address(settings: &Settings, app: &App) -> Result<String> {
    Ok(Client::new(settings, &app.env)?.builds().to_string())
}

/// Brings the source, starts the build and, unless it is detached, follows it to its end.
pub(crate) async fn run(mut order: Order<'_>, app: &App) -> Result<Made> {
    let settings = order.settings;
    let client = Client::new(settings, &app.env)?;
    let bring = order.source.bring(settings, &app.env);
    let source = unless_stopped(&app.stop, bring).await;
    app.stop.check("while the source was sent")?;
    if let Some(source) = source.transpose()?.flatten() {
        order.request["source"] = source;
    }
    let mut known = BTreeSet::new();
    let mut tries = 0;
    loop {
        let started = client.create(&order.request, &known, &app.stop).await?;
        known.insert(started.id.clone());
        tracing::info!("started build {}: {}", started.id, started.log_url);
        if app.stop.asked().is_some() {
            return Err(cancel(&client, &started, &app.stop).await);
        }
        if settings.detached {
            return Ok(made(&started, settings, String::new()));
        }
        let ended = follow(&client, started, &app.env, &app.stop).await?;
        if ended.build.may_pass() && tries < order.retries {
            tries += 1;
            let (reason, left) = (ended.build.reason(), order.retries - tries);
            tracing::warn!(
                "{reason}; this is not the build's fault: trying again, {left} tries left"
            );
            let pause = tokio::time::sleep(PAUSE);
            unless_stopped(&app.stop, pause).await;
            app.stop.check("before a further try")?;
            continue;
        }
        return Ok(made(&ended.build, settings, ended.lines.last()));
    }
}

fn made(build: &Build, settings: &Settings, output: String) -> Made {
    let digests = build.results.images.iter();
    let steps = build.steps.iter().map(|step| Step {
        name: step.title(),
        status: step.status.to_string(),
        passed: step.status == Status::Success,
        ended: step.status.is_final(),
        took: step.took(),
    });
    Made {
        id: Some(build.id.clone()),
        link: (!build.log_url.is_empty()).then(|| build.log_url.clone()),
        place: Some(format!("{}/{}", settings.project, settings.location)),
        status: build.status.to_string(),
        took: build.took(),
        digests: digests
            .map(|image| (image.name.clone(), image.digest.clone()))
            .collect(),
        steps: steps.collect(),
        error: error(build),
        output,
    }
}

/// The error that a build's end is; none for a success, and none for one that goes on.
fn error(build: &Build) -> Option<Error> {
    let what = format!("build {} did not succeed", build.id);
    let error = match build.status {
        Status::Timeout => Error::timed_out(what).hint("--timeout gives it more time"),
        Status::InternalError | Status::Expired => Error::unavailable(what),
        Status::Failure if build.may_pass() => Error::unavailable(what),
        Status::Failure | Status::Cancelled => Error::failed(what),
        _ => return None,
    };
    Some(error.because(build.reason()))
}
