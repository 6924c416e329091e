//! What a build says, line by line: shown as it comes, its end kept.

use std::collections::VecDeque;

/// How many of the last lines are kept, for the report.
const KEPT: usize = 60;

/// A line longer than this is shown in pieces.
const LONGEST: usize = 8 * 1024;

/// Takes a build's output as it comes, cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    open: Vec<u8>,
    last: VecDeque<String>,
    count: usize,
}

impl Lines {
    /// Shows the lines that are complete now.
    pub(crate) fn add(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.open.extend_from_slice(&bytes[..end]);
            self.show();
            bytes = &bytes[end + 1..];
        }
        self.open.extend_from_slice(bytes);
        if self.open.len() > LONGEST {
            self.show();
        }
    }

    /// Shows what has no end of line.
    pub(crate) fn end(&mut self) {
        if !self.open.is_empty() {
            self.show();
        }
    }

    /// The last lines.
    pub(crate) fn last(&self) -> String {
        let lines: Vec<&str> = self.last.iter().map(String::as_str).collect();
        lines.join("\n")
    }

    /// How many lines there were.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The lines since there were so many, as far as they are kept.
    pub(crate) fn since(&self, count: usize) -> String {
        let new = self.count.saturating_sub(count).min(self.last.len());
        let lines: Vec<&str> = self
            .last
            .range(self.last.len() - new..)
            .map(String::as_str)
            .collect();
        lines.join("\n")
    }

    fn show(&mut self) {
        self.count += 1;
        let line = String::from_utf8_lossy(&self.open);
        // Progress that is drawn over itself: what is seen is the last.
        let line = line.trim_end_matches('\r');
        let line = line.rsplit('\r').next().unwrap_or_default().to_owned();
        tracing::info!("{line}");
        self.open.clear();
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_only_the_last_are_kept() {
        let mut lines = Lines::default();
        for piece in ["on", "e\ntwo\r\n10%\r", "100%\nopen"] {
            lines.add(piece.as_bytes());
        }
        assert_eq!(lines.last(), "one\ntwo\n100%");
        lines.end();
        lines.end();
        assert_eq!(lines.last(), "one\ntwo\n100%\nopen");
        lines.add(&vec![b'x'; 3 * LONGEST]);
        assert!(lines.open.is_empty());
        let before = lines.count();
        (0..100).for_each(|number| lines.add(format!("{number}\n").as_bytes()));
        assert_eq!(lines.since(lines.count() - 2), "98\n99");
        assert_eq!(lines.since(before).lines().count(), KEPT);
        assert_eq!(lines.last().lines().count(), KEPT);
    }
}
