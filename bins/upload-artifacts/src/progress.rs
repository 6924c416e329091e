//! How far the copying is: a line that is rewritten on a terminal, one each few seconds in a
//! log.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, HumanDuration, ProgressBar};
use walkdir::WalkDir;

/// How often the line on a terminal changes.
const REDRAWN: Duration = Duration::from_millis(200);

/// How often a log gets a line.
const LOGGED: Duration = Duration::from_secs(5);

/// How far one pass is.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    folder: Option<PathBuf>,
    started: Instant,
    said: Instant,
    files: u64,
    bytes: u64,
    all: Option<Arc<All>>,
}

/// What there is to do; counted beside the copying, which may be far behind.
#[derive(Debug, Default)]
struct All {
    files: AtomicU64,
    bytes: AtomicU64,
    is_complete: AtomicBool,
}

impl Progress {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        let bar = std::io::stderr()
            .is_terminal()
            .then(ProgressBar::new_spinner);
        let now = Instant::now();
        Progress {
            bar,
            folder,
            started: now,
            said: now,
            files: 0,
            bytes: 0,
            all: None,
        }
    }

    /// When something is to be said next.
    pub(crate) fn due(&self) -> impl Future<Output = ()> + use<> {
        let pause = if self.bar.is_some() { REDRAWN } else { LOGGED };
        tokio::time::sleep_until((self.said + pause).into())
    }

    /// A file is dealt with.
    pub(crate) fn done(&mut self, size: u64) {
        self.files += 1;
        self.bytes += size;
    }

    /// Says how far it is; `sent`: bytes of the files under way.
    pub(crate) fn say(&mut self, sent: u64) {
        self.said = Instant::now();
        let folder = &self.folder;
        let all = self.all.get_or_insert_with(|| count(folder.clone()));
        let bytes = self.bytes + sent;
        let line = line(self.files, bytes, all, self.started.elapsed());
        if let Some(bar) = &self.bar {
            bar.set_message(line);
            bar.tick();
        } else {
            tracing::info!("{line}");
        }
    }

    /// Logs without the line in the way.
    pub(crate) fn log<T>(&self, log: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(log),
            None => log(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Without a folder there are single files only, and it stays open how much there is.
fn count(folder: Option<PathBuf>) -> Arc<All> {
    let all = Arc::new(All::default());
    let Some(folder) = folder else {
        return all;
    };
    let shared = all.clone();
    tokio::task::spawn_blocking(move || {
        for entry in WalkDir::new(folder).into_iter().flatten() {
            if Arc::strong_count(&shared) == 1 {
                return;
            }
            if let Some(metadata) = entry.metadata().ok().filter(std::fs::Metadata::is_file) {
                shared.files.fetch_add(1, Ordering::Relaxed);
                shared.bytes.fetch_add(metadata.len(), Ordering::Relaxed);
            }
        }
        shared.is_complete.store(true, Ordering::Relaxed);
    });
    all
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a figure for people"
)]
fn line(files: u64, bytes: u64, all: &All, elapsed: Duration) -> String {
    let rate = bytes as f64 / elapsed.as_secs_f64().max(0.001);
    let shown_rate = BinaryBytes(rate as u64);
    let shown = BinaryBytes(bytes);
    let shown_files = common::counted(files, "file");
    if !all.is_complete.load(Ordering::Relaxed) {
        return format!("{shown_files}, {shown}, {shown_rate}/s");
    }
    // Both grow while they are read.
    let all_files = all.files.load(Ordering::Relaxed).max(files);
    let all_bytes = all.bytes.load(Ordering::Relaxed).max(bytes);
    let mut line = format!(
        "{files} of {}, {shown} of {}, {shown_rate}/s",
        common::counted(all_files, "file"),
        BinaryBytes(all_bytes)
    );
    if rate >= 1.0 {
        let left = Duration::from_secs_f64((all_bytes - bytes) as f64 / rate);
        // Writing to a String cannot fail.
        let _ = write!(line, ", {} left", HumanDuration(left));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_files_bytes_rate_and_time_left() {
        let all = All::default();
        let second = Duration::from_secs(1);
        assert_eq!(line(1, 2048, &all, second), "1 file, 2.00 KiB, 2.00 KiB/s");
        all.files.store(4, Ordering::Relaxed);
        all.bytes.store(22 * 1024, Ordering::Relaxed);
        all.is_complete.store(true, Ordering::Relaxed);
        assert_eq!(
            line(1, 2048, &all, second),
            "1 of 4 files, 2.00 KiB of 22.00 KiB, 2.00 KiB/s, 10 seconds left"
        );
    }
}
