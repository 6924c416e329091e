//! The failed tests of a file: counted, the first ones listed, flaky ones taken back.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::read::FailedTest;

/// How many failed tests are listed.
const LISTED: usize = 100;
/// How many failed tests are remembered in case that they pass later in the file.
const REMEMBERED: usize = 200_000;

/// Failures and errors of test cases, by the test they belong to.
#[derive(Default)]
pub(super) struct Faults {
    hasher: RandomState,
    open: HashMap<u64, Open>,
    listed: Vec<(u64, FailedTest)>,
    pub(super) failures: u64,
    pub(super) errors: u64,
    pub(super) flaky: u64,
    cases: u64,
}

#[derive(Default)]
struct Open {
    cases: u32,
    failures: u32,
    errors: u32,
}

impl Faults {
    /// What identifies a test within a file: the suites it is in, its class and its name. Of
    /// the whole names: two that differ at their ends only are two tests.
    pub(super) fn key(&self, parent: u64, name: (&str, &str)) -> u64 {
        self.hasher.hash_one((parent, name))
    }

    /// A case with a failure, an error or both.
    pub(super) fn failed(&mut self, key: u64, failure: bool, error: bool, test: FailedTest) {
        self.failures += u64::from(failure);
        self.errors += u64::from(error);
        self.cases += 1;
        if self.open.len() < REMEMBERED || self.open.contains_key(&key) {
            let open = self.open.entry(key).or_default();
            open.cases += 1;
            open.failures += u32::from(failure);
            open.errors += u32::from(error);
        }
        self.list(key, test);
    }

    /// Failures that a suite counts without a case that shows them.
    pub(super) fn unshown(&mut self, failures: u64, errors: u64, test: FailedTest) {
        self.failures += failures;
        self.errors += errors;
        self.cases += 1;
        // No case passes under this key.
        self.list(self.hasher.hash_one(0), test);
    }

    fn list(&mut self, key: u64, test: FailedTest) {
        if self.listed.len() < LISTED {
            self.listed.push((key, test));
        }
    }

    /// A case that passed: if it failed before, it is flaky, as TestGrid has it. The order
    /// matters: nobody runs a passed test again to see it fail.
    pub(super) fn passed(&mut self, key: u64) {
        if let Some(open) = self.open.remove(&key) {
            self.failures -= u64::from(open.failures);
            self.errors -= u64::from(open.errors);
            self.cases -= u64::from(open.cases);
            self.flaky += 1;
            self.listed.retain(|(listed, _)| *listed != key);
        }
    }

    /// The list, and how many are not on it.
    pub(super) fn list_and_rest(self) -> (Vec<FailedTest>, u64) {
        let rest = self.cases - self.listed.len() as u64;
        (
            self.listed.into_iter().map(|(_, test)| test).collect(),
            rest,
        )
    }
}
