//! Builds container images and pushes them under an immutable tag, with Google Cloud Build or the
//! Docker engine.

mod archive;
mod cloud;
mod course;
mod engine;
mod lines;
mod made;
mod opts;
mod plan;
mod recipe;
mod registry;
mod report;
mod rules;
mod work;

use std::process::ExitCode;
use std::time::SystemTime;

use common::app::App;
use common::image_tag::ImageTag;
use common::{Exit, Result};

pub use opts::Opts;
use opts::{BuildOpts, Command, Output};
use plan::Plan;
use report::Report;

/// What this program does when it has called itself; `None` in every other call.
pub fn enter() -> Option<ExitCode> {
    common::evaluate::enter()
}

/// Plans and runs.
pub async fn run(opts: Opts, app: App) -> Result<Exit> {
    match opts.command {
        Some(Command::Tag(tag)) => {
            let made = ImageTag::of(&tag.context, SystemTime::now(), &app.stop).await?;
            app.print(format_args!("{}\n", made.tag))
        }
        None => build(&opts.build, &app).await,
    }
}

async fn build(opts: &BuildOpts, app: &App) -> Result<Exit> {
    let plan = Plan::new(opts, &app.env, SystemTime::now(), &app.stop).await?;
    if opts.dry_run {
        return app.print(plan.show(opts, app)?);
    }
    let (report, error) = match work::run(&plan, opts, app).await {
        Ok(mut report) => {
            let error = report.made.as_mut().and_then(|made| made.error.take());
            (Some(report), error)
        }
        Err(error) => (None, Some(error)),
    };
    if let Some(report) = &report {
        report.tell();
    }
    let written = write(opts, report.as_ref(), error.as_ref(), app);
    match (error, written) {
        (Some(error), written) => {
            if let Err(other) = written {
                tracing::error!("{}", other.report());
            }
            Err(error)
        }
        (None, written) => written,
    }
}

/// Leaves the results where they are asked for. Images that there are not are named nowhere.
fn write(
    opts: &BuildOpts,
    report: Option<&Report>,
    error: Option<&common::Error>,
    app: &App,
) -> Result<Exit> {
    let results = &opts.results;
    if let Some(file) = report::junit_file(results) {
        report::write(&file, &report::junit(results, report, error)?)?;
    }
    let Some(report) = report else {
        return Ok(Exit::Success);
    };
    if error.is_none()
        && let Some(file) = &results.digest_file
    {
        report::write(file, report.json()?.as_bytes())?;
    }
    match results.output {
        Output::Json => app.print(report.json()?),
        Output::Text if error.is_none() => app.print(report.text()),
        Output::Text => Ok(Exit::Success),
    }
}
