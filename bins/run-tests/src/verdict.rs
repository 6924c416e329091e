//! Decides, in one place, whether all is well: the exit code and the results have to agree.

use std::io;
use std::os::unix::process::ExitStatusExt;

use common::Exit;
use common::exec::{Cause, Ended};

use crate::format::{End, Format};
use crate::kept::Kept;
use crate::plan::Plan;
use crate::results::Results;

/// Ends the reading and adds an error to the results for everything that does not add up.
pub(crate) fn conclude(
    plan: &Plan,
    ended: &io::Result<Ended>,
    output: &Kept,
    format: &mut dyn Format,
    results: &mut Results,
) -> Exit {
    let end = end(plan, ended);
    let before = results.counts().errored;
    format.end(&end, results);
    let (tests, faults) = (results.counts().tests(), results.counts().faults());
    let new_errors = results.counts().errored > before;
    match &end {
        End::CutShort(reason) if !new_errors => {
            results.error(name_of_cut(ended), reason, output.text());
        }
        End::Failure { how, .. } if faults == 0 => {
            let what = if tests == 0 {
                "no test was seen"
            } else {
                "no test failed"
            };
            let message = format!("the command failed although {what}: {how}");
            results.error("exit code", &message, output.text());
        }
        End::Success if faults > 0 => {
            tracing::warn!("the command ended with exit code 0 although tests failed");
        }
        End::Success if tests == 0 && !plan.allow_empty => {
            let message = "the command ran no test; --allow-empty accepts that";
            results.error("no tests", message, output.text());
        }
        _ => {}
    }
    match ended {
        Ok(Ended {
            cause: Cause::Deadline,
            ..
        }) => Exit::TimedOut,
        Ok(Ended {
            cause: Cause::Stopped(signal),
            ..
        }) => Exit::Interrupted(*signal),
        _ if results.counts().faults() == 0 => Exit::Success,
        _ => Exit::Failed,
    }
}

fn end(plan: &Plan, ended: &io::Result<Ended>) -> End {
    let ended = match ended {
        Ok(ended) => ended,
        Err(error) => {
            let program = plan.command.program.display();
            return End::CutShort(format!("run {program}: {error}"));
        }
    };
    match (ended.cause, ended.status.signal()) {
        (Cause::Deadline, _) => {
            let limit = plan.timeout.unwrap_or_default();
            End::CutShort(format!(
                "the command was ended at its time limit of {}",
                humantime::format_duration(limit)
            ))
        }
        (Cause::Stopped(signal), _) => End::CutShort(format!(
            "the command was ended because run-tests got {}",
            signal_name(signal)
        )),
        (Cause::Itself, _) if ended.status.success() => End::Success,
        (Cause::Itself, Some(signal)) => End::Failure {
            how: format!("killed by {}", signal_name(signal)),
            crashed: true,
        },
        (Cause::Itself, None) => End::Failure {
            how: format!("exit code {}", ended.code()),
            crashed: false,
        },
    }
}

fn name_of_cut(ended: &io::Result<Ended>) -> &'static str {
    match ended {
        Err(_) => "start",
        Ok(Ended {
            cause: Cause::Deadline,
            ..
        }) => "time limit",
        Ok(_) => "interrupted",
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}
