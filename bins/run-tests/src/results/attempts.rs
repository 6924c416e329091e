//! Failed tests that are run again.

use common::junit::{Case, Outcome};

use super::{Id, Results};
use crate::tool::Selector;

/// Whether tests are run again.
#[derive(Default)]
pub(super) struct Attempts {
    again: bool,
    /// Whether anything went wrong in the attempt that runs.
    failed: bool,
}

impl Attempts {
    pub(super) fn is_again(&self) -> bool {
        self.again
    }
}

impl Results {
    /// The failed tests, to be picked when they are run again; an error says why that would
    /// prove nothing.
    pub(crate) fn to_run_again(&self) -> Result<Vec<Selector>, String> {
        let mut selectors = Vec::new();
        for fault in self.faults.iter().filter(|fault| fault.is_open()) {
            match &fault.selector {
                Some(selector) => selectors.push(selector.clone()),
                None => return Err(format!("{} is no test that can be picked", fault.case.name)),
            }
        }
        if selectors.len() as u64 != self.counts.faults() {
            return Err("not all failed tests are known by name".to_owned());
        }
        Ok(selectors)
    }

    /// What comes from now on are further attempts at the failed tests.
    pub(crate) fn run_again(&mut self) {
        self.attempts.again = true;
        self.attempts.failed = false;
        self.names.start_anew();
    }

    /// Whether anything went wrong since [`Results::run_again`].
    pub(crate) fn failed_again(&self) -> bool {
        self.attempts.failed
    }

    /// An attempt at a test that was run before. A test that did not fail before and passes
    /// is no news.
    pub(super) fn again(&mut self, suite: &str, mut case: Case, key: u64) -> Option<Id> {
        self.attempts.failed |= case.outcome.fault().is_some();
        let before = self.last_attempts.get(&key).copied();
        let before = before.filter(|number| self.faults[*number].is_open());
        let Some(number) = before else {
            let is_fault = case.outcome.fault().is_some();
            if !is_fault {
                return None;
            }
            *self.counts.of(&case.outcome) += 1;
            return self.put(suite, case, key);
        };
        let fault = &mut self.faults[number];
        match &case.outcome {
            // Not run: that neither mends nor adds anything.
            Outcome::Skipped(_) => None,
            Outcome::Passed => {
                *self.counts.of(&fault.case.outcome) -= 1;
                self.counts.flaky += 1;
                self.pass_later(key);
                self.put(suite, case, key)
            }
            // One failure is enough for a report that says: it failed.
            _ => {
                self.style.dress(&mut case);
                let before = std::mem::replace(&mut fault.case, case);
                let (suite, now) = (fault.suite, &fault.case.outcome);
                *self.counts.of(&before.outcome) -= 1;
                *self.counts.of(now) += 1;
                self.suites[suite].counts.remove(&before.outcome);
                self.suites[suite].counts.add(now);
                self.bound_fault(number);
                Some(Id(number))
            }
        }
    }

    /// A test has passed: was a failure of it seen before?
    pub(super) fn pass_later(&mut self, key: u64) {
        let fault = self.last_attempts.remove(&key);
        if let Some(fault) = fault.and_then(|number| self.faults.get_mut(number)) {
            fault.passed_later = true;
        }
    }
}
