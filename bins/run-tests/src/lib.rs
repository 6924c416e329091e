//! Runs a test command, shows it live, bounds it in time, turns what it says into JUnit.

mod format;
mod kept;
mod lines;
mod opts;
mod place;
mod plan;
mod report;
mod results;
mod run;
mod session;
mod tool;
mod verdict;

use std::time::Instant;

use common::app::App;
use common::{Exit, Result, exec};

pub use opts::Opts;
use plan::Plan;
use report::Place;
use results::Results;

/// Plans and runs.
pub async fn run(opts: Opts, app: App) -> Result<Exit> {
    let dry_run = opts.dry_run;
    let plan = Plan::new(opts)?;
    if dry_run {
        return app.print(plan);
    }
    let place = plan.junit.as_deref();
    let place = place.map(|path| Place::prepare(path, &plan.target));
    let place = place.transpose()?;
    let mut results = Results::new(&plan.target);
    // So that a process which fled the command's group is not left running.
    exec::adopt_orphans()?;
    let start = Instant::now();
    let ended = session::run(&plan, &app.stop, &mut results).await;
    exec::end_orphans();
    let exit = verdict::exit(&plan, &ended?, &mut results);
    let time = start.elapsed();
    report::summarize(&plan, &results, time);
    let Some(place) = place else {
        return Ok(exit);
    };
    let properties = [("command".to_owned(), plan.command.to_string())];
    match place.write(&mut results, time, &properties) {
        Ok(()) => Ok(exit),
        // Green without its report is not green; what is red already says more.
        Err(error) if exit == Exit::Success => Err(error),
        Err(error) => {
            tracing::error!("{}", error.report());
            Ok(exit)
        }
    }
}
