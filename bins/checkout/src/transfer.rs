//! A git that talks to a server, cut when nothing comes any more. Git itself does so over http
//! only (`http.lowSpeedLimit`); over git:// and ssh it would wait for ever.

use std::cell::Cell;
use std::fs;
use std::time::Duration;

use common::Result;
use common::app::Stop;
use common::exec::Command;
use common::git::{self, Finished, Heard};
use tokio::time::Instant;

use crate::plan::Repository;
use crate::progress::{Progress, settled};

/// What a git that was cut is said to have said, in lower case.
pub(crate) const STALLED: &str = "the transfer has stalled";

/// Fewer bytes than this in a second are a halt; the same as git's `http.lowSpeedLimit`.
const BYTES_A_SECOND: u64 = 1000;

/// A git that computes for this part of the time is at work: one that unpacks, for example.
const BUSY: f64 = 0.01;

/// Runs a command that talks to a server, and ends it when it comes to a halt for too long.
/// On a terminal it shows how far git is.
pub(crate) async fn finish(
    command: &Command,
    repository: &Repository,
    stop: &Stop,
) -> Result<Finished> {
    let limit = repository.stall_timeout;
    let (group, said, cut) = (Cell::new(0), Cell::new(0), Cell::new(false));
    let mut progress = Progress::new(repository);
    let heard = |heard: Heard<'_>| match heard {
        Heard::Started(number) => group.set(number),
        Heard::Said(piece) => {
            said.set(said.get() + piece.len());
            progress.said(piece);
        }
    };
    let halt = async {
        // Git's own limit, where it has one, comes first: it knows what it was waiting for.
        let limit = limit + limit / 10;
        let mut since = (Instant::now(), Activity::default());
        loop {
            tokio::time::sleep(limit / 12).await;
            let now = (Instant::now(), Activity::of(group.get(), said.get()));
            let time = now.0 - since.0;
            if now.1.is_more_than(&since.1, time) {
                since = now;
            } else if time >= limit {
                cut.set(true);
                return;
            }
        }
    };
    let command = with_progress(command);
    let mut finished = git::finish_until(&command, halt, stop, heard).await?;
    finished.stderr = settled(&finished.stderr);
    if cut.get() {
        let text = format!(
            "{STALLED}: nothing came for {}",
            humantime::format_duration(limit)
        );
        finished.stderr = finished.stderr.trim_end().to_owned() + "\n" + &text + "\n";
    }
    Ok(finished)
}

/// Git shows its progress to a terminal, and to a pipe only if it is asked.
fn with_progress(command: &Command) -> Command {
    let mut command = command.clone();
    if Progress::is_shown() {
        let words = command.args.iter().map(|arg| arg.as_encoded_bytes());
        let place = words
            .into_iter()
            .position(|word| matches!(word, b"fetch" | b"update"));
        if let Some(place) = place {
            command.args.insert(place + 1, "--progress".into());
        }
    }
    command
}

/// What a process group has done so far.
#[derive(Debug, Clone, Copy, Default)]
struct Activity {
    /// Bytes read and written, by files and connections.
    bytes: u64,
    /// Time of the processor.
    busy: Duration,
    /// Bytes of stderr, where git shows its progress.
    said: usize,
}

impl Activity {
    fn of(group: u32, said: usize) -> Activity {
        let mut activity = Activity {
            said,
            ..Activity::default()
        };
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let read = |name| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            let stat = read("stat");
            if let Some((number, ticks)) = group_and_ticks(&stat)
                && number == group
            {
                activity.busy += Duration::from_millis(10) * ticks;
                activity.bytes += bytes(&read("io"));
            }
        }
        activity
    }

    fn is_more_than(&self, before: &Activity, time: Duration) -> bool {
        let bytes = self.bytes.abs_diff(before.bytes);
        let busy = self.busy.abs_diff(before.busy);
        self.said != before.said
            || bytes >= BYTES_A_SECOND * time.as_secs().max(1)
            || busy >= time.mul_f64(BUSY)
    }
}

/// The process group of a `/proc/PID/stat`, and the hundredths of a second that the process has
/// computed; see `proc_pid_stat(5)`. The name before may hold anything.
fn group_and_ticks(stat: &str) -> Option<(u32, u32)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let group = fields.nth(2)?.parse().ok()?;
    let user: u32 = fields.nth(8)?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((group, user + system))
}

/// Bytes read and written of a `/proc/PID/io`.
fn bytes(io: &str) -> u64 {
    let lines = io.lines().filter_map(|line| line.split_once(": "));
    lines
        .filter(|(name, _)| matches!(*name, "rchar" | "wchar"))
        .filter_map(|(_, value)| value.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_of_a_process() {
        let stat = "7 (a) 1 b) S 1 42 42 0 -1 4194560 1 0 0 0 30 12 0 0 20 0 1 0 9";
        assert_eq!(group_and_ticks(stat), Some((42, 42)));
        assert_eq!(group_and_ticks(""), None);
        let io = "rchar: 100\nwchar: 20\nsyscr: 9\nread_bytes: 7\n";
        assert_eq!(bytes(io), 120);
    }

    #[test]
    fn a_slow_transfer_is_none_that_stands_still() {
        let minute = Duration::from_mins(1);
        let none = Activity::default();
        let more = |bytes, busy, said| {
            let busy = Duration::from_millis(busy);
            Activity { bytes, busy, said }.is_more_than(&none, minute)
        };
        assert!(!more(59_999, 599, 0));
        assert!(more(60_000, 0, 0));
        assert!(more(0, 600, 0));
        assert!(more(0, 0, 1));
    }
}
