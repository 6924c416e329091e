//! The only caller of the git program.
//!
//! Every setting that makes git safe, quiet and the same everywhere is decided in `settings`;
//! people's own credentials, proxies and certificates stay as they configured them.

mod mask;
mod settings;
mod version;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::app::Stop;
use crate::exec::{self, Cause, Sink, Stream};
use crate::redact::Rules;
use crate::{Error, Result, ResultExt};

pub use mask::mask;
pub use version::check_version;

/// More output than this is an error: nothing that is read whole is that long by right.
const MOST_OUTPUT: usize = 64 * 1024 * 1024;

/// How much of the end of stderr is kept; the reason of a failure is there.
const STDERR_TAIL: usize = 16 * 1024;

/// How many of git's last lines an error quotes.
const QUOTED_LINES: usize = 6;

/// How long a git that was asked to end may take to remove its lock files.
const GRACE: Duration = Duration::from_secs(10);

/// The git program, at work in one folder.
#[derive(Debug, Clone)]
pub struct Git {
    folder: PathBuf,
    env: Vec<(OsString, OsString)>,
    config: Vec<(String, String)>,
    secrets: Option<Rules>,
}

/// What a git command did, for callers to whom a failure says something.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code as a shell gives it.
    pub code: i32,
    /// All of its stdout.
    pub stdout: Vec<u8>,
    /// The last 16 KiB of its stderr, credentials masked.
    pub stderr: String,
}

impl Finished {
    /// Whether it succeeded.
    pub fn success(&self) -> bool {
        self.code == 0
    }

    /// Git's last lines on stderr, or its exit code where it said nothing.
    pub fn reason(&self) -> String {
        let lines: Vec<&str> = self.stderr.lines().map(str::trim_end).collect();
        let spoken: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
        if spoken.is_empty() {
            return format!("git ended with exit code {} and said nothing", self.code);
        }
        spoken[spoken.len().saturating_sub(QUOTED_LINES)..].join("\n")
    }
}

