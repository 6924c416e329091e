//! Several copies at once, in one pass.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use common::bucket::{Attributes, Bucket, ObjectName, Present};
use common::{Error, Result};
use tokio::sync::mpsc::Receiver;
use tokio::task::{Id, JoinSet};

use crate::censor::Censor;
use crate::clock::Clock;
use crate::copy::{self, From, Outcome, Target};
use crate::delete::{self, remove_leftovers};
use crate::known::{Known, Stamp};
use crate::left::Left;
use crate::names::Names;
use crate::plan::Sync;
use crate::progress::Progress;
use crate::source::{Found, Source};
use crate::sync::Syncing;
use crate::tally::Tally;

/// How many files are copied at once.
const AT_ONCE: usize = 16;

/// The copies under way, and what became of those that have ended.
pub(crate) struct Copies<'a> {
    plan: &'a Sync,
    clock: &'a Clock,
    /// When the time of this pass is up.
    end: Instant,
    /// Whether it ends at once when the program is asked to end: another pass follows.
    yields: bool,
    known: &'a mut Known,
    progress: Progress,
    bucket: Bucket,
    censor: Arc<Censor>,
    folder: Option<Folder>,
    tasks: JoinSet<Outcome>,
    under_way: HashMap<Id, UnderWay>,
    /// What was not begun when the program was asked to end; the last goes first.
    left: Vec<Left>,
    tally: Tally,
}

/// The folder that is copied, and what the bucket has of it.
struct Folder {
    source: Arc<Source>,
    present: Arc<Present>,
    names: Names,
}

/// A file that is being copied.
struct UnderWay {
    path: PathBuf,
    /// What it is known by.
    key: PathBuf,
    /// From before it was opened.
    stamp: Option<Stamp>,
    /// How many of its bytes are sent.
    sent: Arc<AtomicU64>,
    start: Instant,
}

impl<'a> Copies<'a> {
    pub(crate) fn new(
        syncing: &'a mut Syncing,
        bucket: Bucket,
        end: Instant,
        yields: bool,
    ) -> Self {
        Copies {
            plan: syncing.plan,
            clock: &syncing.clock,
            end,
            yields,
            known: &mut syncing.known,
            progress: Progress::new(syncing.plan.from.clone()),
            bucket,
            censor: syncing.censor.clone(),
            folder: None,
            tasks: JoinSet::new(),
            under_way: HashMap::new(),
            left: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Copies a single file.
    pub(crate) fn take_named(&mut self, file: &Path, name: &ObjectName) {
        let stamp = Stamp::at(file);
        // Other than the paths of what is found, which are below the folder.
        let key = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let bucket = self.bucket.clone();
        let target = self.plan.target(bucket, name.clone(), self.censor.clone());
        let from = From::Named(file.to_owned());
        self.start(file.to_owned(), key, stamp, from, target);
    }

    /// Copies what is found in the folder; once the program has been asked to end, all that is
    /// left is put off, and what matters goes first.
    pub(crate) async fn search(&mut self, source: Arc<Source>) -> Result<()> {
        let since = Instant::now();
        let present = tokio::select! {
            present = self.bucket.present(&self.plan.folder) => Arc::new(present?),
            _ = self.clock.asked(), if self.yields => return Ok(()),
            // Without it everything is sent, as to a folder that is empty.
            () = self.clock.looked_enough(since) => Arc::default(),
        };
        let mut found = source.search();
        self.folder = Some(Folder {
            source,
            present,
            names: Names::new(self.plan.clone()),
        });
        loop {
            let due = self.progress.due();
            tokio::select! {
                biased;
                _ = self.clock.asked() => break,
                () = tokio::time::sleep_until(self.end.into()) => break,
                true = self.next() => {}
                () = due => self.say(),
                next = found.recv(), if self.under_way.len() < AT_ONCE => match next {
                    Some(next) => self.take(next),
                    None => return self.check_folder(),
                },
            }
        }
        if !self.yields {
            self.put_off_all(found, since).await;
        }
        Ok(())
    }

    /// Files may come and go; a folder that has gone has taken with it what nobody counts.
    fn check_folder(&self) -> Result<()> {
        let folder = self.plan.from.as_deref().filter(|folder| !folder.is_dir());
        match folder {
            None => Ok(()),
            Some(folder) => {
                let what = format!(
                    "the folder {} vanished while it was copied",
                    folder.display()
                );
                Err(Error::unavailable(what).hint("copy before the steps that clean up"))
            }
        }
    }

    /// Looks at the rest of the folder, which may be very large: not for long.
    async fn put_off_all(&mut self, mut found: Receiver<Found>, since: Instant) {
        let late = self.end + self.plan.grace_period / 3;
        loop {
            tokio::select! {
                biased;
                () = self.clock.looked_enough(since) => break,
                () = tokio::time::sleep_until(late.into()) => break,
                true = self.next() => {}
                next = found.recv() => match next {
                    Some(next) => self.put_off(next),
                    None => return self.left.sort_by_cached_key(Left::order),
                },
            }
        }
        self.tally.not_listed();
        self.left.sort_by_cached_key(Left::order);
    }

    fn take(&mut self, found: Found) {
        let Found::File { path, real } = found else {
            return self.refuse(found);
        };
        let Some(folder) = &mut self.folder else {
            return;
        };
        let (name, attributes) = match folder.names.of(&path, &folder.source, &real) {
            Ok(object) => object,
            Err(error) => return self.progress.log(|| self.tally.failed(&path, &error)),
        };
        let stamp = Stamp::at(&folder.source.root().join(&real));
        let target = Target {
            bucket: self.bucket.clone(),
            present: Some(folder.present.clone()),
            name,
            attributes,
            censor: self.censor.clone(),
        };
        let source = folder.source.clone();
        let from = From::Folder { source, real };
        self.start(path.clone(), path, stamp, from, target);
    }

    fn start(
        &mut self,
        path: PathBuf,
        key: PathBuf,
        stamp: Option<Stamp>,
        from: From,
        mut target: Target,
    ) {
        if self.known.has(&key, stamp) {
            self.progress.done(stamp.map_or(0, |stamp| stamp.size()));
            return self.tally.unchanged();
        }
        let sent = Arc::new(AtomicU64::default());
        target.bucket = target.bucket.counting(sent.clone());
        let task = self.tasks.spawn(copy::copy(from, target));
        let under_way = UnderWay {
            path,
            key,
            stamp,
            sent,
            start: Instant::now(),
        };
        self.under_way.insert(task.id(), under_way);
    }

    /// Leaves a file for the time that is left at the end.
    fn put_off(&mut self, found: Found) {
        match (found, &self.folder) {
            (Found::File { path, real }, Some(folder)) => {
                let stamp = Stamp::at(&folder.source.root().join(&real));
                let size = stamp.map_or(0, |stamp| stamp.size());
                self.left.push(Left { path, real, size });
            }
            (found, _) => self.refuse(found),
        }
    }

    /// Counts what is not copied.
    fn refuse(&mut self, found: Found) {
        let tally = &mut self.tally;
        self.progress.log(|| match found {
            Found::File { path, .. } => tally.not_reached(&path),
            Found::Skipped { path, reason } => tally.skipped(&path, &reason),
            Found::Vanished(path) => tally.vanished(&path),
            Found::Failed { path, error } => tally.failed(&path, &error),
        });
    }

    /// Says how far it is, with what is sent of the files under way.
    fn say(&mut self) {
        let sent = self.under_way.values().map(|under_way| {
            let size = under_way.stamp.map_or(0, |stamp| stamp.size());
            under_way.sent.load(Ordering::Relaxed).min(size)
        });
        let sent = sent.sum();
        self.progress.say(sent);
    }

    /// Waits for the next copy to end; false if none is under way.
    async fn next(&mut self) -> bool {
        let Some(ended) = self.tasks.join_next_with_id().await else {
            return false;
        };
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome),
            Err(error) => (
                error.id(),
                Outcome::Failed(Error::failed("copy").because(error)),
            ),
        };
        let Some(ended) = self.under_way.remove(&id) else {
            return true;
        };
        self.progress
            .done(ended.stamp.map_or(0, |stamp| stamp.size()));
        if matches!(outcome, Outcome::Copied(..) | Outcome::Unchanged) {
            self.known.add(ended.key, ended.stamp);
        }
        let tally = &mut self.tally;
        let took = ended.start.elapsed();
        if outcome.is_said() {
            let count = || tally.count(&ended.path, outcome, took);
            self.progress.log(count);
        } else {
            tally.count(&ended.path, outcome, took);
        }
        true
    }

