//! Places the commit under test, with its pull requests merged as Prow does, and further
//! repositories in the run folder.

mod beside;
mod cache;
mod called;
mod credentials;
mod explain;
mod fault;
mod folder;
mod guard;
mod history;
mod lfs;
mod links;
mod merge;
mod opts;
mod plan;
mod progress;
mod record;
mod report;
mod retry;
mod runner;
mod sequence;
mod settings;
mod stamp;
mod step;
mod transfer;
mod url;
mod wanted;
mod way;
mod work;

use std::rc::Rc;

use common::app::{App, Stop};
use common::{Error, Exit, Result, ResultExt};
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

pub use called::called;
use credentials::Session;
pub use opts::Opts;
use opts::{Output, Subcommand};
use plan::{Plan, Repository};
use record::Record;
use report::Report;

/// How many repositories are checked out at once: servers limit connections from one place.
const AT_ONCE: usize = 8;

/// Plans and runs.
pub async fn run(opts: Opts, app: App) -> Result<Exit> {
    if let Some(Subcommand::Credential(asked)) = &opts.command {
        return app.print(credentials::help(asked, &app).await?);
    }
    let mut plan = Plan::new(&opts, &app.env)?;
    if opts.dry_run {
        return app.print(plan);
    }
    common::git::check_version(&app.stop).await?;
    let (records, ends): (Vec<Record>, Vec<_>) = LocalSet::new()
        .run_until(check_out_all(&mut plan, &opts, &app))
        .await?
        .into_iter()
        .unzip();
    let recorded = [
        opts.records
            .as_deref()
            .map(|file| record::write(file, &records)),
        opts.clone_log
            .as_deref()
            .map(|file| record::write_log(file, &records)),
    ];
    let mut reports = Vec::new();
    let mut errors = Vec::new();
    for end in ends {
        match end {
            Ok(report) => reports.push(report),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        errors.extend(plan.links.iter().filter_map(|link| link.make().err()));
    }
    app.print(match opts.output {
        Output::Text => reports.iter().map(Report::text).collect(),
        Output::Json => report::json(&reports)?,
    })?;
    errors.extend(recorded.into_iter().flatten().filter_map(Result::err));
    match worst(errors) {
        Some(error) => Err(error),
        None => Ok(Exit::Success),
    }
}

/// Has to be on a `LocalSet`.
async fn check_out_all(
    plan: &mut Plan,
    opts: &Opts,
    app: &App,
) -> Result<Vec<(Record, Result<Report>)>> {
    // Before any of them is touched: one may be behind a link into another.
    for repository in &plan.repositories {
        way::check(&repository.src_dir, &repository.folder)?;
    }
    let session = Session::start(opts, plan, app).await?;
    for repository in &mut plan.repositories {
        repository.access = session.access.clone();
    }
    let turns = Rc::new(Semaphore::new(AT_ONCE));
    let running: Vec<_> = plan
        .repositories
        .iter()
        .map(|repository| {
            let (repository, stop, turns) = (repository.clone(), app.stop.clone(), turns.clone());
            tokio::task::spawn_local(async move {
                let _turn = turns.acquire().await;
                check_out(&repository, &stop).await
            })
        })
        .collect();
    let mut ends = Vec::new();
    for task in running {
        ends.push(task.await.or_failed(|| "check out a repository")?);
    }
    Ok(ends)
}

/// Checks out one repository, and says what came of it.
async fn check_out(repository: &Repository, stop: &Stop) -> (Record, Result<Report>) {
    let before = report::packed(&repository.folder);
    let (record, end) = work::check_out(repository, stop).await;
    let report = async {
        let placed = end?;
        if !record.commands.is_empty() {
            report::tell(repository, &placed, before, record.duration);
        }
        Report::new(repository, placed, stop).await
    };
    let report = report.await;
    (record, report)
}

/// The error to end with; the others go to the log. An interruption says more than what it
/// broke, and running again does not help while one of the errors would stay.
fn worst(mut errors: Vec<Error>) -> Option<Error> {
    errors.sort_by_key(|error| match error.exit() {
        Exit::Interrupted(_) => 0,
        Exit::Unavailable => 2,
        _ => 1,
    });
    let mut errors = errors.into_iter();
    let worst = errors.next();
    for error in errors {
        tracing::error!("{}", error.report());
    }
    worst
}
