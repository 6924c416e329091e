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
use std::time::{Duration, SystemTime};

use common::app::{App, Stop};
use common::{Error, Exit, Result, env};

use clock::Clock;
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
        Plan::Write(plan) => write(&plan, &app.stop).await?,
        Plan::Finish(plan) => finish::run(*plan, &app.stop).await?,
    }
    Ok(Exit::Success)
}

/// How long a record that is being written is waited for once the program is asked to end: one
/// that goes well takes less.
const GRACE: Duration = Duration::from_secs(2);

async fn write(plan: &Write, stop: &Stop) -> Result<()> {
    let clock = Clock::new(stop.clone(), GRACE);
    for (name, content) in &plan.objects {
        clock.in_time(&plan.bucket, name, content).await?;
        tracing::info!("wrote {}", plan.bucket.url(name));
    }
    if plan.objects.is_empty() {
        tracing::info!("not the job of a pull request: there is nothing to write");
    }
    Ok(())
}

/// Prints what a sync would look at, and what it would remove, a line each.
async fn list(plan: Sync, app: &App) -> Result<()> {
    let removes = plan
        .delete
        .then(|| (plan.bucket.clone(), plan.folder.clone()));
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
    let Some((bucket, folder)) = removes else {
        return Ok(());
    };
    let present = tokio::select! {
        present = bucket.present(&folder) => present?,
        signal = app.stop.wait() => {
            return Err(Error::interrupted(signal, format!("list {}", bucket.url(&folder))));
        }
    };
    let mut without_file: Vec<_> = present.names().filter(|name| !names.has(name)).collect();
    without_file.sort();
    for name in without_file {
        let url = bucket.url(&name);
        app.print(format_args!("remove {}\n", common::on_one_line(&url)))?;
    }
    Ok(())
}
