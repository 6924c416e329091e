//! Copies what changed in a folder, and single files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use common::app::Stop;
use common::bucket::ObjectName;
use common::{Error, Result};

use crate::censor::Censor;
use crate::clock::Clock;
use crate::copies::Copies;
use crate::copy::{self, From, Outcome};
use crate::known::Known;
use crate::plan::Sync;
use crate::source::Source;
use crate::tally::Tally;
use crate::watch;

/// Copies what the plan says, once or until it is asked to end; gives what became of it.
pub(crate) async fn run(plan: &Sync, stop: &Stop) -> Result<Tally> {
    let mut syncing = Syncing::new(plan, stop)?;
    if let Some(watch) = &plan.watch {
        return watch::run(&mut syncing, watch).await;
    }
    let mut tally = syncing.last_pass(&[]).await?;
    tally.interrupted(stop.asked());
    Ok(tally)
}

/// What stays from one pass to the next.
pub(crate) struct Syncing<'a> {
    pub(crate) plan: &'a Sync,
    pub(crate) clock: Clock,
    pub(crate) censor: Arc<Censor>,
    pub(crate) known: Known,
}

impl<'a> Syncing<'a> {
    fn new(plan: &'a Sync, stop: &Stop) -> Result<Self> {
        // Before all else: without it nothing may leave this machine.
        let censor = Arc::new(Censor::of(plan)?);
        let known = match plan.watch {
            Some(_) => Known::keeping(),
            None => Known::default(),
        };
        Ok(Syncing {
            plan,
            clock: Clock::new(stop.clone(), plan.grace_period),
            censor,
            known,
        })
    }

    /// Whether there is something to look at: other steps may yet make the folder.
    pub(crate) fn folder_is_there(&self) -> bool {
        self.plan.from.as_ref().is_none_or(|folder| folder.is_dir())
    }

    /// Copies everything once, and these logs; what is left when the program is asked to end is
    /// copied within the grace period. One file's failure does not stop the others.
    pub(crate) async fn last_pass(&mut self, logs: &[(PathBuf, ObjectName)]) -> Result<Tally> {
        self.pass(logs, false).await
    }

    /// Copies everything once; ends at once when the program is asked to end, as the last pass
    /// has the right order for that.
    pub(crate) async fn pass_of_many(&mut self) -> Result<Tally> {
        self.pass(&[], true).await
    }

    async fn pass(&mut self, logs: &[(PathBuf, ObjectName)], yields: bool) -> Result<Tally> {
        let plan = self.plan;
        let end = Instant::now() + plan.timeout;
        let bucket = plan.bucket.clone().until(end);
        let source = open_source(plan);
        let mut copies = Copies::new(self, bucket, end, yields);
        // First: they are few, and where the checkout failed there are no artifacts at all.
        for (file, name) in plan.files.iter().chain(logs) {
            copies.take_named(file, name);
        }
        let searched = match source {
            Ok(Some(source)) => copies.search(Arc::new(source)).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        let tally = copies.finish().await;
        searched.and(tally)
    }

    /// Copies a log as it is now; gives what became of it.
    pub(crate) async fn follow(&self, log: &Path, name: &ObjectName) -> Outcome {
        let end = Instant::now() + self.plan.timeout;
        let bucket = self.plan.bucket.clone().until(end);
        let target = self.plan.target(bucket, name.clone(), self.censor.clone());
        copy::copy(From::Named(log.to_owned()), target).await
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