    async fn finish_all(&mut self) {
        loop {
            // Beside those that were under way already, which may be stuck.
            while self.under_way.len() < 2 * AT_ONCE
                && let Some(Left { path, real, .. }) = self.left.pop()
            {
                self.take(Found::File { path, real });
            }
            if self.under_way.is_empty() {
                return;
            }
            let due = self.progress.due();
            tokio::select! {
                _ = self.next() => {}
                () = due => self.say(),
            }
        }
    }

    /// Waits for the copies under way, until the end of the time, or for the grace period only
    /// once the program has been asked to end.
    pub(crate) async fn finish(mut self) -> Result<Tally> {
        let (clock, end) = (self.clock, self.end);
        tokio::select! {
            () = self.finish_all() => {}
            () = clock.out_of_grace() => {}
            _ = clock.asked(), if self.yields => {}
            () = tokio::time::sleep_until(end.into()) => {}
        }
        self.tasks.shutdown().await;
        for under_way in self.under_way.values() {
            self.tally.not_reached(&under_way.path);
        }
        for left in &self.left {
            self.tally.not_reached(&left.path);
        }
        if Instant::now() >= end && !self.tally.is_complete() {
            self.tally.out_of_time(self.plan.timeout);
        }
        if let Some(folder) = &self.folder
            && clock.signal().is_none()
        {
            remove_leftovers(&self.bucket, &folder.present).await;
        }
        if let Some(folder) = &self.folder
            && self.plan.delete
            && clock.signal().is_none()
            && self.tally.is_complete()
        {
            let all = folder.present.names();
            let names = all.filter(|name| !folder.names.has(name)).collect();
            let removed = delete::remove(&self.bucket, &folder.present, names).await?;
            self.tally.removed(removed);
        }
        Ok(self.tally)
    }
}

impl Sync {
    /// Where a single file goes.
    pub(crate) fn target(&self, bucket: Bucket, name: ObjectName, censor: Arc<Censor>) -> Target {
        Target {
            bucket,
            present: None,
            attributes: Attributes::of(&name, &self.types),
            name,
            censor,
        }
    }
}
