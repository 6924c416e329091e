//! Keeps tests of one name apart.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// How many names are remembered.
const NAMES: usize = 400_000;

/// The names that were given, as hashes: names may be long and many.
#[derive(Default)]
pub(super) struct Names {
    hasher: RandomState,
    seen: HashSet<u64>,
    /// Those of the first run, where tests are run again.
    known: HashSet<u64>,
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
        let key = self.key(suite, classname, name);
        if self.seen.len() < NAMES && self.seen.insert(key) {
            return (name.to_owned(), key);
        }
        // Many tests of one name: their number is as good as any.
        for number in 2..100 {
            let unique = format!("{name} ({number})");
            let key = self.key(suite, classname, &unique);
            if self.seen.len() < NAMES && self.seen.insert(key) {
                return (unique, key);
            }
        }
        let unique = format!("{name} #{}", self.given);
        let key = self.key(suite, classname, &unique);
        (unique, key)
    }

    /// Notes a test that keeps its name whoever has it as well.
    pub(super) fn note(&mut self, key: u64) {
        if self.seen.len() < NAMES {
            self.seen.insert(key);
        }
    }

    /// The tests run again: each gets the name that it had before.
    pub(super) fn start_anew(&mut self) {
        let seen = std::mem::take(&mut self.seen);
        if self.known.is_empty() {
            self.known = seen;
        } else {
            self.known.extend(seen);
        }
    }

    /// Whether a test was seen before the tests were run again.
    pub(super) fn was_known(&self, key: u64) -> bool {
        self.known.contains(&key)
    }
}