impl Git {
    /// Git in this folder: a work tree, anywhere in one, or a bare repository.
    pub fn at(folder: impl Into<PathBuf>) -> Git {
        Git {
            folder: folder.into(),
            env: Vec::new(),
            config: Vec::new(),
            secrets: None,
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds a variable, `GIT_INDEX_FILE` for example.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Git {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Adds a setting as `git -c` would; it wins over every configuration file.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Git {
        self.config.push((key.into(), value.into()));
        self
    }

    /// Masks these in what git says on stderr.
    #[must_use]
    pub fn secrets(mut self, rules: Rules) -> Git {
        self.secrets = Some(rules);
        self
    }

    /// The command `git -C FOLDER ARGS…`, ready for [`exec::run`]. Prints as a person would
    /// type it; the settings are in its environment.
    pub fn command<A: Into<OsString>>(&self, args: impl IntoIterator<Item = A>) -> exec::Command {
        let mut command = exec::Command::new("git");
        if !self.folder.as_os_str().is_empty() {
            command = command.arg("-C").arg(&self.folder);
        }
        command = command.args(args).env_remove(settings::FOREIGN_VARIABLES);
        for (name, value) in settings::variables(settings::settings_of_process(), &self.config) {
            command = command.env(name, value);
        }
        for (name, value) in &self.env {
            command = command.env(name, value);
        }
        command
    }

    /// Runs git and gives what it printed, trimmed. Git's failure is an error (exit 1) with
    /// its own last lines.
    pub async fn text<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        stop: &Stop,
    ) -> Result<String> {
        let bytes = self.bytes(args, stop).await?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// As [`Git::text`], byte for byte: for `-z` output. More than 64 MiB is an error.
    pub async fn bytes<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        stop: &Stop,
    ) -> Result<Vec<u8>> {
        let args: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().into()).collect();
        let finished = self.run(&args, stop).await?;
        if finished.success() {
            Ok(finished.stdout)
        } else {
            let command = mask(&self.command(&args).to_string());
            Err(Error::failed(command).because(finished.reason()))
        }
    }

    /// As [`Git::bytes`], for output of any length: hands it on as it comes.
    pub async fn stream<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        stop: &Stop,
        mut take: impl FnMut(&[u8]),
    ) -> Result<()> {
        let command = self.command(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        let take = |piece: &[u8]| {
            take(piece);
            Ok(())
        };
        let finished = listen(&command, std::future::pending(), stop, take, |_| {}).await?;
        if finished.success() {
            Ok(())
        } else {
            Err(Error::failed(mask(&command.to_string())).because(finished.reason()))
        }
    }

    /// Runs git and gives its end, failed or not. It is an error when git cannot be started,
    /// prints more than 64 MiB, or `stop` asks meanwhile: then git gets the signal and 10 s.
    pub async fn run<A: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        stop: &Stop,
    ) -> Result<Finished> {
        let command = self.command(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        let mut finished = finish(&command, stop).await?;
        if let Some(secrets) = &self.secrets {
            finished.stderr = secrets.redact(&finished.stderr);
        }
        Ok(finished)
    }
}

/// Runs a command made by [`Git::command`], as [`Git::run`] does.
pub async fn finish(command: &exec::Command, stop: &Stop) -> Result<Finished> {
    finish_until(command, std::future::pending(), stop, |_| {}).await
}

/// What is heard of a command while it runs.
#[derive(Debug, Clone, Copy)]
pub enum Heard<'a> {
    /// It has started; its process group has this number.
    Started(u32),
    /// A piece of its stderr, as it comes.
    Said(&'a [u8]),
}

/// As [`finish`], and ends the command when `cut` comes back: it has failed then.
pub async fn finish_until(
    command: &exec::Command,
    cut: impl Future<Output = ()>,
    stop: &Stop,
    heard: impl FnMut(Heard<'_>),
) -> Result<Finished> {
    let mut stdout = Vec::new();
    let keep = |piece: &[u8]| {
        if stdout.len() + piece.len() > MOST_OUTPUT {
            return Err(io::Error::other("it prints more than 64 MiB"));
        }
        stdout.extend_from_slice(piece);
        Ok(())
    };
    let finished = listen(command, cut, stop, keep, heard).await?;
    Ok(Finished { stdout, ..finished })
}

/// Runs a command; its stdout goes to `take`, piece by piece.
async fn listen(
    command: &exec::Command,
    cut: impl Future<Output = ()>,
    stop: &Stop,
    take: impl FnMut(&[u8]) -> io::Result<()>,
    heard: impl FnMut(Heard<'_>),
) -> Result<Finished> {
    let shown = || mask(&command.to_string());
    stop.check(&shown())?;
    let mut sink = Output {
        take,
        stderr: Vec::new(),
        heard,
    };
    let cut = async {
        cut.await;
        None
    };
    let ended = match exec::run_until(command, cut, GRACE, stop, &mut sink).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Error::failed(shown())
                .because(error)
                .hint("git has to be installed and on the PATH"));
        }
        other => other.or_failed(shown)?,
    };
    if let Cause::Stopped(signal) = ended.cause {
        return Err(Error::interrupted(
            signal,
            format!("interrupted: {}", shown()),
        ));
    }
    Ok(Finished {
        // One that was cut has failed, even if it ended well in the same moment.
        code: match (ended.cause, ended.code()) {
            (Cause::Deadline, 0) => 128,
            (_, code) => code,
        },
        stdout: Vec::new(),
        stderr: mask(&String::from_utf8_lossy(&sink.stderr)),
    })
}

/// Stdout as it comes, and the end of stderr.
struct Output<T, H> {
    take: T,
    stderr: Vec<u8>,
    heard: H,
}

