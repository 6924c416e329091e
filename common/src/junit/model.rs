//! A report of tests, as JUnit tells it.

use std::time::{Duration, SystemTime};

/// A file's worth of suites.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Name of the whole.
    pub name: String,
    /// How long the whole took.
    pub time: Option<Duration>,
    /// The suites, in the order of the file.
    pub suites: Vec<Suite>,
}

/// Tests that belong together: a package, a test binary, a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suite {
    /// Name, the same in every run so that histories line up.
    pub name: String,
    /// When it started.
    pub timestamp: Option<SystemTime>,
    /// The machine it ran on.
    pub hostname: Option<String>,
    /// How long it took.
    pub time: Option<Duration>,
    /// Facts about the run, as name and value.
    pub properties: Vec<(String, String)>,
    /// The tests.
    pub cases: Vec<Case>,
}

/// One run of one test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Case {
    /// Name within suite and class.
    pub name: String,
    /// Class; here the target that the tests report as.
    pub classname: String,
    /// How long it took, where known.
    pub time: Option<Duration>,
    /// Source file, where known.
    pub file: Option<String>,
    /// Line in that file, where known.
    pub line: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
    /// What it printed; empty for nothing.
    pub system_out: String,
    /// What it printed to stderr, where that is known apart.
    pub system_err: String,
}

impl Case {
    /// What stands for a fault that is no test's own.
    pub(super) fn errored(name: &str, message: &str) -> Self {
        Case {
            name: name.to_owned(),
            outcome: Outcome::Errored(Detail {
                message: message.to_owned(),
                text: String::new(),
            }),
            ..Case::default()
        }
    }
}

/// How a test ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    #[default]
    Passed,
    /// It ran and found something wrong.
    Failed(Detail),
    /// It could not do its work: crash, time limit, build failure, no result.
    Errored(Detail),
    /// It was not run.
    Skipped(Detail),
}

impl Outcome {
    /// The details of a failure or an error.
    pub fn fault(&self) -> Option<&Detail> {
        match self {
            Outcome::Failed(detail) | Outcome::Errored(detail) => Some(detail),
            Outcome::Passed | Outcome::Skipped(_) => None,
        }
    }
}

/// What is said of a failure, an error or a skip.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detail {
    /// One line; what lists show.
    pub message: String,
    /// The whole story.
    pub text: String,
}

/// How many tests ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) tests: usize,
    pub(super) failures: usize,
    pub(super) errors: usize,
    pub(super) skipped: usize,
}

impl Counts {
    pub(super) fn of<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Self {
        let mut counts = Counts::default();
        for case in cases {
            counts.tests += 1;
            match case.outcome {
                Outcome::Passed => {}
                Outcome::Failed(_) => counts.failures += 1,
                Outcome::Errored(_) => counts.errors += 1,
                Outcome::Skipped(_) => counts.skipped += 1,
            }
        }
        counts
    }
}
