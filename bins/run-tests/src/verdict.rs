//! Decides, in one place, whether all is well: the exit code and the results have to agree.

use std::io;
use std::os::unix::process::ExitStatusExt;

use common::exec::{Cause, Ended};
use common::{Exit, counted};

use crate::format::{End, Format};
use crate::opts::Flaky;
use crate::plan::Plan;
use crate::reporter::Reporter;
use crate::results::Results;
use crate::run::Run;

/// Ends the reading and adds an error to the results for everything that does not add up.
pub(crate) fn conclude(plan: &Plan, run: &Run, format: &mut dyn Format, results: &mut Results) {
    let end = end(plan, run);
    let before = results.counts().errored;
    format.end(&end, results);
    let (tests, faults) = (results.counts().tests(), results.counts().faults());
    let new_errors = results.counts().errored > before;
    match &end {
        End::CutShort(reason) if !(new_errors || run.out_of_time.is_some() && faults > 0) => {
            results.error(name_of_cut(&run.ended), reason, run.output.text());
        }
        End::Failure { how, .. } if faults == 0 => {
            let what = if tests == 0 {
                "no test was seen"
            } else {
                "no test failed"
            };
            let message = format!("the command failed although {what}: {how}");
            results.error("exit code", &message, run.output.text());
        }
        End::Success if faults > 0 => {
            tracing::warn!("the command ended with exit code 0 although tests failed");
        }
        End::Success if tests == 0 && !plan.allow_empty => {
            let message = "the command ran no test; --allow-empty accepts that";
            results.error("no tests", message, run.output.text());
        }
        _ => {}
    }
    let ran = tests > 0 && !matches!(end, End::CutShort(_));
    if plan.test_timeout.is_some() && ran && !format.tells_starts() {
        let message = "--test-timeout limited no test: the output does not tell when one starts; \
                       limit the whole command with --timeout";
        results.error("test time limit", message, String::new());
    }
}

/// The same for a run of tests that failed before: it proves something only when it ended as
/// its tests did.
pub(crate) fn conclude_again(
    plan: &Plan,
    run: &Run,
    format: &mut dyn Format,
    results: &mut Results,
) {
    let end = end(plan, run);
    format.end(&end, results);
    let message = match &end {
        End::Failure { how, .. } if !results.failed_again() => {
            format!("the tests that were run again passed, but their command failed: {how}")
        }
        End::CutShort(reason) => reason.clone(),
        _ => return,
    };
    results.error("run again", &message, run.output.text());
}

/// What the whole comes to.
pub(crate) fn exit(plan: &Plan, last: &Run, results: &mut Results) -> Exit {
    let flaky = results.counts().flaky;
    if flaky > 0 && plan.flaky == Flaky::Fail {
        let verb = if flaky == 1 { "is" } else { "are" };
        let flaky = counted(flaky, "test");
        let message = format!("{flaky} {verb} flaky, which --flaky=fail does not accept");
        results.error("flaky tests", &message, String::new());
    }
    match &last.ended {
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

fn end(plan: &Plan, run: &Run) -> End {
    let ended = match &run.ended {
        Ok(ended) => ended,
        Err(error) => {
            let program = plan.command.program.display();
            return End::CutShort(format!("run {program}: {error}"));
        }
    };
    match (ended.cause, ended.status.signal()) {
        (Cause::Deadline, _) => {
            let reason = run.out_of_time.as_ref();
            End::CutShort(reason.map(ToString::to_string).unwrap_or_default())
        }
        (Cause::Stopped(signal), _) => End::CutShort(format!(
            "the command was ended because run-tests got {}",
            signal_name(signal)
        )),
        (Cause::Itself, _) if ended.status.success() => End::Success,
        (Cause::Itself, None)
            if plan.allow_empty
                && plan.reporter.and_then(Reporter::code_without_tests) == Some(ended.code()) =>
        {
            End::Success
        }
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
