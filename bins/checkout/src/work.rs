//! Checks out one repository, and leaves its folder in a state that the next run understands.

use std::cell::RefCell;
use std::fs::File;
use std::time::{Duration, Instant};

use common::app::Stop;
use common::{Error, Result};

use crate::cache::is_unchecked;
use crate::explain;
use crate::folder::{Folder, Found};
use crate::history::{History, Holds};
use crate::merge::merge;
use crate::plan::Repository;
use crate::record::Record;
use crate::report;
use crate::runner::Runner;
use crate::sequence::{Fetched, MADE_BY_CHECKOUT};
use crate::settings;
use crate::stamp;
use crate::step::Step;
use crate::url::CloneUrl;

/// How often a run looks whether another one has left the folder.
const TURN: Duration = Duration::from_millis(200);

/// What is in a folder whose files are about to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Before {
    /// Nothing.
    Nothing,
    /// What a killed run wrote, of this commit if it got so far.
    Unfinished(Option<String>),
    /// The files of a commit, as git wrote them.
    Clean,
}

/// A repository that is checked out.
#[derive(Debug)]
pub(crate) struct Placed {
    /// The commit.
    pub sha: String,
    /// `git describe --tags --always --dirty`.
    pub describe: String,
}

/// Checks out a repository. The record says what was run, however it ended.
pub(crate) async fn check_out(repository: &Repository, stop: &Stop) -> (Record, Result<Placed>) {
    let start = Instant::now();
    let mut work = Work {
        repository,
        folder: Folder::at(&repository.folder),
        runner: Runner::new(repository, stop),
        describe: RefCell::default(),
        stop,
    };
    let end = work.run().await;
    let mut record = Record::new(&repository.refs);
    record.commands = work.runner.into_commands();
    record.duration = start.elapsed();
    record.failed = end.is_err();
    if let Ok(placed) = &end {
        record.final_sha.clone_from(&placed.sha);
    }
    (record, end)
}

struct Work<'a> {
    repository: &'a Repository,
    folder: Folder,
    runner: Runner<'a>,
    /// What the commit in a new folder is called.
    describe: RefCell<Option<String>>,
    stop: &'a Stop,
}

