//! How far the tests are, on a terminal: a line below the output.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::results::Counts;

/// How often it changes.
const PACE: Duration = Duration::from_millis(100);
/// A longer name would break the line.
const NAME: usize = 50;

/// The line; nothing where stderr is no terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    start: Instant,
    next: Instant,
    /// The output stands at the start of a line: one that has begun must not be drawn over.
    at_line_start: bool,
}

impl Progress {
    /// Shows nothing yet.
    pub(crate) fn new() -> Self {
        let bar = common::progress().add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        let now = Instant::now();
        Progress {
            bar,
            start: now,
            next: now,
            at_line_start: true,
        }
    }

    /// Whether anybody sees it.
    pub(crate) fn is_shown(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Makes room for a piece of output.
    pub(crate) fn make_room(&mut self, output: &[u8]) {
        if self.is_shown() && !output.is_empty() {
            // Where the terminal is gone there is nobody to see it either.
            let _ = common::progress().clear();
            self.at_line_start = output.ends_with(b"\n");
        }
    }

    /// Draws the line anew, now and then.
    pub(crate) fn draw(&mut self, counts: Counts, running: Option<&str>) {
        let now = Instant::now();
        if self.is_shown() && self.at_line_start && now >= self.next {
            self.next = now + PACE;
            let time = now.duration_since(self.start).as_secs();
            self.bar.set_message(message(counts, time, running));
            self.bar.tick();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn message(counts: Counts, seconds: u64, running: Option<&str>) -> String {
    let mut message = format!("{seconds} s: {} passed", counts.passed);
    for (count, what) in [(counts.faults(), "failed"), (counts.skipped, "skipped")] {
        if count > 0 {
            message += ", ";
            message += &count.to_string();
            message += " ";
            message += what;
        }
    }
    if let Some(name) = running {
        let name: String = common::on_one_line(name).chars().take(NAME).collect();
        message += "; ";
        message += &name;
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_is_known() {
        let counts = Counts {
            passed: 3,
            failed: 1,
            errored: 1,
            ..Counts::default()
        };
        assert_eq!(message(counts, 7, None), "7 s: 3 passed, 2 failed");
        assert_eq!(
            message(Counts::default(), 0, Some("Test\u{1b}A")),
            "0 s: 0 passed; Test\\u{1b}A"
        );
    }
}
