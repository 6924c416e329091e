//! Copies what changed in a folder, several files at once.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use common::app::Stop;
use common::bucket::{Bucket, ObjectName, Present, Sent};
use common::{Error, Result, ResultExt};
use rustix::fs::OFlags;
use tokio::task::{Id, JoinSet};

use crate::censor::Censor;
use crate::copy::{self, Outcome, Target};
use crate::delete;
use crate::known::{Known, Stamp};
use crate::left::Left;
use crate::names::Names;
use crate::plan::Sync;
use crate::progress::Progress;
use crate::source::{Found, Source};
use crate::tally::Tally;
use crate::watch;

/// How many files are copied at once.
const AT_ONCE: usize = 16;

/// Copies what the plan says, once or until it is asked to end.
pub(crate) async fn run(plan: &Sync, stop: &Stop) -> Result<()> {
    let mut syncing = Syncing::new(plan)?;
    match &plan.watch {
        None => syncing.pass(stop).await?.end(plan, stop.asked()),
        Some(watch) => watch::run(&mut syncing, watch, stop).await?.end(plan, None),
    }
}

/// What stays from one pass to the next.
pub(crate) struct Syncing<'a> {
    plan: &'a Sync,
    censor: Arc<Censor>,
    known: Known,
}

impl<'a> Syncing<'a> {
    fn new(plan: &'a Sync) -> Result<Self> {
        // Before all else: without it nothing may leave this machine.
        let censor = Arc::new(Censor::of(plan)?);
        let known = match plan.watch {
            Some(_) => Known::keeping(),
            None => Known::default(),
        };
        Ok(Syncing {
            plan,
            censor,
            known,
        })
    }

    /// Whether there is something to look at: other steps may yet make the folder.
    pub(crate) fn folder_is_there(&self) -> bool {
        self.plan.from.as_ref().is_none_or(|folder| folder.is_dir())
    }

    /// Copies everything once. One file's failure does not stop the others.
    pub(crate) async fn pass(&mut self, stop: &Stop) -> Result<Tally> {
        let plan = self.plan;
        let mut tally = Tally::default();
        for (file, name) in &plan.files {
            // First: they are few, and where the checkout failed there are no artifacts at all.
            let stamp = Stamp::at(file);
            if self.known.has(file, stamp) {
                tally.unchanged();
                continue;
            }
            let start = Instant::now();
            match self.upload(file, name).await {
                Ok((size, masked)) => {
                    let sent = Sent { size, stored: size };
                    tally.copied(file, sent, masked, start.elapsed());
                    self.known.add(file.clone(), stamp);
                }
                Err(error) => tally.failed(file, &error),
            }
        }
        let Some(source) = open_source(plan)?.map(Arc::new) else {
            return Ok(tally);
        };
        let end = Instant::now() + plan.timeout;
        let bucket = plan.bucket.clone().until(end);
        let present = tokio::select! {
            present = bucket.present(&plan.folder) => Arc::new(present?),
            // Without it everything is sent, as to a folder that is empty.
            _ = stop.wait() => Arc::default(),
        };
        let mut found = source.search();
        let mut copies = Copies::new(self, bucket, source, present, tally);
        loop {
            let due = copies.progress.due();
            tokio::select! {
                biased;
                _ = stop.wait() => break,
                () = tokio::time::sleep_until(end.into()) => break,
                true = copies.next() => {}
                () = due => copies.progress.say(),
                next = found.recv(), if copies.under_way.len() < AT_ONCE => match next {
                    Some(next) => copies.take(next),
                    None => break,
                },
            }
        }
        while let Some(next) = found.recv().await {
            copies.put_off(next);
        }
        copies.left.sort_by_cached_key(Left::order);
        copies.finish(stop, end).await
    }

    /// Uploads a file from outside of the folder; gives its size, and how many bytes are masked.
    pub(crate) async fn upload(&self, file: &Path, name: &ObjectName) -> Result<(u64, u64)> {
        let opened = open(file).or_failed(|| format!("read {}", file.display()))?;
        let censored = copy::censored(self.censor.clone(), opened).await?;
        let size = self.plan.bucket.upload_open(name, censored.file).await?;
        Ok((size, censored.masked))
    }
}

/// Opens a file that was named. A FIFO must not keep us waiting for its other end.
fn open(path: &Path) -> io::Result<File> {
    let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options()
        .read(true)
        .custom_flags(nonblock)
        .open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    let what = "it is not a regular file";
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

/// The copies under way, and what became of those that have ended.
struct Copies<'a> {
    plan: &'a Sync,
    known: &'a mut Known,
    progress: Progress,
    source: Arc<Source>,
    bucket: Bucket,
    present: Arc<Present>,
    censor: Arc<Censor>,
    names: Names,
    tasks: JoinSet<Outcome>,
    under_way: HashMap<Id, UnderWay>,
    /// What was not begun when the program was asked to end; the last goes first.
    left: Vec<Left>,
    tally: Tally,
}

