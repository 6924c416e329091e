//! Counts what became of each file, and says it: each of the first few at once, all at the end.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use common::bucket::Sent;
use common::{Error, Exit, Result, counted};

use crate::copy::Outcome;
use crate::plan::Sync;

/// How many names are told one by one; a folder full of links must not fill the log.
const TOLD: u64 = 20;

/// What became of the files.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    copied: u64,
    bytes: u64,
    stored: u64,
    unchanged: u64,
    skipped: u64,
    vanished: u64,
    slowest: Option<Slowest>,
    /// The signal that cut it short.
    signal: Option<i32>,
    masked: u64,
    /// Objects that had no file.
    removed: u64,
    missing: u64,
    /// Those of them where trying again does not help.
    hopeless: u64,
    /// There was no time to look at all of the folder.
    not_listed: bool,
    /// The time that was not enough.
    out_of_time: Option<Duration>,
    /// Names of the first files that are missing.
    first_missing: Vec<String>,
}

/// The file that took longest.
#[derive(Debug)]
struct Slowest {
    name: String,
    size: u64,
    took: Duration,
}

/// A path as text: printable, and on one line.
pub(crate) fn printable(path: &Path) -> String {
    path.to_string_lossy().escape_debug().to_string()
}

impl Tally {
    /// Counts a copy that has ended, and says what is worth saying.
    pub(crate) fn count(&mut self, path: &Path, outcome: Outcome, took: Duration) {
        match outcome {
            Outcome::Copied(sent, masked) => self.copied(path, sent, masked, took),
            Outcome::Unchanged => self.unchanged(),
            Outcome::Skipped(reason) => self.skipped(path, &reason),
            Outcome::Vanished => self.vanished(path),
            Outcome::Failed(error) => self.failed(path, &error),
        }
    }

    /// `masked`: how many of its bytes were taken for secrets.
    fn copied(&mut self, path: &Path, sent: Sent, masked: u64, took: Duration) {
        if self
            .slowest
            .as_ref()
            .is_none_or(|slowest| slowest.took < took)
        {
            self.slowest = Some(Slowest {
                name: printable(path),
                size: sent.size,
                took,
            });
        }
        self.copied += 1;
        self.bytes += sent.size;
        self.stored += sent.stored;
        if masked > 0 {
            self.masked += 1;
            if self.masked <= TOLD {
                let masked = counted(masked, "byte");
                tracing::warn!(
                    "{} has secrets: {masked} masked in the bucket",
                    printable(path)
                );
            }
        }
    }

    pub(crate) fn unchanged(&mut self) {
        self.unchanged += 1;
    }

    pub(crate) fn skipped(&mut self, path: &Path, reason: &str) {
        self.skipped += 1;
        if self.skipped <= TOLD {
            tracing::warn!("{} is not copied: {reason}", printable(path));
        }
    }

    pub(crate) fn vanished(&mut self, path: &Path) {
        self.vanished += 1;
        if self.vanished <= TOLD {
            tracing::warn!("{} vanished before it was copied", printable(path));
        }
    }

    pub(crate) fn failed(&mut self, path: &Path, error: &Error) {
        self.not_reached(path);
        self.hopeless += u64::from(error.exit() == Exit::Usage);
        if self.missing <= TOLD {
            tracing::error!("{} is not copied: {}", printable(path), error.report());
        }
    }

    /// A file that there was no time for.
    pub(crate) fn not_reached(&mut self, path: &Path) {
        self.missing += 1;
        if self.missing <= TOLD {
            self.first_missing.push(printable(path));
        }
    }

    pub(crate) fn removed(&mut self, objects: u64) {
        self.removed += objects;
    }

    /// The time of one pass was not enough.
    pub(crate) fn out_of_time(&mut self, limit: Duration) {
        self.out_of_time = Some(limit);
    }

    /// Whether every file is in the bucket.
    pub(crate) fn is_complete(&self) -> bool {
        self.missing == 0 && !self.not_listed
    }

    /// There was no time to look at all of the folder: more may be missing than is known.
    pub(crate) fn not_listed(&mut self) {
        self.not_listed = true;
    }

    /// The signal that cut it short, if one has.
    pub(crate) fn interrupted(&mut self, signal: Option<i32>) {
        self.signal = signal;
    }

