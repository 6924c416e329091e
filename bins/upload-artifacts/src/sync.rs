//! Copies what changed in a folder, several files at once.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::app::Stop;
use common::bucket::{Bucket, ObjectName, Present, Sent};
use common::{Error, Result, ResultExt};
use tokio::task::{Id, JoinSet};

use crate::censor::{Censor, Censored};
use crate::copy::{self, Outcome, Target};
use crate::names::Names;
use crate::plan::Sync;
use crate::source::{Found, Source};
use crate::tally::Tally;

/// How many files are copied at once.
const AT_ONCE: usize = 8;

/// How long the files under way may take when the program has been asked to end.
const GRACE: Duration = Duration::from_secs(5);

/// Copies the folder. One file's failure does not stop the others.
pub(crate) async fn run(plan: &Sync, stop: &Stop) -> Result<()> {
    let mut tally = Tally::default();
    // Before all else: without it nothing may leave this machine.
    let censor = Arc::new(Censor::of(plan)?);
    if let Some((file, name)) = &plan.records {
        // First: it is small, and where the checkout failed there are no artifacts at all.
        match upload(plan, &censor, file, name).await {
            Ok((size, masked)) => tally.copied(file, Sent { size, stored: size }, masked),
            Err(error) => tally.failed(file, &error),
        }
    }
    let source = Arc::new(open_source(plan)?);
    let present = Arc::new(plan.bucket.present(&plan.folder).await?);
    let mut found = source.search();
    let mut copies = Copies::new(source, plan.clone(), present, censor, tally);
    let signal = loop {
        tokio::select! {
            biased;
            signal = stop.wait() => break Some(signal),
            true = copies.next() => {}
            next = found.recv(), if copies.under_way.len() < AT_ONCE => match next {
                Some(next) => copies.take(next),
                None => break None,
            },
        }
    };
    if signal.is_some() {
        while let Some(next) = found.recv().await {
            copies.refuse(next);
        }
    }
    copies.finish(stop).await.end(plan, stop.asked())
}

/// Uploads a file from outside of the folder.
async fn upload(
    plan: &Sync,
    censor: &Arc<Censor>,
    file: &Path,
    name: &ObjectName,
) -> Result<(u64, u64)> {
    let opened = File::open(file).or_failed(|| format!("read {}", file.display()))?;
    let Censored { file, masked, .. } = copy::censored(censor.clone(), opened).await?;
    Ok((plan.bucket.upload_open(name, file).await?, masked))
}

/// The copies under way, and what became of those that have ended.
struct Copies {
    source: Arc<Source>,
    bucket: Bucket,
    present: Arc<Present>,
    censor: Arc<Censor>,
    names: Names,
    tasks: JoinSet<Outcome>,
    under_way: HashMap<Id, PathBuf>,
    tally: Tally,
}

impl Copies {
    fn new(
        source: Arc<Source>,
        plan: Sync,
        present: Arc<Present>,
        censor: Arc<Censor>,
        tally: Tally,
    ) -> Self {
        Copies {
            source,
            bucket: plan.bucket.clone(),
            present,
            censor,
            names: Names::new(plan),
            tasks: JoinSet::new(),
            under_way: HashMap::new(),
            tally,
        }
    }

    fn take(&mut self, found: Found) {
        let Found::File { path, real } = found else {
            return self.refuse(found);
        };
        let (name, attributes) = match self.names.of(&path, &self.source, &real) {
            Ok(object) => object,
            Err(error) => return self.tally.failed(&path, &error),
        };
        let target = Target {
            bucket: self.bucket.clone(),
            present: self.present.clone(),
            name,
            attributes,
            censor: self.censor.clone(),
        };
        let copy = copy::copy(self.source.clone(), real, target);
        let task = self.tasks.spawn(copy);
        self.under_way.insert(task.id(), path);
    }

    /// Counts what is not copied.
    fn refuse(&mut self, found: Found) {
        match found {
            Found::File { path, .. } => self.tally.not_reached(&path),
            Found::Skipped { path, reason } => self.tally.skipped(&path, &reason),
            Found::Vanished(path) => self.tally.vanished(&path),
            Found::Failed { path, error } => self.tally.failed(&path, &error),
        }
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
        let path = self.under_way.remove(&id).unwrap_or_default();
        match outcome {
            Outcome::Copied(sent, masked) => self.tally.copied(&path, sent, masked),
            Outcome::Unchanged => self.tally.unchanged(),
            Outcome::Skipped(reason) => self.tally.skipped(&path, &reason),
            Outcome::Vanished => self.tally.vanished(&path),
            Outcome::Failed(error) => self.tally.failed(&path, &error),
        }
        true
    }

    /// Waits for the copies under way, for a short time only once the program has been asked
    /// to end.
    async fn finish(mut self, stop: &Stop) -> Tally {
        let out_of_time = async {
            stop.wait().await;
            tokio::select! {
                () = tokio::time::sleep(GRACE) => {}
                _ = stop.insisted() => {}
            }
        };
        tokio::select! {
            () = async { while self.next().await {} } => {}
            () = out_of_time => {}
        }
        self.tasks.shutdown().await;
        for path in self.under_way.values() {
            self.tally.not_reached(path);
        }
        self.tally
    }
}

/// Opens the folder to copy from. A target within it would be copied into itself, and grow
/// with each run.
pub(crate) fn open_source(plan: &Sync) -> Result<Source> {
    let source = Source::open(&plan.from)?;
    let Some(target) = plan.bucket.local_path(&plan.folder) else {
        return Ok(source);
    };
    let existing = target.ancestors().find_map(|path| path.canonicalize().ok());
    if existing.is_some_and(|path| path.starts_with(source.root())) {
        return Err(Error::usage(format!(
            "{} lies in the folder {} itself",
            plan.bucket.url(&plan.folder),
            plan.from.display()
        ))
        .hint("put the bucket outside of the folder that is copied"));
    }
    Ok(source)
}
