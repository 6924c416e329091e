//! `--watch`: keeps copying while other steps run, so that a killed pod loses seconds.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::bucket::ObjectName;
use common::{Error, Result};

use crate::clock::Clock;
use crate::copy::Outcome;
use crate::known::Stamp;
use crate::plan::Watch;
use crate::sync::Syncing;
use crate::tally::{Tally, printable};

/// A log is written anew as a whole, as no object can be appended to. So that a large one does
/// not take all there is, at most one part in so many of the time goes into it.
const SHARE: u32 = 10;

/// How often somebody looks for the file that ends it.
const LOOK: Duration = Duration::from_millis(500);

/// Copies until it is asked to end, and then a last time; gives what was copied in all. Being
/// asked is how it ends: that is an interruption only where something is missing then.
pub(crate) async fn run(syncing: &mut Syncing<'_>, watch: &Watch) -> Result<Tally> {
    let mut all = Tally::default();
    let logs = watch.logs.iter();
    let mut logs: Vec<Log> = logs.map(|(file, object)| Log::new(file, object)).collect();
    let mut folder = Folder::NotYet;
    while syncing.clock.signal().is_none() && !is_there(watch.until.as_ref()) {
        for log in &mut logs {
            log.follow(syncing, &mut all, watch.interval).await;
        }
        folder.look(syncing);
        if folder == Folder::There {
            match syncing.pass_of_many().await {
                Ok(tally) => all.add_pass(tally),
                Err(error) => tracing::warn!("will try again: {}", error.report()),
            }
        }
        pause(watch, &syncing.clock).await;
    }
    tracing::info!("copying a last time");
    let last = syncing.last_pass(&watch.logs).await;
    folder.look(syncing);
    all.add_last(last.map_err(|error| folder.explain(error))?);
    let signal = syncing.clock.signal();
    all.interrupted(signal.filter(|_| !all.is_complete()));
    Ok(all)
}

/// The folder that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folder {
    /// Other steps may yet make it.
    NotYet,
    There,
    Gone,
}

impl Folder {
    /// Looks whether it is there; says once that it is not any more.
    fn look(&mut self, syncing: &Syncing<'_>) {
        if syncing.folder_is_there() {
            *self = Folder::There;
        } else if *self == Folder::There {
            *self = Folder::Gone;
            tracing::warn!("the folder has vanished; what was copied of it stays");
        }
    }

    /// A folder that was there is no wrong usage.
    fn explain(self, error: Error) -> Error {
        match self {
            Folder::Gone => Error::unavailable("copy a last time")
                .because("the folder has vanished, and what was written last with it")
                .hint("end this before the steps that clean up"),
            Folder::NotYet | Folder::There => error,
        }
    }
}

fn is_there(until: Option<&PathBuf>) -> bool {
    until.is_some_and(|file| file.symlink_metadata().is_ok())
}

async fn pause(watch: &Watch, clock: &Clock) {
    let end = Instant::now() + watch.interval;
    while Instant::now() < end && !is_there(watch.until.as_ref()) {
        let left = end.saturating_duration_since(Instant::now()).min(LOOK);
        tokio::select! {
            _ = clock.asked() => return,
            () = tokio::time::sleep(left) => {}
        }
    }
}

/// A log that grows.
struct Log<'a> {
    file: &'a PathBuf,
    object: &'a ObjectName,
    /// What the bucket has of it.
    stamp: Option<Stamp>,
    /// When it may be copied again.
    next: Option<Instant>,
}

impl<'a> Log<'a> {
    fn new(file: &'a PathBuf, object: &'a ObjectName) -> Self {
        Log {
            file,
            object,
            stamp: None,
            next: None,
        }
    }

    /// Copies it if it has changed. One that is not there yet may come.
    async fn follow(&mut self, syncing: &Syncing<'_>, all: &mut Tally, interval: Duration) {
        let Some(stamp) = Stamp::at(self.file) else {
            return;
        };
        if self.stamp == Some(stamp) || self.next.is_some_and(|next| Instant::now() < next) {
            return;
        }
        let start = Instant::now();
        let outcome = tokio::select! {
            outcome = syncing.follow(self.file, self.object) => outcome,
            // The last pass has it.
            _ = syncing.clock.asked() => return,
        };
        match outcome {
            Outcome::Failed(error) => tracing::warn!(
                "{} is not copied, will try again: {}",
                printable(self.file),
                error.report()
            ),
            outcome => {
                all.count(self.file, outcome, start.elapsed());
                self.stamp = Some(stamp);
            }
        }
        let pause = start.elapsed() * (SHARE - 1);
        self.next = Some(Instant::now() + pause.max(interval));
    }
}