    /// Adds what one of several passes copied; what it could not is for a later one.
    pub(crate) fn add_pass(&mut self, pass: Tally) {
        if pass.copied > 0 {
            let bytes = counted(pass.bytes, "byte");
            tracing::info!(
                "copied {} ({bytes}); looking on",
                counted(pass.copied, "file")
            );
        }
        self.add(pass);
    }

    fn add(&mut self, pass: Tally) {
        self.copied += pass.copied;
        self.bytes += pass.bytes;
        self.stored += pass.stored;
        self.masked += pass.masked;
        self.removed += pass.removed;
        let took = |slowest: &Option<Slowest>| slowest.as_ref().map(|slowest| slowest.took);
        if took(&pass.slowest) > took(&self.slowest) {
            self.slowest = pass.slowest;
        }
    }

    /// Adds the last pass, which tells what is missing.
    pub(crate) fn add_last(&mut self, mut pass: Tally) {
        self.unchanged = pass.unchanged;
        self.skipped = pass.skipped;
        self.vanished = pass.vanished;
        self.missing = pass.missing;
        self.hopeless = pass.hopeless;
        self.out_of_time = pass.out_of_time;
        self.first_missing = std::mem::take(&mut pass.first_missing);
        self.not_listed = pass.not_listed;
        self.add(pass);
    }

    /// Says what was done and gives the error of what is missing: the last line of the log.
    pub(crate) fn end(self, plan: &Sync) -> Result<()> {
        let to = plan.bucket.url(&plan.folder);
        if let Some(slowest) = &self.slowest {
            let (size, took) = (counted(slowest.size, "byte"), slowest.took);
            tracing::info!("the slowest: {}, {size} in {took:.1?}", slowest.name);
        }
        for (what, url) in plan.links() {
            tracing::info!("{what}: {url}");
        }
        tracing::info!("{} to {to}", self.summary());
        let missing = self.missing_in(&to);
        let error = match (self.signal, self.out_of_time) {
            (None, _) if self.is_complete() => return Ok(()),
            (Some(signal), _) if self.is_complete() => {
                Error::interrupted(signal, format!("interrupted; all files found are in {to}"))
            }
            (Some(signal), _) => Error::interrupted(signal, format!("interrupted; {missing}")),
            (None, Some(limit)) => {
                let limit = humantime::format_duration(limit);
                Error::timed_out(format!("out of time after {limit}; {missing}"))
            }
            (None, None) if self.hopeless == self.missing => Error::usage(missing),
            (None, None) => Error::unavailable(missing),
        };
        Err(error)
    }

    fn missing_in(&self, to: &str) -> String {
        let mut names = self.first_missing.join(", ");
        let more = self.missing - self.first_missing.len() as u64;
        if more > 0 {
            let _ = write!(names, " and {more} more");
        }
        let missing = format!("{} missing in {to}", counted(self.missing, "file"));
        match (self.missing, self.not_listed) {
            (0, _) => format!("there was no time to look at all of the folder for {to}"),
            (_, false) => format!("{missing}: {names}"),
            (_, true) => format!("at least {missing}, and not all were looked at: {names}"),
        }
    }

    fn summary(&self) -> String {
        let all = self.copied + self.unchanged + self.skipped + self.vanished + self.missing;
        if all == 0 && self.removed == 0 && !self.not_listed {
            return "the folder is empty: nothing to copy".to_owned();
        }
        let mut summary = format!(
            "copied {} ({}{}), {} unchanged, {} skipped",
            counted(self.copied, "file"),
            counted(self.bytes, "byte"),
            if self.stored < self.bytes {
                format!(", {} compressed", self.stored)
            } else {
                String::new()
            },
            self.unchanged,
            self.skipped
        );
        if self.masked > 0 {
            let _ = write!(
                summary,
                ", secrets masked in {}",
                counted(self.masked, "file")
            );
        }
        if self.removed > 0 {
            let _ = write!(summary, ", {} removed", self.removed);
        }
        if self.vanished > 0 {
            let _ = write!(summary, ", {} vanished", self.vanished);
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_that_was_looked_at_is_called_empty() {
        let empty = "the folder is empty: nothing to copy";
        assert_eq!(Tally::default().summary(), empty);
        let cut = Tally {
            not_listed: true,
            ..Tally::default()
        };
        assert_ne!(cut.summary(), empty);
        let removed = Tally {
            removed: 300,
            ..Tally::default()
        };
        assert!(removed.summary().ends_with(", 300 removed"));
    }
}