impl<T: FnMut(&[u8]) -> io::Result<()>, H: FnMut(Heard<'_>)> Sink for Output<T, H> {
    fn started(&mut self, group: u32) {
        (self.heard)(Heard::Started(group));
    }

    async fn write(&mut self, stream: Stream, piece: &[u8]) -> io::Result<()> {
        match stream {
            Stream::Stdout => (self.take)(piece),
            Stream::Stderr => {
                (self.heard)(Heard::Said(piece));
                self.stderr.extend_from_slice(piece);
                let excess = self.stderr.len().saturating_sub(STDERR_TAIL);
                self.stderr.drain(..excess);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(work)
    }

    async fn repository(folder: &Path) -> Git {
        let git = Git::at(folder)
            .env("GIT_AUTHOR_NAME", "Test")
            .env("GIT_AUTHOR_EMAIL", "test@example.com")
            .env("GIT_COMMITTER_NAME", "Test")
            .env("GIT_COMMITTER_EMAIL", "test@example.com");
        git.text(["init", "--quiet"], &Stop::never()).await.unwrap();
        git
    }

    #[test]
    fn output_comes_back_and_a_failure_quotes_git() {
        on_a_runtime(async {
            let folder = tempfile::tempdir().unwrap();
            let git = repository(folder.path()).await;
            let stop = Stop::never();
            let args = ["commit", "--quiet", "--allow-empty", "--message=one"];
            git.text(args, &stop).await.unwrap();
            let count = git.text(["rev-list", "--count", "HEAD"], &stop).await;
            assert_eq!(count.unwrap(), "1");
            let error = git
                .text(["rev-parse", "--verify", "nope"], &stop)
                .await
                .unwrap_err();
            assert_eq!(
                error.report(),
                format!(
                    "git -C {} rev-parse --verify nope: fatal: Needed a single revision",
                    folder.path().display()
                )
            );
            assert_eq!(error.exit(), crate::Exit::Failed);
        });
    }

    #[test]
    fn a_repositorys_own_programs_are_not_run() {
        on_a_runtime(async {
            let folder = tempfile::tempdir().unwrap();
            let git = repository(folder.path()).await;
            let stop = Stop::never();
            let trap = folder.path().join("trap");
            std::fs::write(&trap, "#!/bin/sh\ntouch \"$0.sprung\"\nexit 1\n").unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&trap, mode).unwrap();
            std::fs::create_dir_all(folder.path().join(".git/hooks")).unwrap();
            std::fs::copy(&trap, folder.path().join(".git/hooks/pre-commit")).unwrap();
            let trap = trap.display().to_string();
            git.text(["config", "core.fsmonitor", &trap], &stop)
                .await
                .unwrap();
            git.text(["add", "--all"], &stop).await.unwrap();
            git.text(["commit", "--quiet", "--message=one"], &stop)
                .await
                .unwrap();
            git.text(["status", "--porcelain"], &stop).await.unwrap();
            assert!(!folder.path().join("trap.sprung").exists());
            let hook = folder.path().join(".git/hooks/pre-commit.sprung");
            assert!(!hook.exists());
        });
    }

    #[test]
    fn a_transport_that_runs_a_program_is_refused() {
        on_a_runtime(async {
            let folder = tempfile::tempdir().unwrap();
            let git = repository(folder.path()).await;
            let marker = folder.path().join("marker");
            let url = format!("ext::touch {}", marker.display());
            let finished = git.run(["fetch", &url], &Stop::never()).await.unwrap();
            assert!(finished.stderr.contains("transport 'ext' not allowed"));
            assert!(!marker.exists());
        });
    }

    #[test]
    fn a_stop_is_an_interruption_and_not_gits_failure() {
        on_a_runtime(async {
            let (handle, stop) = Stop::by_hand();
            handle.stop(15);
            let error = Git::at("/").text(["version"], &stop).await.unwrap_err();
            assert_eq!(error.exit(), crate::Exit::Interrupted(15));
        });
    }

    #[test]
    fn commands_are_printed_with_their_folder_and_without_their_settings() {
        let command = Git::at("/src/o/r").command(["status", "--porcelain", "-z"]);
        assert_eq!(command.to_string(), "git -C /src/o/r status --porcelain -z");
    }
}
