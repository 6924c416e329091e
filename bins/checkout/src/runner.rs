//! Runs one repository's steps and questions: tries again where that may help, and records.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use common::app::Stop;
use common::git::{self, Finished, Git};
use common::job::check_sha;
use common::{Error, Result};
use tokio::sync::OnceCell;

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
    /// What was run.
    commands: RefCell<Vec<Command>>,
    /// The files of the commit that is checked out.
    tracked: OnceCell<Vec<u8>>,
}

impl<'a> Runner<'a> {
    /// One that has run nothing.
    pub(crate) fn new(repository: &'a Repository, stop: &'a Stop) -> Self {
        Runner {
            repository,
            git: repository.git(),
            stop,
            commands: RefCell::default(),
            tracked: OnceCell::new(),
        }
    }

    /// What was run, in the order of its end; each try is one.
    pub(crate) fn into_commands(self) -> Vec<Command> {
        self.commands.into_inner()
    }

    /// Runs a step if it is needed; gives what it printed.
    pub(crate) async fn step(&self, step: &Step) -> Result<Vec<u8>> {
        if !self.is_needed(&step.when()).await? {
            return Ok(Vec::new());
        }
        let git = match step {
            // Trees are not part of a history that could be negotiated.
            Step::FetchTrees { .. } => {
                let git = self.git.clone();
                git.config("fetch.negotiationAlgorithm", "noop")
            }
            _ => self.git.clone(),
        };
        self.step_by(&git, step).await
    }

    /// Runs a step with this git.
    pub(crate) async fn step_by(&self, git: &Git, step: &Step) -> Result<Vec<u8>> {
        let finished = self.tried(git, step).await?;
        if finished.success() {
            Ok(finished.stdout)
        } else {
            Err(self.failure(step, &finished))
        }
    }

    /// Runs a step with the repository's own git, failed or not.
    pub(crate) async fn tried_here(&self, step: &Step) -> Result<Finished> {
        self.tried(&self.git, step).await
    }

    /// Runs a step, again where that may help; gives its last end, failed or not.
    pub(crate) async fn tried(&self, git: &Git, step: &Step) -> Result<Finished> {
        let mut pauses = retry::pauses();
        loop {
            let finished = self.once(git, step).await?;
            if finished.success() || !step.uses_network() {
                return Ok(finished);
            }
            if let Some(error) = self.repository.access.error(&self.repository.name()) {
                return Err(error);
            }
            match pauses.next() {
                Some(pause) if Fault::of(&finished.stderr) == Fault::Transient => {
                    self.pause(pause, &finished).await?;
                }
                _ => return Ok(finished),
            }
        }
    }

    /// What a step's failure means.
    pub(crate) fn failure(&self, step: &Step, finished: &Finished) -> Error {
        let fault = Fault::of(&finished.stderr);
        if step.is_fetch() || (step.uses_network() && fault == Fault::Transient) {
            explain::network(self.repository, step, fault, finished)
        } else {
            explain::local(self.repository, &self.git.command(step.args()), finished)
        }
    }

    async fn is_needed(&self, when: &When) -> Result<bool> {
        Ok(match when {
            When::Always | When::New | When::Settings | When::Beside | When::MissingTrees => true,
            When::Missing(id) => self.commit(id).await?.is_none(),
            When::Unrelated([one, other]) => {
                let related = self.git.run(["merge-base", one, other], self.stop).await?;
                let shallow = self.ask(&["rev-parse", "--is-shallow-repository"]).await?;
                !related.success() && shallow == "true"
            }
            When::Sparse => self.is_sparse().await?,
            When::Submodules => Folder::at(&self.repository.folder).has_submodules(),
            When::SubmodulesThere => Folder::at(&self.repository.folder).has_modules(),
            When::LargeFiles => self.wants_large_files(false).await?,
            When::LargeFilesSetUp => lfs::is_set_up(&self.git, self.stop).await?,
            When::LargeFilesInSubmodules => {
                Folder::at(&self.repository.folder).has_submodules()
                    && self.wants_large_files(true).await?
            }
        })
    }

