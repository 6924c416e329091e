//! Copies a job's artifacts and records to its bucket, in the layout that Prow and `TestGrid`
//! read.

mod censor;
mod clock;
mod copies;
mod copy;
mod delete;
mod finish;
mod known;
mod left;
mod names;
mod opts;
mod plan;
mod progress;
mod show;
mod source;
mod suffix;
mod sync;
mod tally;
mod watch;

use std::sync::Arc;
use std::time::SystemTime;

use common::app::App;
use common::{Exit, Result, env};

pub use opts::{BucketOpts, Command, FilesOpts, FinishedOpts, Opts, SyncOpts, WatchOpts};
use plan::{Plan, Sync, Write};
use source::Found;

/// Plans and runs.
pub async fn run(opts: Opts, app: App) -> Result<Exit> {
    let dry_run = opts.dry_run();
    // A record without it is as good.
    let node = env::hostname().unwrap_or_default();
    let plan = Plan::new(opts, &app.env, SystemTime::now(), node)?;
    if dry_run {
        app.print(&plan)?;
    }
    match plan {
        Plan::Sync(plan) if dry_run => list(*plan, &app).await?,
        Plan::Finish(plan) if dry_run => {
            if let Some(before) = plan.before {
                list(before, &app).await?;
            }
        }
        Plan::Write(_) if dry_run => {}
        Plan::Sync(plan) => sync::run(&plan, &app.stop).await?.end(&plan)?,
        Plan::Write(plan) => write(&plan).await?,
        Plan::Finish(plan) => finish::run(*plan, &app.stop).await?,
    }
    Ok(Exit::Success)
}

async fn write(plan: &Write) -> Result<()> {
    for (name, content) in &plan.objects {
        plan.bucket.write(name, content).await?;
        tracing::info!("wrote {}", plan.bucket.url(name));
    }
    if plan.objects.is_empty() {
        tracing::info!("not the job of a pull request: there is nothing to write");
    }
    Ok(())
}

/// Prints what a sync would look at, a line each.
async fn list(plan: Sync, app: &App) -> Result<()> {
    let Some(source) = sync::open_source(&plan)?.map(Arc::new) else {
        return Ok(());
    };
    let mut found = source.search();
    let mut names = names::Names::new(plan);
    while let Some(found) = found.recv().await {
        app.stop.check("listing the files")?;
        let line = match found {
            Found::File { path, real } => match names.of(&path, &source, &real) {
                Ok((name, _)) => format!("{} -> {name}", tally::printable(&path)),
                Err(error) => format!("{}: {}", tally::printable(&path), error.report()),
            },
            Found::Skipped { path, reason } => {
                format!("{}: not copied: {reason}", tally::printable(&path))
            }
            Found::Failed { path, error } => {
                format!("{}: {}", tally::printable(&path), error.report())
            }
            Found::Vanished(_) => continue,
        };
        app.print(format_args!("{line}\n"))?;
    }
    Ok(())
}
