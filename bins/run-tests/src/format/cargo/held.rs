//! Passed tests that wait for the end of their binary: libtest says only then what they printed,
//! and which of them failed although their output looked as if they had passed.

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
    waiting: u64,
}

impl Held {
    /// Keeps a case by its key; gives it back where there is no room.
    pub(super) fn hold(&mut self, key: u64, case: Case) -> Option<Case> {
        let cost = size_of::<Case>() + 64 + case.name.len() + case.system_out.len();
        if self.used + cost > ROOM {
            return Some(case);
        }
        self.used += cost;
        self.waiting += 1;
        self.places.insert(key, self.cases.len());
        self.cases.push(Some(case));
        None
    }

    /// What a case printed, where it is held and that has room.
    pub(super) fn said(&mut self, key: u64, text: String) {
        let case = self
            .places
            .get(&key)
            .and_then(|place| self.cases.get_mut(*place));
        if let Some(Some(case)) = case
            && self.used + text.len() <= ROOM
        {
            self.used += text.len();
            case.system_out = text;
        }
    }

    /// Takes a case out.
    pub(super) fn take(&mut self, key: u64) -> Option<Case> {
        let place = self.places.remove(&key)?;
        let case = self.cases.get_mut(place)?.take()?;
        self.waiting -= 1;
        Some(case)
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// What still waits.
    pub(super) fn all(self) -> impl Iterator<Item = Case> {
        self.cases.into_iter().flatten()
    }
}
