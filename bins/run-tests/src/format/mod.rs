//! What a test command speaks. One module a format; each takes the output line by line, as it
//! comes, and tells the results what it learns.

mod auto;
mod cargo;
mod command;
mod junit;
#[cfg(test)]
mod property;
mod tap;

use common::Result;

use crate::opts::FormatName;
use crate::plan::Plan;
use crate::results::Results;

/// A reader of one format.
pub(crate) trait Format {
    /// Takes the next line: clean text of at most some 64 KiB.
    fn line(&mut self, line: &str, results: &mut Results);

    /// The output has ended. What was promised and did not come is an error, and where the
    /// command was cut short the tests that ran at that moment are.
    fn end(&mut self, end: &End, results: &mut Results);
}

/// How the command came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// It exited with 0.
    Success,
    /// It failed, by itself: `exit code 3`, `killed by SIGSEGV`.
    Failure {
        /// How.
        how: String,
        /// Whether a signal ended it.
        crashed: bool,
    },
    /// We ended it, or it never started; this says why.
    CutShort(String),
}

/// The reader for a plan's format. Made before the command starts.
pub(crate) fn reader(plan: &Plan) -> Result<Box<dyn Format>> {
    let target = plan.target.as_str();
    Ok(match plan.format {
        FormatName::Auto => Box::new(auto::Auto::new(target)),
        FormatName::Cargo => Box::new(cargo::Cargo::new(target)),
        FormatName::Tap => Box::new(tap::Tap::new(target)),
        FormatName::Junit => Box::new(junit::Junit::new(&plan.junit_from, plan.junit.as_deref())?),
        FormatName::Command => Box::new(command::Command::new(target)),
    })
}

/// What a reader makes of an output, a line for each test and its message.
#[cfg(test)]
fn read(mut format: impl Format, output: &str, end: &End) -> String {
    use common::junit::{Detail, Outcome};
    use std::fmt::Write;

    let mut results = Results::new("unit");
    for line in output.lines() {
        format.line(line, &mut results);
    }
    format.end(end, &mut results);
    let mut text = String::new();
    let report = results.into_report(std::time::Duration::ZERO, &[], None);
    let cases = report
        .suites
        .iter()
        .flat_map(|suite| suite.cases.iter().map(move |case| (suite, case)));
    for (suite, case) in cases {
        let (what, detail) = match &case.outcome {
            Outcome::Passed => ("passed", &Detail::default()),
            Outcome::Failed(detail) => ("failed", detail),
            Outcome::Errored(detail) => ("error", detail),
            Outcome::Skipped(detail) => ("skipped", detail),
        };
        let line = format!("[{}] {} {what} {}", suite.name, case.name, detail.message);
        text.push_str(line.trim_end());
        if let (Some(file), Some(line)) = (&case.file, case.line) {
            write!(text, " ({file}:{line})").unwrap();
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
fn failure() -> End {
    End::Failure {
        how: "exit code 101".to_owned(),
        crashed: false,
    }
}
