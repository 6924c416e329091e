//! How much a report may hold.

use common::junit::{Case, Outcome};

use super::Fault;

/// Room for the whole report, in bytes: readers take no more than 100 MB.
const ROOM_FOR_REPORT: usize = 80 * 1024 * 1024;
/// Room for the names of suites, in bytes.
pub(super) const ROOM_FOR_SUITES: usize = 4 * 1024 * 1024;
/// Room for failed tests that may still be explained or run again, in bytes: some 10 000.
const ROOM_FOR_FAULTS: usize = 4 * 1024 * 1024;
/// Room for what failed tests said, in bytes.
pub(super) const ROOM_FOR_TEXTS: usize = 8 * 1024 * 1024;
/// Room for what the others said, where that is wanted: of the room for the report, as it
/// takes none in memory.
const ROOM_FOR_OUTPUT: usize = 40 * 1024 * 1024;

/// What is left of each.
pub(super) struct Room {
    pub(super) report: usize,
    pub(super) suites: usize,
    pub(super) faults: usize,
    pub(super) texts: usize,
    output: usize,
}

impl Default for Room {
    fn default() -> Self {
        Room {
            report: ROOM_FOR_REPORT,
            suites: ROOM_FOR_SUITES,
            faults: ROOM_FOR_FAULTS,
            texts: ROOM_FOR_TEXTS,
            output: ROOM_FOR_OUTPUT,
        }
    }
}

impl Room {
    /// Leaves out what there is no room for.
    pub(super) fn bound_texts(&mut self, case: &mut Case) {
        // What passed tests said must not cost the words of those that failed.
        let room = if case.outcome.fault().is_some() {
            &mut self.texts
        } else {
            &mut self.output
        };
        if let Outcome::Failed(detail) | Outcome::Errored(detail) = &mut case.outcome {
            bound(&mut detail.text, room);
        }
        bound(&mut case.system_out, room);
        bound(&mut case.system_err, room);
    }
}

pub(super) const NO_ROOM: &str = "[left out: the report has no more room; see the log]";

pub(super) fn bound(text: &mut String, room: &mut usize) {
    if text.len() <= *room {
        *room -= text.len();
        text.shrink_to_fit();
    } else {
        // Not copied into the text: that would keep its memory.
        *text = String::from(NO_ROOM);
    }
}

/// What a case costs without its texts.
pub(super) fn cost(case: &Case) -> usize {
    let message = match &case.outcome {
        Outcome::Passed => 0,
        Outcome::Failed(detail) | Outcome::Errored(detail) | Outcome::Skipped(detail) => {
            detail.message.len()
        }
    };
    let file = case.file.as_ref().map_or(0, String::len);
    // Each string costs its allocation as well.
    size_of::<Fault>() + 128 + case.name.len() + case.classname.len() + file + message
}
