//! Runs one repository's steps and questions: tries again where that may help, and records.

use std::time::{Duration, Instant};

use common::app::Stop;
use common::git::{self, Finished, Git};
use common::job::check_sha;
use common::{Error, Result};

use crate::explain;
use crate::fault::Fault;
use crate::folder::Folder;
use crate::guard;
use crate::lfs;
use crate::plan::Repository;
use crate::record::Command;
use crate::retry;
use crate::step::{Step, When};
use crate::transfer;

/// Git at work for one repository.
pub(crate) struct Runner<'a> {
    repository: &'a Repository,
    git: Git,
    stop: &'a Stop,
    /// When the base was committed, in seconds since 1970; known once it is fetched.
    base_time: i64,
    /// What was run.
    commands: Vec<Command>,
}

impl<'a> Runner<'a> {
    /// One that has run nothing.
    pub(crate) fn new(repository: &'a Repository, stop: &'a Stop) -> Self {
        Runner {
            repository,
            git: repository.git(),
            stop,
            base_time: 0,
            commands: Vec::new(),
        }
    }

    /// What was run, in order; each try is one.
    pub(crate) fn into_commands(self) -> Vec<Command> {
        self.commands
    }

    /// Takes the time of the base commit, from which merges are dated.
    pub(crate) async fn date_from(&mut self, base: &str) -> Result<()> {
        let time = ["log", "-1", "--format=%ct", base, "--"];
        self.base_time = self.ask(&time).await?.parse().unwrap_or_default();
        Ok(())
    }

    /// Runs a step if it is needed.
    pub(crate) async fn step(&mut self, step: &Step) -> Result<()> {
        if !self.is_needed(&step.when()).await? {
            return Ok(());
        }
        let mut pauses = retry::pauses();
        loop {
            let finished = self.recorded(step).await?;
            if finished.success() {
                return Ok(());
            }
            if !step.uses_network() {
                return Err(self.local_failure(step, &finished).await);
            }
            if let Some(error) = self.repository.access.error(&self.repository.name()) {
                return Err(error);
            }
            let fault = Fault::of(&finished.stderr);
            if fault == Fault::NoRef && matches!(step, Step::FetchPull { may_lack: true, .. }) {
                // The commit itself may still be there; the next step asks for it.
                return Ok(());
            }
            match pauses.next() {
                Some(pause) if fault == Fault::Transient => self.pause(pause, &finished).await?,
                _ => return Err(explain::network(self.repository, step, fault, &finished)),
            }
        }
    }

    async fn is_needed(&self, when: &When) -> Result<bool> {
        Ok(match when {
            When::Always | When::New => true,
            When::Missing(id) => self.commit(id).await?.is_none(),
            When::Unrelated([one, other]) => {
                let related = self.git.run(["merge-base", one, other], self.stop).await?;
                let shallow = self.ask(&["rev-parse", "--is-shallow-repository"]).await?;
                !related.success() && shallow == "true"
            }
            When::Submodules => Folder::at(&self.repository.folder).has_submodules(),
            When::LargeFiles => self.wants_large_files(false).await?,
            When::LargeFilesSetUp => lfs::is_set_up(&self.git, self.stop).await?,
            When::LargeFilesInSubmodules => {
                Folder::at(&self.repository.folder).has_submodules()
                    && self.wants_large_files(true).await?
            }
        })
    }

    /// Runs a step's command once and records it.
    async fn recorded(&mut self, step: &Step) -> Result<Finished> {
        let command = self.git_for(step).command(step.args());
        let line = git::mask(&command.to_string());
        tracing::debug!("{line}");
        let start = Instant::now();
        let end = if step.uses_network() {
            let limit = self.repository.stall_timeout;
            transfer::finish(&command, &self.repository.name(), limit, self.stop).await
        } else {
            git::finish(&command, self.stop).await
        };
        let (output, error) = match &end {
            Ok(finished) => {
                let stdout = git::mask(&String::from_utf8_lossy(&finished.stdout));
                let error = (!finished.success()).then(|| format!("exit status {}", finished.code));
                (stdout + &finished.stderr, error.unwrap_or_default())
            }
            Err(error) => (String::new(), error.report()),
        };
        self.commands.push(Command {
            command: line,
            output,
            error,
            duration: start.elapsed(),
        });
        end
    }