impl Work<'_> {
    async fn run(&mut self) -> Result<Placed> {
        let clean = self.repository.clean;
        // Before anything is written: the folder may be somebody else's.
        if let Err(error) = self.folder.look() {
            if !clean {
                return Err(error);
            }
            self.clear(&error)?;
        }
        let _turn = self.turn().await?;
        if let Some(obstacle) = self.place().await? {
            if !clean {
                return Err(obstacle);
            }
            self.clear(&obstacle)?;
            self.make(Before::Nothing).await?;
        }
        let sha = match self.folder.detached_head() {
            Some(commit) => commit,
            None => self.runner.ask(&["rev-parse", "HEAD"]).await?,
        };
        let describe = self.describe().await?;
        Ok(Placed { sha, describe })
    }

    async fn describe(&self) -> Result<String> {
        let known = self.describe.take();
        if let Some(describe) = known {
            return Ok(describe);
        }
        let folder = &self.repository.folder;
        let is_untouched =
            stamp::is_there(folder) && stamp::holds(folder, &self.runner.indexed().await?);
        let describe = ["describe", "--tags", "--always", "--dirty"];
        let length = describe.len() - usize::from(is_untouched);
        self.runner.ask(&describe[..length]).await
    }

    fn clear(&self, obstacle: &Error) -> Result<()> {
        tracing::warn!("--clean: {obstacle}: all of it is removed");
        self.folder.clear()
    }

    /// Waits until no other checkout is at work in the folder: to two at once, each other's
    /// files and locks are what a killed run left.
    async fn turn(&self) -> Result<File> {
        let mut told = false;
        loop {
            if let Some(turn) = self.folder.take_turn()? {
                return Ok(turn);
            }
            let folder = self.repository.folder.display();
            if !told {
                tracing::info!("another checkout is at work in {folder}: waiting for it");
                told = true;
            }
            tokio::select! {
                () = tokio::time::sleep(TURN) => {}
                _ = self.stop.wait() => self.stop.check(&format!("waiting for {folder}"))?,
            }
        }
    }

    /// Brings the folder to what is wanted. What is in the way comes back as an error, with
    /// nothing changed.
    async fn place(&self) -> Result<Option<Error>> {
        let found = match self.folder.look() {
            Ok(found) => found,
            Err(obstacle) => return Ok(Some(obstacle)),
        };
        if found != Found::Nothing
            && let Err(obstacle) = self.runner.check_settings().await
        {
            return Ok(Some(obstacle));
        }
        match found {
            Found::Nothing => self.make(Before::Nothing).await?,
            Found::Unfinished(target) => {
                self.folder.remove_stale_locks()?;
                self.make(Before::Unfinished(target)).await?;
            }
            Found::Fetching(note) => {
                self.folder.remove_stale_locks()?;
                self.folder.finish(note.as_deref())?;
                return self.update(note).await;
            }
            Found::Repository(note) => return self.update(note).await,
        }
        Ok(None)
    }

    /// A folder that is all checkout's own: files in the way are its own too. In one that a run
    /// left unfinished they are overwritten by force.
    async fn make(&self, before: Before) -> Result<()> {
        let before = self.begin(before).await?;
        let cache = self.repository.cache.as_ref();
        let seeded = match cache {
            Some(cache) if before == Before::Nothing => {
                cache.seed(self.repository, &self.runner).await?
            }
            _ => None,
        };
        let holds = match &seeded {
            Some(_) => Holds::Mirror,
            None if before == Before::Nothing => Holds::Nothing,
            None if self.runner.commit("HEAD").await?.is_some() => Holds::Something,
            None => Holds::Nothing,
        };
        let (fetched, target) = if let (Some(cache), Some(seeded)) = (cache, seeded) {
            // No file is written before both have come back. Damage explains whatever git says.
            let check = cache.check(&seeded, self.repository, &self.runner);
            match tokio::join!(check, self.prepare(holds)) {
                (Ok(true), prepared) => prepared?,
                (Ok(false), _) => {
                    self.folder.clear()?;
                    self.begin(Before::Nothing).await?;
                    self.prepare(Holds::Nothing).await?
                }
                (Err(error), _) => return Err(error),
            }
        } else {
            self.prepare(holds).await?
        };
        let end = self.write(&fetched, target, before).await;
        self.settle(end, None).await?;
        self.store().await
    }

    /// Makes the repository; anew where a killed run left what nobody has looked through, which is
    /// before any file is written.
    async fn begin(&self, before: Before) -> Result<Before> {
        let folder = &self.repository.folder;
        if let Before::Unfinished(commit) = &before {
            if !is_unchecked(folder) {
                self.folder.begin(commit.as_deref())?;
                self.start().await?;
                return Ok(before);
            }
            self.folder.clear()?;
        }
        self.folder.begin(None)?;
        self.runner.step(&Step::Init).await?;
        settings::add(folder, &self.repository.settings())?;
        Ok(Before::Nothing)
    }

    /// Fetches, and merges.
    async fn prepare(&self, holds: Holds) -> Result<(Fetched, Result<String>)> {
        let history = History::new(self.repository, &self.runner, true);
        let fetched = history.fetch(holds).await?;
        let target = self.target(&fetched).await;
        Ok((fetched, target))
    }

    /// The commit to be checked out.
    async fn target(&self, fetched: &Fetched) -> Result<String> {
        match self.repository.target(fetched) {
            Some(commit) => Ok(commit),
            None => merge(self.repository, &self.runner, fetched).await,
        }
    }

    /// Leaves what was fetched in the cache.
    async fn store(&self) -> Result<()> {
        match &self.repository.cache {
            Some(cache) => cache.store(self.repository, &self.runner).await,
            None => Ok(()),
        }
    }

    /// A repository that was there: its uncommitted changes are somebody's work.
    async fn update(&self, note: Option<String>) -> Result<Option<Error>> {
        let clean = self.repository.clean;
        let head = match self.folder.detached_head() {
            Some(commit) => Some(commit),
            None => self.runner.commit("HEAD").await?,
        };
        let mut changed = Vec::new();
        if clean {
            changed = self.runner.changed_files(clean).await?;
            if !changed.is_empty() {
                return Ok(Some(explain::changed(self.repository, &changed)));
            }
        }
        if let Some(pinned) = self.repository.pinned()
            && self.is_finished(note.as_deref(), &pinned, head.as_deref())
        {
            tracing::info!("{} is checked out already", self.repository.name());
            return Ok(None);
        }
        let moved = match self.has_moved().await? {
            Ok(moved) => moved,
            Err(obstacle) => return Ok(Some(obstacle)),
        };
        if !clean {
            changed = self.runner.changed_files(clean).await?;
        }
        if changed.is_empty() {
            self.folder.fetching(note.as_deref())?;
            if moved {
                self.start().await?;
            }
            let end = self.history().await?.fetch(Holds::Something).await;
            if end.is_err() {
                // The files are as they were; the next run has to respect changes to them.
                self.folder.finish(note.as_deref())?;
            }
            let fetched = end?;
            let target = self.target(&fetched).await;
            let end = self.write(&fetched, target, Before::Clean).await;
            self.settle(end, note.as_deref()).await?;
            return Ok(None);
        }
        if moved {
            return Ok(Some(explain::changed(self.repository, &changed)));
        }
        let fetched = self.history().await?.fetch(Holds::Something).await?;
        let target = self.repository.target(&fetched);
        let at_target = target.is_some() && target == head;
        if at_target || self.is_finished(note.as_deref(), &fetched, head.as_deref()) {
            tracing::info!("{} is checked out already", self.repository.name());
            return Ok(None);
        }
        Ok(Some(explain::changed(self.repository, &changed)))
    }

    async fn start(&self) -> Result<()> {
        self.runner.step(&Step::Init).await?;
        for (key, value) in self.repository.settings() {
            self.runner.step(&Step::Configure { key, value }).await?;
        }
        Ok(())
    }

    /// The history of a repository that was there, which stays whole if it was.
    async fn history(&self) -> Result<History<'_>> {
        let promisor = ["config", "--get", "--type=bool", "remote.origin.promisor"];
        let partial = self.runner.lines_if_any(&promisor).await? == ["true"];
        Ok(History::new(self.repository, &self.runner, partial))
    }

    /// Writes the files of a commit, if there is one. In a folder in which a run was killed, what that one was
    /// writing is there, and known to no index. Checking the same commit out again, by force, makes
    /// those files git's own, to be changed or removed.
    async fn write(&self, fetched: &Fetched, target: Result<String>, before: Before) -> Result<()> {
        let target = target?;
        let is_new = before == Before::Nothing;
        let force = matches!(before, Before::Unfinished(_));
        if let Before::Unfinished(Some(rev)) = before
            && rev != target
            && self.runner.commit(&rev).await?.is_some()
        {
            self.runner.step(&Step::Checkout { rev, force }).await?;
        }
        self.folder.begin(Some(&target))?;
        for step in self.repository.place_steps(&target, force) {
            if is_new && matches!(step, Step::Checkout { .. }) {
                self.write_new(&step, &target).await?;
            } else {
                self.runner.step(&step).await?;
            }
        }
        let tracked = self.runner.tracked(&target).await?;
        report::warn_of_clashes(tracked, &self.repository.name());
        stamp::write(&self.repository.folder, tracked)?;
        let note = self.repository.note(fetched, &target);
        self.folder.finish(Some(&note))
    }

    /// Writes the files of a commit where none are, and asks meanwhile what there is to know of it.
    /// What git has just written is as the commit has it: nothing is dirty.
    async fn write_new(&self, step: &Step, target: &str) -> Result<()> {
        let describe = ["describe", "--tags", "--always", target];
        let (_, _, describe) = tokio::try_join!(
            self.runner.step(step),
            self.runner.tracked(target),
            self.runner.ask(&describe),
        )?;
        self.describe.replace(Some(describe));
        Ok(())
    }

    /// After a failure that left the files as some commit has them, a merge conflict for
    /// example, there is nothing that the next run might overwrite.
    async fn settle(&self, end: Result<()>, note: Option<&str>) -> Result<()> {
        let Err(error) = end else { return Ok(()) };
        let clean = self
            .runner
            .commit("HEAD")
            .await
            .is_ok_and(|head| head.is_some())
            && self
                .runner
                .changed_files(false)
                .await
                .is_ok_and(|files| files.is_empty());
        if clean {
            self.folder.finish(note)?;
        }
        Err(error)
    }

    /// Whether the repository is to come from another place than last time. That is right for
    /// a folder that checkout made; somebody else's clone is not turned into another one.
    async fn has_moved(&self) -> Result<Result<bool>> {
        let settings = self.runner.ask(&["config", "--null", "--list"]).await?;
        let all = |key: &str| {
            let settings = settings.split('\0');
            let found = settings.filter_map(|setting| setting.split_once('\n'));
            let found = found.filter(|(name, _)| name.eq_ignore_ascii_case(key));
            found.map(|(_, value)| value).collect::<Vec<_>>()
        };
        // Of several, git fetches from the first and `git config` shows the last.
        let origins = all("remote.origin.url");
        let is_same = |origin: &str| {
            CloneUrl::parse("origin", origin)
                .is_ok_and(|origin| self.repository.url.is_same(origin.as_str()))
        };
        if !origins.is_empty() && origins.iter().all(|origin| is_same(origin)) {
            return Ok(Ok(false));
        }
        if all(MADE_BY_CHECKOUT).last() == Some(&"true") {
            return Ok(Ok(true));
        }
        let other = origins.into_iter().find(|origin| !is_same(origin));
        Ok(Err(explain::other_origin(
            self.repository,
            other.unwrap_or_default(),
        )))
    }

    /// Whether an earlier run finished just this, and nobody has moved HEAD since.
    fn is_finished(&self, note: Option<&str>, fetched: &Fetched, head: Option<&str>) -> bool {
        head.is_some_and(|head| note == Some(&self.repository.note(fetched, head)))
    }
}
