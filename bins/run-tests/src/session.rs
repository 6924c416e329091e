//! One run of the command, and the further ones of what failed, until it passes or that is
//! enough.

use common::Result;
use common::app::Stop;
use tokio::time::Instant;

use crate::again;
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
            "nothing is run again: {faults} tests failed, more than --rerun-fails-max-failures {}",
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
        "running {} failed tests again, attempt {attempt} of {}",
        tests.len(),
        plan.rerun_fails
    );
    results.run_again();
    let mut last = None;
    for command in again::commands(plan, &tests)? {
        tracing::info!("{command}");
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
