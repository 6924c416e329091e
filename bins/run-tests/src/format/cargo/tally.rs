//! The tests of one run as they end, and what is learnt of them afterwards.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use common::junit::{Case, Detail, Kept, Outcome};

use super::held::Held;
use super::line::{End, Totals};
use super::story;
use crate::place;
use crate::results::{Id, Results};

/// How many failed tests are remembered to be explained.
const FAILED: usize = 10_000;
/// How many passed tests are remembered in case that they failed.
const PASSED: usize = 100_000;

/// Whose words come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// No test's in particular, or of one that is not remembered.
    Nobody,
    /// A failed test's.
    Failed(Id),
    /// A passed test's, by its key.
    Passed(u64),
}

/// What is counted and remembered of the tests of one run.
pub(super) struct Tally {
    suite: String,
    seen: u64,
    passed: u64,
    failed: u64,
    /// Failed tests by the hashes of their names, which may be long; `None` for one that the
    /// report has no room for.
    failures: HashMap<u64, Option<Id>>,
    /// Hashes of the names of tests taken for passed.
    passed_names: HashSet<u64>,
    /// Passed tests, until the binary has ended.
    held: Held,
    hasher: RandomState,
}

impl Tally {
    pub(super) fn new(suite: &str) -> Self {
        Tally {
            suite: suite.to_owned(),
            seen: 0,
            passed: 0,
            failed: 0,
            failures: HashMap::new(),
            passed_names: HashSet::new(),
            held: Held::default(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// A test has ended; `said` is its output, where that came before.
    pub(super) fn ended(
        &mut self,
        name: &str,
        end: End<'_>,
        said: Option<String>,
        time: Option<Duration>,
        results: &mut Results,
    ) {
        self.seen += 1;
        match end {
            End::Ok => {
                self.passed += 1;
                let key = self.key(name);
                if self.passed_names.len() < PASSED {
                    self.passed_names.insert(key);
                }
                let mut case = case(name, time, Outcome::Passed, None);
                case.system_out = said.unwrap_or_default();
                if let Some(case) = self.held.hold(key, case) {
                    results.add(&self.suite, case);
                }
            }
            End::Ignored(reason) => {
                let outcome = Outcome::Skipped(Detail {
                    message: reason.to_owned(),
                    text: String::new(),
                });
                results.add(&self.suite, case(name, time, outcome, None));
            }
            End::Failed => self.has_failed(name, said, time, results),
        }
    }

    fn has_failed(
        &mut self,
        name: &str,
        said: Option<String>,
        time: Option<Duration>,
        results: &mut Results,
    ) {
        self.failed += 1;
        let detail = story::detail(said.unwrap_or_default());
        let place = place::of(&detail.text);
        let case = case(name, time, Outcome::Failed(detail), place);
        let id = results.add(&self.suite, case);
        results.select(id, &self.suite, name);
        if self.failures.len() < FAILED {
            self.failures.insert(self.key(name), id);
        }
    }

    /// Whose output a header of this name starts; `None`: no test's that has ended.
    pub(super) fn whose(&self, name: &str) -> Option<Whose> {
        let key = self.key(name);
        match self.failures.get(&key) {
            Some(Some(id)) => Some(Whose::Failed(*id)),
            Some(None) => Some(Whose::Nobody),
            None if self.passed_names.contains(&key) => Some(Whose::Passed(key)),
            None => None,
        }
    }

    /// What a test said came behind its outcome.
    pub(super) fn explain(&mut self, whose: Whose, text: String, results: &mut Results) {
        match whose {
            Whose::Nobody => {}
            Whose::Failed(id) => {
                let place = place::of(&text);
                results.explain(id, story::detail(text), place);
            }
            Whose::Passed(key) => self.held.said(key, text),
        }
    }

    /// Whether a test of this name has ended.
    pub(super) fn is_known(&self, name: &str) -> bool {
        let key = self.key(name);
        self.failures.contains_key(&key) || self.passed_names.contains(&key)
    }

    /// Whether a name in the list of failures is a test's. The list is libtest's last word on
    /// it: what was taken for passed, because its output looked so, has failed.
    pub(super) fn is_listed_as_failed(&mut self, name: &str, results: &mut Results) -> bool {
        let key = self.key(name);
        if self.failures.contains_key(&key) {
            return true;
        }
        let taken_for_passed = self.passed_names.remove(&key);
        if taken_for_passed {
            // One that had no room to wait is in the report as passed: a second case says otherwise.
            let passed = self.held.take(key);
            self.passed -= u64::from(passed.is_some());
            let (time, said) =
                passed.map_or((None, None), |case| (case.time, Some(case.system_out)));
            self.has_failed(name, said, time, results);
        }
        taken_for_passed
    }

    /// How many passed tests are not told to the results yet.
    pub(super) fn waiting(&self) -> u64 {
        self.held.waiting()
    }

    /// Compares what was seen with what libtest counted; gives the number of passed tests
    /// without a line of their own.
    pub(super) fn totals(
        &mut self,
        totals: Totals,
        output: &mut Kept,
        results: &mut Results,
    ) -> u64 {
        self.release(results);
        if let Some(time) = totals.time {
            results.took(&self.suite, time);
        }
        let failed = totals.failed.saturating_sub(self.failed);
        if failed > 0 || (!totals.ok && self.failed == 0) {
            let name = format!("{}: failures without a name", self.suite);
            let message = format!(
                "the test binary counts {} failed tests, its lines show {}",
                totals.failed, self.failed
            );
            results.error(&name, &message, output.take());
        }
        totals.passed.saturating_sub(self.passed)
    }

    /// Nothing more is learnt of the tests that are held.
    pub(super) fn release(&mut self, results: &mut Results) {
        for case in std::mem::take(&mut self.held).all() {
            results.add(&self.suite, case);
        }
    }

    fn key(&self, name: &str) -> u64 {
        self.hasher.hash_one(name)
    }
}

pub(super) fn passed(suite: &str, name: &str, results: &mut Results) {
    results.add(suite, case(name, None, Outcome::Passed, None));
}

pub(super) fn errored(suite: &str, name: &str, message: &str, text: String, results: &mut Results) {
    let place = place::of(&text);
    let outcome = Outcome::Errored(Detail {
        message: message.to_owned(),
        text,
    });
    results.add(suite, case(name, None, outcome, place));
}

pub(super) fn case(
    name: &str,
    time: Option<Duration>,
    outcome: Outcome,
    place: Option<(String, u64)>,
) -> Case {
    let (file, line) = place.map_or((None, None), |(file, line)| (Some(file), Some(line)));
    Case {
        name: name.to_owned(),
        time,
        outcome,
        file,
        line,
        ..Case::default()
    }
}
