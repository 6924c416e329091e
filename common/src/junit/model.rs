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

/// How many tests ended how, as the attributes of a suite say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub tests: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that could not do their work.
    pub errors: u64,
    /// Those that were not run.
    pub skipped: u64,
}

impl Counts {
    /// Counts some cases.
    pub fn of<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Self {
        let mut counts = Counts::default();
        for case in cases {
            counts.add(&case.outcome);
        }
        counts
    }

    /// Counts one more case.
    pub fn add(&mut self, outcome: &Outcome) {
        self.tests += 1;
        if let Some(count) = self.count_of(outcome) {
            *count += 1;
        }
    }

    /// Counts a case no more.
    pub fn remove(&mut self, outcome: &Outcome) {
        self.tests -= 1;
        if let Some(count) = self.count_of(outcome) {
            *count -= 1;
        }
    }

    fn count_of(&mut self, outcome: &Outcome) -> Option<&mut u64> {
        match outcome {
            Outcome::Passed => None,
            Outcome::Failed(_) => Some(&mut self.failures),
            Outcome::Errored(_) => Some(&mut self.errors),
            Outcome::Skipped(_) => Some(&mut self.skipped),
        }
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(all: I) -> Self {
        all.fold(Counts::default(), |sum, more| Counts {
            tests: sum.tests + more.tests,
            failures: sum.failures + more.failures,
            errors: sum.errors + more.errors,
            skipped: sum.skipped + more.skipped,
        })
    }
}
