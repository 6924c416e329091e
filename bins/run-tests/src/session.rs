//! One run of the command, and the further ones of what failed, until it passes or that is
//! enough.

use common::app::Stop;
use common::{Result, counted};
use tokio::time::Instant;

use crate::again::{self, Pytest};
use crate::console::Console;
use crate::format;
use crate::plan::Plan;
use crate::results::Results;
use crate::run::{self, Run};
use crate::verdict;

/// Runs the plan's command, and failed tests again where that is asked for; gives the run that
/// came last.
pub(crate) async fn run(
    plan: &Plan,
    stop: &Stop,
    results: &mut Results,
    console: &mut Console,
) -> Result<Run> {
    // A limit too far away to be told is none.
    let timeout = plan.timeout;
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut format = format::reader(plan)?;
    let command = &plan.command;
    let first = run::run(
        plan,
        command,
        deadline,
        stop,
        &mut *format,
        results,
        console,
    )
    .await;
    verdict::conclude(plan, &first, &mut *format, results);
    let mut last = first;
    if plan.pytest.as_ref().is_some_and(Pytest::stopped_early) && results.counts().faults() > 0 {
        tracing::warn!("nothing is run again: pytest ended before all tests had run");
        return Ok(last);
    }
    for attempt in 1..=plan.rerun_fails {
        if last.was_cut_short() || !is_worth_it(plan, results) {
            break;
        }
        match run_again(plan, attempt, deadline, stop, results, console).await? {
            Some(run) => last = run,
            None => break,
        }
    }
    Ok(last)
}

/// Whether running the failed tests again can prove anything.
fn is_worth_it(plan: &Plan, results: &Results) -> bool {
    let faults = results.counts().faults();
    if faults > plan.rerun_fails_max_failures {
        tracing::warn!(
            "nothing is run again: {} failed, more than --rerun-fails-max-failures {}",
            counted(faults, "test"),
            plan.rerun_fails_max_failures
        );
    }
    faults > 0 && faults <= plan.rerun_fails_max_failures
}

/// Runs the failed tests once more; `None` where they cannot be picked.
async fn run_again(
    plan: &Plan,
    attempt: u32,
    deadline: Option<Instant>,
    stop: &Stop,
    results: &mut Results,
    console: &mut Console,
) -> Result<Option<Run>> {
    let tests = match results.to_run_again() {
        Ok(tests) => tests,
        Err(reason) => {
            tracing::warn!("nothing is run again: {reason}");
            return Ok(None);
        }
    };
    tracing::info!(
        "running {} again, attempt {attempt} of {}",
        counted(tests.len() as u64, "failed test"),
        plan.rerun_fails
    );
    results.run_again();
    let mut last = None;
    for command in again::commands(plan, &tests)? {
        tracing::info!("{}", results.masked(&command.to_string()));
        let mut format = format::reader(plan)?;
        let run = run::run(
            plan,
            &command,
            deadline,
            stop,
            &mut *format,
            results,
            console,
        )
        .await;
        verdict::conclude_again(plan, &run, &mut *format, results);
        let cut_short = run.was_cut_short();
        last = Some(run);
        if cut_short {
            break;
        }
    }
    Ok(last)
}
