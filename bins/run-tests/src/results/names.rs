//! Keeps tests of one name apart.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

/// How many names are remembered, of all suites that have not ended.
const NAMES: usize = 400_000;

/// The names that were given, as hashes: names may be long and many.
#[derive(Default)]
pub(super) struct Names {
    hasher: RandomState,
    suites: HashMap<u64, HashSet<u64>>,
    remembered: usize,
    /// How often suites of a name have ended.
    ended: HashMap<u64, u32>,
    given: u64,
}

impl Names {
    /// What identifies a test within a report, see [`common::junit::Summary`].
    pub(super) fn key(&self, suite: &str, classname: &str, name: &str) -> u64 {
        self.hasher.hash_one((suite, classname, name))
    }

    /// The name as it is; with a number behind where another test of the suite has it already.
    /// Suites keep their tests apart: a name must not depend on which of two ran first.
    pub(super) fn unique(&mut self, suite: &str, classname: &str, name: &str) -> (String, u64) {
        self.given += 1;
        let of_suite = self.hasher.hash_one(suite);
        let first = match self.ended.get(&of_suite) {
            None => name.to_owned(),
            // The whole suite runs once more.
            Some(times) => format!("{name} (run {})", times + 1),
        };
        let key = self.key(suite, classname, &first);
        if self.is_new(of_suite, key) {
            return (first, key);
        }
        // Many tests of one name: their number is as good as any.
        for number in 2..100 {
            let unique = format!("{first} ({number})");
            let key = self.key(suite, classname, &unique);
            if self.is_new(of_suite, key) {
                return (unique, key);
            }
        }
        let unique = format!("{name} #{}", self.given);
        let key = self.key(suite, classname, &unique);
        (unique, key)
    }

    fn is_new(&mut self, suite: u64, key: u64) -> bool {
        let is_new = self.remembered < NAMES && self.suites.entry(suite).or_default().insert(key);
        self.remembered += usize::from(is_new);
        is_new
    }

    /// A suite has ended: its names need not be remembered, only that it was there.
    pub(super) fn end(&mut self, suite: &str) {
        let suite = self.hasher.hash_one(suite);
        if let Some(names) = self.suites.remove(&suite) {
            self.remembered -= names.len();
            *self.ended.entry(suite).or_default() += 1;
        }
    }

    /// The tests run again: each gets the name that it had before.
    pub(super) fn start_anew(&mut self) {
        self.suites.clear();
        self.remembered = 0;
        self.ended.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_that_runs_once_more_gets_other_names() {
        let mut names = Names::default();
        let name = |names: &mut Names| names.unique("s", "c", "t").0;
        assert_eq!(name(&mut names), "t");
        assert_eq!(name(&mut names), "t (2)");
        names.end("s");
        assert_eq!(names.remembered, 0);
        assert_eq!(name(&mut names), "t (run 2)");
    }
}
