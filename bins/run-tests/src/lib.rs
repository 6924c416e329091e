//! Runs a test command, shows it live, bounds it in time, turns what it says into JUnit.

mod again;
mod console;
mod facts;
mod format;
mod lines;
mod naming;
mod opts;
mod place;
mod plan;
mod progress;
mod report;
mod reporter;
mod results;
mod run;
mod session;
mod setup;
mod shard;
mod tool;
mod verdict;

use std::time::Instant;

use common::app::App;
use common::{Error, Exit, Result, exec, redact};

use console::Console;
#[cfg(fuzzing)]
pub use format::fuzzing;
pub use opts::Opts;
use plan::Plan;
use report::ReportFile;
use results::{Results, Style};

/// Plans and runs.
pub async fn run(opts: Opts, app: App) -> Result<Exit> {
    let dry_run = opts.dry_run;
    let mut plan = Plan::new(opts)?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let secrets = redact::of_process(&plan.secrets, &app.env, &mounts)?.compile()?;
    if dry_run {
        return app.print(secrets.redact(&plan.to_string()));
    }
    let style = Style {
        naming: plan.naming.clone(),
        output: plan.junit_output,
        secrets: (!secrets.is_empty()).then(|| secrets.clone()),
    };
    let prepared = |path| ReportFile::prepare(path, Results::styled(&plan.target, style.clone()));
    let report = plan.junit.as_deref().map(prepared).transpose()?;
    let mut results = Results::styled(&plan.target, style);
    let mut console = Console::new(plan.log.as_deref(), plan.prefix.as_deref(), &secrets)?;
    // So that a process which fled the command's group is not left running.
    exec::adopt_orphans()?;
    let start = Instant::now();
    // At the same time: git takes as long as a short test.
    let tests = tests(&mut plan, &app, &mut results, &mut console);
    let (ended, commit) = tokio::join!(tests, facts::commit(&app));
    exec::end_orphans();
    let (exit, seed) = ended?;
    let time = start.elapsed();
    report::summarize(&plan, &results, time);
    let Some(report) = report else {
        return Ok(exit);
    };
    let properties = facts::properties(&plan, &app, &secrets, commit, seed);
    match report.write(&mut results, time, &properties) {
        Ok(()) => Ok(exit),
        // Green without its report is not green; what is red already says more.
        Err(error) if exit == Exit::Success => Err(error),
        Err(error) => {
            tracing::error!("{}", error.report());
            Ok(exit)
        }
    }
}

/// Runs the tests; gives what they come to, and the seed of their order.
async fn tests(
    plan: &mut Plan,
    app: &App,
    results: &mut Results,
    console: &mut Console,
) -> Result<(Exit, Option<String>)> {
    let setup = match setup::prepare(plan, app).await {
        Ok(setup) => setup,
        // What was typed is wrong: there is nothing to report on.
        Err(error) if error.exit() == Exit::Usage => return Err(error),
        Err(error) => {
            results.error("preparation", &error.report(), String::new());
            return Ok((error.exit(), None));
        }
    };
    if !setup.runs {
        tracing::info!("no test belongs to this part: nothing is run");
        return Ok((Exit::Success, None));
    }
    let session = session::run(plan, &app.stop, results, console);
    let ended = match &setup.folder {
        Some(folder) => tokio::select! {
            ended = session => ended,
            error = folder.keep_reports() => {
                Err(Error::failed("watch the folder of the tool's reports").because(error))
            }
        },
        None => session.await,
    };
    let ended = ended?;
    Ok((verdict::exit(plan, &ended, results), ended.seed))
}