    /// Runs a step's command once and records it.
    pub(crate) async fn once(&self, git: &Git, step: &Step) -> Result<Finished> {
        let mut command = git.command(step.args());
        let line = git::mask(&command.to_string());
        tracing::debug!("{line}");
        let start = Instant::now();
        let access = &self.repository.access;
        let mut end = if step.uses_network() {
            // A killed checkout would leave a git that waits for its server.
            command = command.held();
            transfer::finish(&command, self.repository, self.stop).await
        } else {
            git::finish(&command, self.stop).await
        };
        if let Ok(finished) = &mut end {
            finished.stderr = access.redact(&finished.stderr);
        }
        let (output, error) = match &end {
            Ok(finished) => {
                let stdout = String::from_utf8_lossy(&finished.stdout);
                let stdout = access.redact(&git::mask(&stdout));
                let error = (!finished.success()).then(|| format!("exit status {}", finished.code));
                (stdout + &finished.stderr, error.unwrap_or_default())
            }
            Err(error) => (String::new(), error.report()),
        };
        self.commands.borrow_mut().push(Command {
            command: line,
            output,
            error,
            duration: start.elapsed(),
        });
        end
    }

    async fn pause(&self, pause: Duration, finished: &Finished) -> Result<()> {
        tracing::warn!(
            "{}: {}; trying again in {pause:.1?}",
            self.repository.name(),
            finished.reason()
        );
        let what = format!("fetching {}", self.repository.url);
        self.sleep(pause, &what).await
    }

    /// Waits; a signal meanwhile is an interruption of `what`.
    pub(crate) async fn sleep(&self, pause: Duration, what: &str) -> Result<()> {
        self.unless_stopped(tokio::time::sleep(pause), what).await
    }

