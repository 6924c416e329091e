//! Checks out one repository, and leaves its folder in a state that the next run understands.

mod make;
mod update;
mod write;

use std::cell::RefCell;
use std::fs::File;
use std::time::{Duration, Instant};

use common::app::Stop;
use common::{Error, Result};

use crate::folder::{Folder, Found};
use crate::plan::Repository;
use crate::record::Record;
use crate::report::Submodule;
use crate::runner::Runner;
use crate::stamp;

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
    /// The submodules, where they were looked at.
    pub submodules: Option<Vec<Submodule>>,
}

/// Checks out a repository. The record says what was run, however it ended.
pub(crate) async fn check_out(repository: &Repository, stop: &Stop) -> (Record, Result<Placed>) {
    let start = Instant::now();
    let mut work = Work {
        repository,
        folder: Folder::at(&repository.folder),
        runner: Runner::new(repository, stop),
        describe: RefCell::default(),
        submodules: RefCell::default(),
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
    /// The submodules of a checkout that was finished.
    submodules: RefCell<Option<Vec<Submodule>>>,
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
        Ok(Placed {
            sha,
            describe,
            submodules: self.submodules.take(),
        })
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
}