/// A file that is being copied.
struct UnderWay {
    path: PathBuf,
    /// From before it was opened.
    stamp: Option<Stamp>,
    start: Instant,
}

impl<'a> Copies<'a> {
    fn new(
        syncing: &'a mut Syncing,
        bucket: Bucket,
        source: Arc<Source>,
        present: Arc<Present>,
        tally: Tally,
    ) -> Self {
        let plan = syncing.plan.clone();
        Copies {
            known: &mut syncing.known,
            progress: Progress::new(source.root().to_owned()),
            source,
            plan: syncing.plan,
            bucket,
            present,
            censor: syncing.censor.clone(),
            names: Names::new(plan),
            tasks: JoinSet::new(),
            under_way: HashMap::new(),
            left: Vec::new(),
            tally,
        }
    }

    fn take(&mut self, found: Found) {
        let Found::File { path, real } = found else {
            return self.refuse(found);
        };
        let (name, attributes) = match self.names.of(&path, &self.source, &real) {
            Ok(object) => object,
            Err(error) => return self.progress.log(|| self.tally.failed(&path, &error)),
        };
        let stamp = Stamp::at(&self.source.root().join(&real));
        if self.known.has(&path, stamp) {
            self.progress.done(stamp.map_or(0, |stamp| stamp.size()));
            return self.tally.unchanged();
        }
        let target = Target {
            bucket: self.bucket.clone(),
            present: self.present.clone(),
            name,
            attributes,
            censor: self.censor.clone(),
        };
        let copy = copy::copy(self.source.clone(), real, target);
        let task = self.tasks.spawn(copy);
        let start = Instant::now();
        let under_way = UnderWay { path, stamp, start };
        self.under_way.insert(task.id(), under_way);
    }

    /// Leaves a file for the time that is left at the end.
    fn put_off(&mut self, found: Found) {
        let Found::File { path, real } = found else {
            return self.refuse(found);
        };
        let stamp = Stamp::at(&self.source.root().join(&real));
        let size = stamp.map_or(0, |stamp| stamp.size());
        self.left.push(Left { path, real, size });
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
        let Some(UnderWay { path, stamp, start }) = self.under_way.remove(&id) else {
            return true;
        };
        self.progress.done(stamp.map_or(0, |stamp| stamp.size()));
        let tally = &mut self.tally;
        if let Outcome::Copied(sent, masked) = outcome {
            let mut copied = || tally.copied(&path, sent, masked, start.elapsed());
            if masked > 0 {
                self.progress.log(copied);
            } else {
                copied();
            }
            self.known.add(path, stamp);
            return true;
        }
        if matches!(outcome, Outcome::Unchanged) {
            tally.unchanged();
            self.known.add(path, stamp);
            return true;
        }
        self.progress.log(|| match outcome {
            Outcome::Copied(..) | Outcome::Unchanged => {}
            Outcome::Skipped(reason) => tally.skipped(&path, &reason),
            Outcome::Vanished => tally.vanished(&path),
            Outcome::Failed(error) => tally.failed(&path, &error),
        });
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
                () = due => self.progress.say(),
            }
        }
    }

    /// Waits for the copies under way, until the end of the time, or for the grace period only
    /// once the program has been asked to end.
    async fn finish(mut self, stop: &Stop, end: Instant) -> Result<Tally> {
        let grace_period = self.plan.grace_period;
        let asked = async {
            stop.wait().await;
            tokio::select! {
                () = tokio::time::sleep(grace_period) => {}
                _ = stop.insisted() => {}
            }
        };
        tokio::select! {
            () = self.finish_all() => {}
            () = asked => {}
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
        if self.plan.delete && stop.asked().is_none() && self.tally.is_complete() {
            let all = self.present.names();
            let names = all.filter(|name| !self.names.has(name)).collect();
            let removed = delete::remove(&self.bucket, &self.present, names).await?;
            self.tally.removed(removed);
        }
        Ok(self.tally)
    }
}

/// Opens the folder to copy from, where there is one. A target within it would be copied into
/// itself, and grow with each run.
pub(crate) fn open_source(plan: &Sync) -> Result<Option<Source>> {
    let Some(from) = &plan.from else {
        return Ok(None);
    };
    let source = Source::open(from)?;
    let Some(target) = plan.bucket.local_path(&plan.folder) else {
        return Ok(Some(source));
    };
    let existing = target.ancestors().find_map(|path| path.canonicalize().ok());
    if existing.is_some_and(|path| path.starts_with(source.root())) {
        return Err(Error::usage(format!(
            "{} lies in the folder {} itself",
            plan.bucket.url(&plan.folder),
            from.display()
        ))
        .hint("put the bucket outside of the folder that is copied"));
    }
    Ok(Some(source))
}