    /// Git as this step needs it. Prow dates merges by the base, so that the same merge has the
    /// same hash.
    fn git_for(&self, step: &Step) -> Git {
        let Step::Merge { nth, .. } = step else {
            return self.git.clone();
        };
        let time = self.base_time.saturating_add(i64::from(*nth));
        let date = format!("@{time} +0000");
        let git = self.git.clone().env("GIT_AUTHOR_DATE", &date);
        git.env("GIT_COMMITTER_DATE", &date)
    }

    async fn pause(&self, pause: Duration, finished: &Finished) -> Result<()> {
        tracing::warn!(
            "{}: {}; trying again in {pause:.1?}",
            self.repository.name(),
            finished.reason()
        );
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            _ = self.stop.wait() => self.stop.check(&format!("fetching {}", self.repository.url)),
        }
    }

    async fn local_failure(&self, step: &Step, finished: &Finished) -> Error {
        let Step::Merge { number, rev, .. } = step else {
            return explain::local(self.repository, &self.git.command(step.args()), finished);
        };
        let unmerged = ["diff", "--name-only", "--diff-filter=U", "-z"];
        let files = match self.git.bytes(unmerged, self.stop).await {
            Ok(files) => names(&files),
            Err(error) => return error,
        };
        if files.is_empty() {
            return explain::local(self.repository, &self.git.command(step.args()), finished);
        }
        match self.git.text(["merge", "--abort"], self.stop).await {
            Ok(_) => explain::conflict(self.repository, *number, rev, &files),
            Err(error) => error,
        }
    }

    async fn wants_large_files(&self, in_submodules: bool) -> Result<bool> {
        lfs::is_wanted(&self.git, &self.repository.name(), in_submodules, self.stop).await
    }

    /// Refuses a repository whose settings are not safe.
    pub(crate) async fn check_settings(&self) -> Result<()> {
        guard::check(&self.git, self.stop).await
    }

    /// The tracked files with uncommitted changes.
    pub(crate) async fn changed_files(&self) -> Result<Vec<String>> {
        let status = [
            "status",
            "--porcelain",
            "-z",
            "--no-renames",
            "--untracked-files=no",
            "--ignore-submodules=untracked",
        ];
        let lines = names(&self.git.bytes(status, self.stop).await?);
        // Two letters of state and a space come before the name.
        let name = |line: String| line.get(3..).unwrap_or_default().to_owned();
        Ok(lines.into_iter().map(name).collect())
    }

    /// The commit that a revision stands for, if it is here.
    ///
    /// A part of an id may be the name of a tag or branch as well, `20200101` for example.
    /// Those come first, as they do for git, to whom a fetched branch has another name.
    pub(crate) async fn commit(&self, revision: &str) -> Result<Option<String>> {
        if revision.len() < 40 && check_sha("", revision).is_ok() {
            for kind in ["tags", "remotes/origin"] {
                let named = self.look_up(&format!("refs/{kind}/{revision}")).await?;
                if named.is_some() {
                    return Ok(named);
                }
            }
        }
        self.look_up(revision).await
    }

    async fn look_up(&self, revision: &str) -> Result<Option<String>> {
        let revision = format!("{revision}^{{commit}}");
        let args = ["rev-parse", "--verify", "--quiet", &revision];
        let finished = self.git.run(args, self.stop).await?;
        let id = String::from_utf8_lossy(&finished.stdout).trim().to_owned();
        Ok(finished.success().then_some(id))
    }

    pub(crate) async fn ask(&self, args: &[&str]) -> Result<String> {
        self.git.text(args, self.stop).await
    }
}

/// The names in git's `-z` output.
fn names(output: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(output)
        .split_terminator('\0')
        .map(str::to_owned)
        .collect()
}
