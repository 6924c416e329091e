//! Checks out one repository: runs its steps, tries again where that may help, and leaves the
//! folder in a state that the next run understands.

use std::time::{Duration, Instant};

use common::app::Stop;
use common::git::{self, Finished, Git};
use common::{Error, Result};

use crate::explain;
use crate::fault::Fault;
use crate::folder::{Folder, Found};
use crate::plan::Repository;
use crate::record::{Command, Record};
use crate::step::{Fetched, Step, When};
use crate::url::CloneUrl;

/// Pauses before the second and the further tries of a command that the network failed.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_millis(1500),
    Duration::from_secs(4),
];

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
        git: repository.git(),
        stop,
        base_time: 0,
        record: Record::new(&repository.refs),
    };
    let end = work.run().await;
    let mut record = work.record;
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
    git: Git,
    stop: &'a Stop,
    /// When the base was committed, in seconds since 1970; known once it is fetched.
    base_time: i64,
    record: Record,
}

impl Work<'_> {
    async fn run(&mut self) -> Result<Placed> {
        match self.folder.look()? {
            Found::Nothing => self.make().await?,
            Found::Unfinished => {
                self.folder.remove_stale_locks()?;
                self.make().await?;
            }
            Found::Repository(note) => self.update(note).await?,
        }
        Ok(Placed {
            sha: self.ask(&["rev-parse", "HEAD"]).await?,
            describe: self
                .ask(&["describe", "--tags", "--always", "--dirty"])
                .await?,
        })
    }

    /// A folder that is all checkout's own: files in the way are its own too.
    async fn make(&mut self) -> Result<()> {
        self.folder.begin()?;
        for step in self.repository.start_steps() {
            self.step(&step).await?;
        }
        let fetched = self.fetch().await?;
        let end = self.place(&fetched, true).await;
        self.settle(end, None).await
    }

    /// A repository that was there: its uncommitted changes are somebody's work.
    async fn update(&mut self, note: Option<String>) -> Result<()> {
        self.check_origin().await?;
        let head = self.commit("HEAD").await?;
        if let Some(pinned) = self.repository.pinned()
            && self.is_finished(note.as_deref(), &pinned, head.as_deref())
        {
            tracing::info!("{} is checked out already", self.repository.name());
            return Ok(());
        }
        let changed = self.changed_files().await?;
        if changed.is_empty() {
            self.folder.begin()?;
            let end = self.fetch().await;
            if end.is_err() {
                // The files are as they were; the next run has to respect changes to them.
                self.folder.finish(note.as_deref())?;
            }
            let end = self.place(&end?, false).await;
            return self.settle(end, note.as_deref()).await;
        }
        let fetched = self.fetch().await?;
        let at_target = self.repository.target(&fetched) == head;
        if at_target || self.is_finished(note.as_deref(), &fetched, head.as_deref()) {
            tracing::info!("{} is checked out already", self.repository.name());
            return Ok(());
        }
        Err(explain::changed(self.repository, &changed))
    }

    /// Fetches everything, and gives the commits that it is about.
    async fn fetch(&mut self) -> Result<Fetched> {
        tracing::info!(
            "{}: fetching from {}",
            self.repository.name(),
            self.repository.url
        );
        for step in self.repository.fetch_steps() {
            self.step(&step).await?;
        }
        let names = self.repository.fetched();
        let mut commits = Vec::new();
        for name in std::iter::once(&names.base).chain(&names.pulls) {
            match self.commit(name).await? {
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
        let time = ["log", "-1", "--format=%ct", &fetched.base, "--"];
        self.base_time = self.ask(&time).await?.parse().unwrap_or_default();
        for step in self.repository.place_steps(fetched, force) {
            self.step(&step).await?;
        }
        let head = self.commit("HEAD").await?.unwrap_or_default();
        let note = self.repository.note(fetched, &head);
        self.folder.finish(Some(&note))
    }

    /// After a failure that left the files as some commit has them, a merge conflict for
    /// example, there is nothing that the next run might overwrite.
    async fn settle(&self, end: Result<()>, note: Option<&str>) -> Result<()> {
        let Err(error) = end else { return Ok(()) };
        let clean = self.commit("HEAD").await.is_ok_and(|head| head.is_some())
            && self
                .changed_files()
                .await
                .is_ok_and(|files| files.is_empty());
        if clean {
            self.folder.finish(note)?;
        }
        Err(error)
    }

    /// Runs a step if it is needed.
    async fn step(&mut self, step: &Step) -> Result<()> {
        if !self.is_needed(&step.when()).await? {
            return Ok(());
        }
        let mut pauses = PAUSES.iter();
        loop {
            let finished = self.recorded(step).await?;
            if finished.success() {
                return Ok(());
            }
            if !step.uses_network() {
                return Err(self.local_failure(step, &finished).await);
            }
            let fault = Fault::of(&finished.stderr);
            if fault == Fault::NoRef && matches!(step, Step::FetchPull { may_lack: true, .. }) {
                // The commit itself may still be there; the next step asks for it.
                return Ok(());
            }
            match pauses.next() {
                Some(pause) if fault == Fault::Transient => self.pause(*pause, &finished).await?,
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
            When::Submodules => self.folder.has_submodules(),
        })
    }

    /// Runs a step's command once and records it.
    async fn recorded(&mut self, step: &Step) -> Result<Finished> {
        let command = self.git_for(step).command(step.args());
        let line = git::mask(&command.to_string());
        tracing::debug!("{line}");
        let start = Instant::now();
        let end = git::finish(&command, self.stop).await;
        let (output, error) = match &end {
            Ok(finished) => {
                let stdout = git::mask(&String::from_utf8_lossy(&finished.stdout));
                let error = (!finished.success()).then(|| format!("exit status {}", finished.code));
                (stdout + &finished.stderr, error.unwrap_or_default())
            }
            Err(error) => (String::new(), error.report()),
        };
        self.record.commands.push(Command {
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
            "{}: {}; trying again in {pause:?}",
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

    /// A clone of something else is not to be turned into this one.
    async fn check_origin(&self) -> Result<()> {
        let get = ["config", "--get", "remote.origin.url"];
        let finished = self.git.run(get, self.stop).await?;
        let origin = String::from_utf8_lossy(&finished.stdout).trim().to_owned();
        let same = CloneUrl::parse("origin", &origin)
            .is_ok_and(|origin| self.repository.url.is_same(origin.as_str()));
        if same {
            Ok(())
        } else {
            Err(explain::other_origin(self.repository, &origin))
        }
    }

    /// Whether an earlier run finished just this, and nobody has moved HEAD since.
    fn is_finished(&self, note: Option<&str>, fetched: &Fetched, head: Option<&str>) -> bool {
        head.is_some_and(|head| note == Some(&self.repository.note(fetched, head)))
    }

    /// The tracked files with uncommitted changes.
    async fn changed_files(&self) -> Result<Vec<String>> {
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
    async fn commit(&self, revision: &str) -> Result<Option<String>> {
        let revision = format!("{revision}^{{commit}}");
        let args = ["rev-parse", "--verify", "--quiet", &revision];
        let finished = self.git.run(args, self.stop).await?;
        let id = String::from_utf8_lossy(&finished.stdout).trim().to_owned();
        Ok(finished.success().then_some(id))
    }

    async fn ask(&self, args: &[&str]) -> Result<String> {
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
