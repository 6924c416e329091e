//! What has to hold whatever a command prints; for the property test and for fuzzing.

use std::time::Duration;

use common::junit::summarize;

use super::{End, Format};
use crate::lines::Lines;
use crate::results::Results;

/// Reads an output that arrives in these pieces. Panics where the report is no valid XML, or
/// says something else than what was counted.
pub(crate) fn check<'a>(
    format: &mut dyn Format,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    end: &End,
) {
    let mut results = Results::new("unit <\0>");
    let mut lines = Lines::default();
    for piece in pieces {
        lines.push(piece, |line| format.line(line, &mut results));
    }
    lines.finish(|line| format.line(line, &mut results));
    format.end(end, &mut results);
    let counts = results.counts();
    let mut xml = Vec::new();
    let written = results.write(&mut xml, 0, Duration::ZERO, &[], None);
    assert!(written.is_ok(), "{written:?}");
    let summary = match summarize(xml.as_slice(), "report") {
        Ok(summary) => summary,
        Err(error) => return assert_eq!(error.report(), ""),
    };
    // No failure of one test may look like a flaky attempt at another.
    assert_eq!(summary.flaky, 0);
    assert_eq!(
        (
            summary.tests + results.unlisted(),
            summary.failures,
            summary.errors,
            summary.skipped
        ),
        (
            counts.tests(),
            counts.failed,
            counts.errored,
            counts.skipped
        )
    );
}
