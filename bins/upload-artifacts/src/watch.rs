//! `--watch`: keeps copying while other steps run, so that a killed pod loses seconds.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::app::Stop;
use common::bucket::{ObjectName, Sent};
use common::{Error, Result};

use crate::known::Stamp;
use crate::plan::Watch;
use crate::sync::Syncing;
use crate::tally::Tally;

/// A log is written anew as a whole, as no object can be appended to. So that a large one does
/// not take all there is, at most one part in so many of the time goes into it.
const SHARE: u32 = 10;

/// How often somebody looks for the file that ends it.
const LOOK: Duration = Duration::from_millis(500);

/// Copies until it is asked to end, and then a last time; gives what was copied in all. Being
/// asked is how it ends, so a first signal is no interruption; a second one is.
pub(crate) async fn run(syncing: &mut Syncing<'_>, watch: &Watch, stop: &Stop) -> Result<Tally> {
    let mut all = Tally::default();
    let logs = watch.logs.iter().cloned();
    let mut logs: Vec<Log> = logs.map(|(file, object)| Log::new(file, object)).collect();
    while stop.asked().is_none() && !is_there(watch.until.as_ref()) {
        for log in &mut logs {
            log.follow(syncing, &mut all, watch.interval).await;
        }
        if syncing.folder_is_there() {
            match syncing.pass(stop).await {
                Ok(tally) => all.add_pass(tally),
                Err(error) => tracing::warn!("will try again: {}", error.report()),
            }
        }
        pause(watch, stop).await;
    }
    tracing::info!("copying a last time");
    let (handle, insisted) = Stop::by_hand();
    let was_asked = stop.asked().is_some();
    let hurry = async {
        let signal = if was_asked {
            stop.insisted().await
        } else {
            stop.wait().await
        };
        handle.stop(signal);
        std::future::pending::<()>().await;
    };
    let last = async {
        let mut missing = Vec::new();
        for log in &mut logs {
            let copied = tokio::select! {
                copied = log.copy(syncing, &mut all) => copied,
                signal = insisted.wait() => Err(Error::interrupted(signal, "no time is left")),
            };
            missing.extend(copied.err().map(|error| (log.file.clone(), error)));
        }
        let mut tally = syncing.pass(&insisted).await?;
        for (file, error) in missing {
            tally.failed(&file, &error);
        }
        Ok::<_, Error>(tally)
    };
    let last = tokio::select! {
        last = last => last?,
        () = hurry => Tally::default(),
    };
    all.add_last(last, insisted.asked());
    Ok(all)
}

fn is_there(until: Option<&PathBuf>) -> bool {
    until.is_some_and(|file| file.symlink_metadata().is_ok())
}

async fn pause(watch: &Watch, stop: &Stop) {
    let end = Instant::now() + watch.interval;
    while Instant::now() < end && !is_there(watch.until.as_ref()) {
        let left = end.saturating_duration_since(Instant::now()).min(LOOK);
        tokio::select! {
            _ = stop.wait() => return,
            () = tokio::time::sleep(left) => {}
        }
    }
}

/// A log that grows.
struct Log {
    file: PathBuf,
    object: ObjectName,
    /// What the bucket has of it.
    stamp: Option<Stamp>,
    /// When it may be copied again.
    next: Option<Instant>,
}

impl Log {
    fn new(file: PathBuf, object: ObjectName) -> Self {
        Log {
            file,
            object,
            stamp: None,
            next: None,
        }
    }

    async fn follow(&mut self, syncing: &mut Syncing<'_>, all: &mut Tally, interval: Duration) {
        if self.next.is_some_and(|next| Instant::now() < next) {
            return;
        }
        let start = Instant::now();
        if let Err(error) = self.copy(syncing, all).await {
            tracing::warn!("will try again: {}", error.report());
        }
        let pause = start.elapsed() * (SHARE - 1);
        self.next = Some(Instant::now() + pause.max(interval));
    }

    /// Copies it if it has changed. One that is not there yet may come.
    async fn copy(&mut self, syncing: &mut Syncing<'_>, all: &mut Tally) -> Result<()> {
        let Some(stamp) = Stamp::at(&self.file) else {
            return Ok(());
        };
        if self.stamp == Some(stamp) {
            return Ok(());
        }
        let start = Instant::now();
        let (size, masked) = syncing.upload(&self.file, &self.object).await?;
        let sent = Sent { size, stored: size };
        all.copied(&self.file, sent, masked, start.elapsed());
        self.stamp = Some(stamp);
        Ok(())
    }
}
