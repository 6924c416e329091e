//! What a test command speaks. One module a format; each takes the output line by line, as it
//! comes, and tells the results what it learns.

mod auto;
mod cargo;
#[cfg(any(test, fuzzing))]
mod check;
mod command;
#[cfg(fuzzing)]
pub mod fuzzing;
mod go;
mod junit;
#[cfg(test)]
mod property;
mod tap;

use std::borrow::Cow;

use common::Result;
use common::exec::Dump;
use tokio::time::Instant;

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

    /// Whether nothing has begun that has not ended: another format may follow.
    fn is_idle(&self) -> bool {
        false
    }

    /// What is shown in place of what the command said since this was asked last; `None` for
    /// a format that people read as it is.
    fn translation(&mut self) -> Option<&mut Translation> {
        None
    }

    /// Whether the output said of all tests when they started; asked at the end.
    fn tells_starts(&self) -> bool {
        false
    }

    /// The test that runs longest by now, where the format says when tests start.
    fn longest_running(&self) -> Option<Running<'_>> {
        None
    }

    /// How many passed tests the results do not know of yet, as something may still be said of
    /// them.
    fn waiting(&self) -> u64 {
        0
    }

    /// What the command is to be asked before it is ended at a time limit.
    fn dump(&self) -> Option<Dump> {
        None
    }

    /// Time is up, of the whole or of one test: the tests that run now are told so in the
    /// report. What the command says of it follows, and then the end.
    fn out_of_time(&mut self, _reason: &OutOfTime) {}
}

/// Which time limit was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutOfTime {
    /// The test whose own limit it was; `None`: that of the whole command.
    pub(crate) test: Option<String>,
    /// The limit, as people write it.
    pub(crate) limit: String,
}

impl std::fmt::Display for OutOfTime {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let limit = &self.limit;
        match &self.test {
            Some(test) => write!(
                out,
                "the command was ended because {test} ran longer than {limit}"
            ),
            None => write!(out, "the command was ended at its time limit of {limit}"),
        }
    }
}

/// Output for people, made of output for programs.
#[derive(Debug, Default)]
pub(crate) struct Translation {
    /// What the terminal shows.
    pub(crate) shown: Vec<u8>,
    /// What a log keeps: everything.
    pub(crate) log: Vec<u8>,
}

/// A test that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Running<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) since: Instant,
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
        FormatName::Go => Box::new(go::reader(&plan.command.args)),
        FormatName::Cargo => Box::new(cargo::Cargo::new(target)),
        FormatName::Tap => Box::new(tap::Tap::new(target)),
        FormatName::Junit | FormatName::Pytest => Box::new(junit::Junit::new(plan)?),
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
    let mut xml = Vec::new();
    results
        .write(&mut xml, 0, std::time::Duration::ZERO, &[], None)
        .unwrap();
    let mut text = String::new();
    let visit = |suite: &str, case: common::junit::Case| {
        let (what, detail) = match &case.outcome {
            Outcome::Passed => ("passed", &Detail::default()),
            Outcome::Failed(detail) => ("failed", detail),
            Outcome::Errored(detail) => ("error", detail),
            Outcome::Skipped(detail) => ("skipped", detail),
        };
        let line = format!("[{suite}] {} {what} {}", case.name, detail.message);
        text.push_str(line.trim_end());
        if let (Some(file), Some(line)) = (&case.file, case.line) {
            write!(text, " ({file}:{line})").unwrap();
        }
        text.push('\n');
    };
    common::junit::read(xml.as_slice(), "report", visit).unwrap();
    text
}

#[cfg(test)]
fn failure() -> End {
    End::Failure {
        how: "exit code 101".to_owned(),
        crashed: false,
    }
}
