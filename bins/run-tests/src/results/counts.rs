//! How many tests ended how.

use common::junit::Outcome;

/// How many tests ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) errored: u64,
    pub(crate) skipped: u64,
    /// Failed, then passed when run again.
    pub(crate) flaky: u64,
}

impl Counts {
    pub(crate) fn tests(&self) -> u64 {
        self.passed + self.failed + self.errored + self.skipped + self.flaky
    }

    pub(crate) fn faults(&self) -> u64 {
        self.failed + self.errored
    }

    pub(crate) fn of(&mut self, outcome: &Outcome) -> &mut u64 {
        match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Failed(_) => &mut self.failed,
            Outcome::Errored(_) => &mut self.errored,
            Outcome::Skipped(_) => &mut self.skipped,
        }
    }

    pub(super) fn add(&mut self, more: Counts) {
        self.passed += more.passed;
        self.failed += more.failed;
        self.errored += more.errored;
        self.skipped += more.skipped;
        self.flaky += more.flaky;
    }
}