    /// Waits for some work; a signal meanwhile is an interruption of `what`.
    pub(crate) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = T>,
        what: &str,
    ) -> Result<T> {
        tokio::select! {
            done = work => Ok(done),
            number = self.stop.wait() => {
                Err(Error::interrupted(number, format!("interrupted: {what}")))
            }
        }
    }

    /// Whether some folders only are checked out. Git is asked only where that may be.
    async fn is_sparse(&self) -> Result<bool> {
        let patterns = self.repository.folder.join(".git/info/sparse-checkout");
        let ask = ["config", "--get", "--type=bool", "core.sparseCheckout"];
        Ok(patterns.exists() && self.lines_if_any(&ask).await? == ["true"])
    }

    async fn wants_large_files(&self, in_submodules: bool) -> Result<bool> {
        let name = self.repository.name();
        let folder = &self.repository.folder;
        if !in_submodules {
            return Ok(lfs::is_wanted(folder, self.tracked("HEAD").await?, &name));
        }
        let list = ["ls-files", "-z", "--recurse-submodules"];
        let what = ["--", ":(glob)**/.gitattributes"];
        let listed = self
            .git
            .bytes([&list[..], &what].concat(), self.stop)
            .await?;
        let whose = format!("a submodule of {name}");
        Ok(lfs::is_wanted(folder, &listed, &whose))
    }

    /// The files of the commit that this run checks out, in the order of the index, each with a NUL
    /// behind it.
    pub(crate) async fn tracked(&self, commit: &str) -> Result<&[u8]> {
        let list = ["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit];
        let list = self.git.bytes(list, self.stop);
        Ok(self.tracked.get_or_try_init(|| list).await?)
    }

    /// Where a commit has submodules.
    pub(crate) async fn submodules(&self, commit: &str) -> Result<Vec<String>> {
        let list = ["ls-tree", "-r", "-z", "--full-tree", commit];
        let listed = names(&self.git.bytes(list, self.stop).await?);
        let links = listed.iter().filter(|line| line.starts_with("160000 "));
        let paths = links.filter_map(|line| line.split_once('\t'));
        Ok(paths.map(|(_, path)| path.to_owned()).collect())
    }

    /// The files of the index, each with a NUL behind it.
    pub(crate) async fn indexed(&self) -> Result<Vec<u8>> {
        self.git.bytes(["ls-files", "-z"], self.stop).await
    }

    /// Refuses a repository whose settings are not safe.
    pub(crate) async fn check_settings(&self) -> Result<()> {
        guard::check(&self.git, &self.repository.settings(), self.stop).await
    }

    /// The tracked files with uncommitted changes, and the others too if asked.
    pub(crate) async fn changed_files(&self, untracked: bool) -> Result<Vec<String>> {
        let status = [
            "status",
            "--porcelain",
            "-z",
            "--no-renames",
            if untracked {
                "--untracked-files=normal"
            } else {
                "--untracked-files=no"
            },
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

    /// What has been fetched, as far as refs lead to it.
    pub(crate) async fn heads(&self) -> Result<Heads> {
        let format = "--format=%(refname) %(objecttype) %(objectname) %(committerdate:unix)";
        let listed = self.ask(&["for-each-ref", format, "refs/remotes"]).await?;
        Ok(Heads::parse(&listed))
    }

    async fn look_up(&self, revision: &str) -> Result<Option<String>> {
        let revision = format!("{revision}^{{commit}}");
        let args = ["rev-parse", "--verify", "--quiet", &revision];
        let finished = self.git.run(args, self.stop).await?;
        let id = String::from_utf8_lossy(&finished.stdout).trim().to_owned();
        Ok(finished.success().then_some(id))
    }

    /// Whether one commit is the other, or in its history.
    pub(crate) async fn is_ancestor(&self, one: &str, other: &str) -> Result<bool> {
        let args = ["merge-base", "--is-ancestor", one, other];
        Ok(self.git.run(args, self.stop).await?.success())
    }

    /// Removes a setting, if it is there.
    pub(crate) async fn unset(&self, key: &str) -> Result<()> {
        self.git
            .run(["config", "--unset-all", key], self.stop)
            .await?;
        Ok(())
    }

    /// Removes a ref.
    pub(crate) async fn remove_ref(&self, name: &str) -> Result<()> {
        self.ask(&["update-ref", "--no-deref", "-d", name]).await?;
        Ok(())
    }

    /// The lines of an answer; none where git fails, because it found nothing.
    pub(crate) async fn lines_if_any(&self, args: &[&str]) -> Result<Vec<String>> {
        let finished = self.git.run(args, self.stop).await?;
        let text = String::from_utf8_lossy(&finished.stdout).into_owned();
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// The trees of some commits that are not here, as far as that can be seen from here. Asking
    /// fetches nothing.
    pub(crate) async fn missing_trees(&self, commits: &[String]) -> Result<Vec<String>> {
        let list = [
            "rev-list",
            "--objects",
            "--no-walk",
            "--no-object-names",
            "--missing=print",
            "--filter=blob:none",
        ];
        let commits: Vec<&str> = commits.iter().map(String::as_str).collect();
        let listed = self.ask(&[&list, &commits[..]].concat()).await?;
        let missing = listed.lines().filter_map(|line| line.strip_prefix('?'));
        Ok(missing.map(str::to_owned).collect())
    }

    /// What git says to a question, trimmed.
    pub(crate) async fn ask(&self, args: &[&str]) -> Result<String> {
        self.ask_by(&self.git, args).await
    }

    /// What this git says to a question, trimmed.
    pub(crate) async fn ask_by(&self, git: &Git, args: &[&str]) -> Result<String> {
        git.text(args, self.stop).await
    }

    /// The names that this git lists, each with a NUL behind it.
    pub(crate) async fn names_by(&self, git: &Git, args: &[&str]) -> Result<Vec<String>> {
        Ok(names(&git.bytes(args, self.stop).await?))
    }
}

/// The commits that refs of the server lead to.
#[derive(Debug, Default)]
pub(crate) struct Heads(Vec<Head>);

#[derive(Debug)]
struct Head {
    name: String,
    id: String,
    time: i64,
}

impl Heads {
    /// Lines of name, type, id and time; a tag is not the commit that it stands for.
    fn parse(listed: &str) -> Heads {
        let parse = |line: &str| {
            let mut words = line.split_whitespace();
            let name = words.next()?.to_owned();
            words.next().filter(|kind| *kind == "commit")?;
            let id = words.next()?.to_owned();
            let time = words.next()?.parse().ok()?;
            Some(Head { name, id, time })
        };
        Heads(listed.lines().filter_map(parse).collect())
    }

    /// The commit of a ref.
    pub(crate) fn of(&self, name: &str) -> Option<&String> {
        let head = self.0.iter().find(|head| head.name == name)?;
        Some(&head.id)
    }

    /// Whether a ref leads to just this commit.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.time(id).is_some()
    }

    /// When this commit was made, in seconds, if a ref leads to it.
    pub(crate) fn time(&self, id: &str) -> Option<i64> {
        let head = self.0.iter().find(|head| head.id == id)?;
        Some(head.time)
    }
}

/// The names in git's `-z` output.
pub(crate) fn names(output: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(output)
        .split_terminator('\0')
        .map(str::to_owned)
        .collect()
}
