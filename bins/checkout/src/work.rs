//! Checks out one repository, and leaves its folder in a state that the next run understands.

use std::fs::File;
use std::time::{Duration, Instant};

use common::Result;
use common::app::Stop;

use crate::explain;
use crate::folder::{Folder, Found};
use crate::plan::Repository;
use crate::record::Record;
use crate::runner::Runner;
use crate::sequence::{Fetched, MADE_BY_CHECKOUT};
use crate::url::CloneUrl;

/// How often a run looks whether another one has left the folder.
const TURN: Duration = Duration::from_millis(200);

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
    stop: &'a Stop,
}

impl Work<'_> {
    async fn run(&mut self) -> Result<Placed> {
        // Before anything is written: the folder may be somebody else's.
        self.folder.look()?;
        let _turn = self.turn().await?;
        let found = self.folder.look()?;
        if found != Found::Nothing {
            self.runner.check_settings().await?;
        }
        match found {
            Found::Nothing => self.make(false).await?,
            Found::Unfinished => {
                self.folder.remove_stale_locks()?;
                self.make(true).await?;
            }
            Found::Fetching(note) => {
                self.folder.remove_stale_locks()?;
                self.folder.finish(note.as_deref())?;
                self.update(note).await?;
            }
            Found::Repository(note) => self.update(note).await?,
        }
        Ok(Placed {
            sha: self.runner.ask(&["rev-parse", "HEAD"]).await?,
            describe: self
                .runner
                .ask(&["describe", "--tags", "--always", "--dirty"])
                .await?,
        })
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

    /// A folder that is all checkout's own: files in the way are its own too.
    async fn make(&mut self, unfinished: bool) -> Result<()> {
        self.folder.begin()?;
        self.start().await?;
        let fetched = self.fetch().await?;
        let end = self.place(&fetched, unfinished).await;
        self.settle(end, None).await
    }

    /// A repository that was there: its uncommitted changes are somebody's work.
    async fn update(&mut self, note: Option<String>) -> Result<()> {
        let head = self.runner.commit("HEAD").await?;
        if let Some(pinned) = self.repository.pinned()
            && self.is_finished(note.as_deref(), &pinned, head.as_deref())
        {
            tracing::info!("{} is checked out already", self.repository.name());
            return Ok(());
        }
        let moved = self.has_moved().await?;
        let changed = self.runner.changed_files().await?;
        if changed.is_empty() {
            self.folder.fetching(note.as_deref())?;
            if moved {
                self.start().await?;
            }
            let end = self.fetch().await;
            if end.is_err() {
                // The files are as they were; the next run has to respect changes to them.
                self.folder.finish(note.as_deref())?;
            }
            let fetched = end?;
            self.folder.begin()?;
            let end = self.place(&fetched, false).await;
            return self.settle(end, note.as_deref()).await;
        }
        if moved {
            return Err(explain::changed(self.repository, &changed));
        }
        let fetched = self.fetch().await?;
        let target = self.repository.target(&fetched);
        let at_target = target.is_some() && target == head;
        if at_target || self.is_finished(note.as_deref(), &fetched, head.as_deref()) {
            tracing::info!("{} is checked out already", self.repository.name());
            return Ok(());
        }
        Err(explain::changed(self.repository, &changed))
    }

    async fn start(&mut self) -> Result<()> {
        for step in self.repository.start_steps() {
            self.runner.step(&step).await?;
        }
        Ok(())
    }

    /// Fetches everything, and gives the commits that it is about.
    async fn fetch(&mut self) -> Result<Fetched> {
        tracing::info!(
            "{}: fetching from {}",
            self.repository.name(),
            self.repository.url
        );
        for step in self.repository.fetch_steps() {
            self.runner.step(&step).await?;
        }
        let names = self.repository.fetched();
        let mut commits = Vec::new();
        for name in std::iter::once(&names.base).chain(&names.pulls) {
            match self.runner.commit(name).await? {
                Some(commit) => commits.push(commit),
                None => return Err(explain::no_commit(self.repository, name)),
            }
        }
        Ok(Fetched {
            base: commits.remove(0),
            pulls: commits,
        })
    }

    /// Writes the files.
    async fn place(&mut self, fetched: &Fetched, force: bool) -> Result<()> {
        self.runner.date_from(&fetched.base).await?;
        for step in self.repository.place_steps(fetched, force) {
            self.runner.step(&step).await?;
        }
        let head = self.runner.commit("HEAD").await?.unwrap_or_default();
        let note = self.repository.note(fetched, &head);
        self.folder.finish(Some(&note))
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
                .changed_files()
                .await
                .is_ok_and(|files| files.is_empty());
        if clean {
            self.folder.finish(note)?;
        }
        Err(error)
    }

    /// Whether the repository is to come from another place than last time. That is right for
    /// a folder that checkout made; somebody else's clone is not turned into another one.
    async fn has_moved(&self) -> Result<bool> {
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
            return Ok(false);
        }
        if all(MADE_BY_CHECKOUT).last() == Some(&"true") {
            return Ok(true);
        }
        let other = origins.into_iter().find(|origin| !is_same(origin));
        Err(explain::other_origin(
            self.repository,
            other.unwrap_or_default(),
        ))
    }

    /// Whether an earlier run finished just this, and nobody has moved HEAD since.
    fn is_finished(&self, note: Option<&str>, fetched: &Fetched, head: Option<&str>) -> bool {
        head.is_some_and(|head| note == Some(&self.repository.note(fetched, head)))
    }
}
