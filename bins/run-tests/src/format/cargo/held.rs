//! Passed tests that wait for their output: libtest prints it when all tests have ended.

use std::collections::HashMap;

use common::junit::Case;

/// How much waits at most, in bytes; a test beyond that has no output in the report.
const ROOM: usize = 8 * 1024 * 1024;

/// Passed tests in the order in which they ended.
#[derive(Default)]
pub(super) struct Held {
    cases: Vec<Option<Case>>,
    places: HashMap<u64, usize>,
    used: usize,
}

impl Held {
    pub(super) fn has_room(&self, name: &str) -> bool {
        self.used + cost(name) <= ROOM
    }

    pub(super) fn hold(&mut self, key: u64, case: Case) {
        self.used += cost(&case.name);
        self.places.insert(key, self.cases.len());
        self.cases.push(Some(case));
    }

    pub(super) fn take(&mut self, key: u64) -> Option<Case> {
        let place = self.places.remove(&key)?;
        self.cases.get_mut(place)?.take()
    }

    /// What still waits.
    pub(super) fn all(self) -> impl Iterator<Item = Case> {
        self.cases.into_iter().flatten()
    }
}

fn cost(name: &str) -> usize {
    size_of::<Case>() + 64 + name.len()
}
