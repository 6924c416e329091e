//! Child processes: each in a process group of its own, bounded in time, its output streamed
//! in bounded memory, nothing of it left running.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::app::Stop;

/// How much output is read at once; what a running child costs in memory.
const CHUNK: usize = 64 * 1024;

/// How long no output has to come after the child's end before the stream counts as done.
const SILENCE: Duration = Duration::from_millis(200);

/// A program to run, as data: it can be printed, tested and recorded before it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// The program, found on the `PATH` of `env` (or of this process) unless it has a slash.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables to set.
    pub env: Vec<(OsString, OsString)>,
    /// Starts from an empty environment instead of this process' own.
    pub env_clear: bool,
    /// Variables of this process that the child must not see.
    pub env_remove: Vec<OsString>,
    /// Folder to run in.
    pub current_dir: Option<PathBuf>,
    /// Sends stderr down the same pipe as stdout, so that their order is kept.
    pub merge_output: bool,
}

impl Command {
    /// A program without arguments.
    pub fn new(program: impl Into<OsString>) -> Self {
        Command {
            program: program.into(),
            ..Command::default()
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Hides variables of this process from the child; one that is set as well stays set.
    #[must_use]
    pub fn env_remove<N: Into<OsString>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.env_remove.extend(names.into_iter().map(Into::into));
        self
    }

    /// Runs in this folder.
    #[must_use]
    pub fn current_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.current_dir = Some(folder.into());
        self
    }

    /// Keeps the order of stdout and stderr; both arrive as [`Stream::Stdout`].
    #[must_use]
    pub fn merge_output(mut self) -> Self {
        self.merge_output = true;
        self
    }

    fn spawn(&self) -> io::Result<(Child, Pipes)> {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(&self.args)
            .stdin(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        if self.env_clear {
            command.env_clear();
        }
        for name in &self.env_remove {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.current_dir {
            command.current_dir(folder);
        }
        let (reader, writer) = io::pipe()?;
        let stderr = if self.merge_output {
            command.stderr(writer.try_clone()?);
            None
        } else {
            let (reader, writer) = io::pipe()?;
            command.stderr(writer);
            Some(reader)
        };
        command.stdout(writer);
        let child = command.spawn()?;
        // `command` holds the writing ends; the pipes end only when it is dropped.
        drop(command);
        let open =
            |pipe: io::PipeReader| tokio::net::unix::pipe::Receiver::from_owned_fd(pipe.into());
        Ok((
            child,
            Pipes {
                stdout: open(reader)?,
                stderr: stderr.map(open).transpose()?,
            },
        ))
    }
}

/// As a person would type it into a shell.
impl std::fmt::Display for Command {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&quote(&self.program.to_string_lossy()))?;
        for arg in &self.args {
            write!(out, " {}", quote(&arg.to_string_lossy()))?;
        }
        Ok(())
    }
}

/// A word as a POSIX shell takes it, whatever is in it; plain words stay as they are.
pub fn quote(word: &str) -> String {
    // Control characters would be lost or dangerous on the way through a terminal.
    let printable: String = word
        .chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .collect();
    shlex::try_quote(&printable).map_or_else(|_| "''".to_owned(), std::borrow::Cow::into_owned)
}

struct Pipes {
    stdout: tokio::net::unix::pipe::Receiver,
    stderr: Option<tokio::net::unix::pipe::Receiver>,
}

/// Which of the child's two streams a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or both with [`Command::merge_output`].
    Stdout,
    /// Standard error.
    Stderr,
}

/// Takes a child's output as it comes, in pieces of at most 64 KiB that end anywhere.
pub trait Sink {
    /// Takes the next piece. The child waits meanwhile, so memory stays bounded. An error
    /// ends the child.
    fn write(&mut self, stream: Stream, piece: &[u8]) -> impl Future<Output = io::Result<()>>;
}

/// Bounds of a child's life.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// When the child has to end; `None` for no limit.
    pub deadline: Option<Instant>,
    /// Time between the signal that asks the group to end and the one that kills it.
    pub grace: Duration,
}

/// How a child came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// By itself.
    Itself,
    /// The deadline passed.
    Deadline,
    /// This program was asked to end by this signal.
    Stopped(i32),
}

/// A child that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// How it came to that.
    pub cause: Cause,
}

impl Ended {
    /// Whether it ended by itself and successfully.
    pub fn success(&self) -> bool {
        self.cause == Cause::Itself && self.status.success()
    }

    /// The exit code as a shell gives it: 128 + signal for a killed child.
    pub fn code(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        self.status
            .code()
            .unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }
}

/// Runs a command to its end. When the deadline passes or `stop` asks, the child's group gets
/// the signal (SIGTERM at a deadline), the grace time, and then SIGKILL; a second signal cuts
/// the grace short. What is left of the group when the child has ended is killed, as the end
/// of a container's first process ends the others.
pub async fn run(
    command: &Command,
    limits: Limits,
    stop: &Stop,
    sink: &mut impl Sink,
) -> io::Result<Ended> {
    let (mut child, mut pipes) = command.spawn()?;
    let group = Group::of(&child);
    let (tell, told) = watch::channel(false);
    let waiting = async {
        let ended = wait(&mut child, &group, limits, stop).await?;
        group.signal(Signal::KILL);
        tell.send_replace(true);
        Ok(ended)
    };
    let ((), ended) = tokio::try_join!(pump(&mut pipes, sink, told), waiting)?;
    Ok(ended)
}

/// A command's whole output, for commands that say little.
#[derive(Debug)]
pub struct Captured {
    /// How it ended.
    pub ended: Ended,
    /// Its stdout, up to the limit.
    pub stdout: Vec<u8>,
    /// Its stderr, up to the limit.
    pub stderr: Vec<u8>,
}

/// Runs a command and keeps up to `limit` bytes of each stream; the rest is read and dropped.
pub async fn capture(
    command: &Command,
    limits: Limits,
    stop: &Stop,
    limit: usize,
) -> io::Result<Captured> {
    let mut sink = Keep {
        limit,
        stdout: Vec::new(),
        stderr: Vec::new(),
    };
    let ended = run(command, limits, stop, &mut sink).await?;
    Ok(Captured {
        ended,
        stdout: sink.stdout,
        stderr: sink.stderr,
    })
}

struct Keep {
    limit: usize,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Sink for Keep {
    async fn write(&mut self, stream: Stream, piece: &[u8]) -> io::Result<()> {
        let kept = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let room = self.limit.saturating_sub(kept.len()).min(piece.len());
        kept.extend_from_slice(&piece[..room]);
        Ok(())
    }
}

/// The process group of a child; killed when dropped, so that an error on our side, too,
/// leaves nothing running.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Group(id.and_then(Pid::from_raw))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // The group may have ended already.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

async fn wait(child: &mut Child, group: &Group, limits: Limits, stop: &Stop) -> io::Result<Ended> {
    let deadline = async {
        match limits.deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    let (cause, signal) = tokio::select! {
        status = child.wait() => return Ok(Ended { status: status?, cause: Cause::Itself }),
        number = stop.wait() => (Cause::Stopped(number), number),
        () = deadline => (Cause::Deadline, Signal::TERM.as_raw()),
    };
    group.signal(Signal::from_named_raw(signal).unwrap_or(Signal::TERM));
    tokio::select! {
        status = child.wait() => return Ok(Ended { status: status?, cause }),
        () = tokio::time::sleep(limits.grace) => {}
        _ = stop.insisted() => {}
    }
    group.signal(Signal::KILL);
    Ok(Ended {
        status: child.wait().await?,
        cause,
    })
}

/// Hands on what the child writes until both streams end or, after the child's own end,
/// until nothing more is there: a process that fled the group may hold a stream for ever.
async fn pump(
    pipes: &mut Pipes,
    sink: &mut impl Sink,
    ended: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut out = vec![0; CHUNK];
    let mut err = vec![0; if pipes.stderr.is_some() { CHUNK } else { 0 }];
    let (mut out_open, mut err_open) = (true, pipes.stderr.is_some());
    while out_open || err_open {
        tokio::select! {
            read = pipes.stdout.read(&mut out), if out_open => {
                let read = read?;
                out_open = read > 0;
                sink.write(Stream::Stdout, &out[..read]).await?;
            }
            read = read_optional(pipes.stderr.as_mut(), &mut err), if err_open => {
                let read = read?;
                err_open = read > 0;
                sink.write(Stream::Stderr, &err[..read]).await?;
            }
            () = silence_after_the_end(ended.clone()) => {
                tracing::warn!("a process that fled its step's process group holds its output");
                break;
            }
        }
    }
    Ok(())
}

async fn silence_after_the_end(mut ended: watch::Receiver<bool>) {
    if ended.wait_for(|ended| *ended).await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(SILENCE).await;
}

async fn read_optional<R: AsyncRead + Unpin>(
    reader: Option<&mut R>,
    buffer: &mut [u8],
) -> io::Result<usize> {
    match reader {
        Some(reader) => reader.read(buffer).await,
        None => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        deadline: None,
        grace: Duration::from_millis(200),
    };

    fn shell(script: &str) -> Command {
        Command::new("sh").args(["-c", script])
    }

    fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(work)
    }

    fn alive(pid: &str) -> bool {
        // A killed process stays a zombie until its new parent reaps it.
        let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !(status.is_empty() || status.contains(") Z ") || status.contains(") X "))
    }

    #[test]
    fn streams_are_kept_apart_or_in_order() {
        on_a_runtime(async {
            let script = "echo a; echo b >&2; echo c; exit 3";
            let apart = capture(&shell(script), LIMITS, &Stop::never(), 100)
                .await
                .unwrap();
            assert_eq!((apart.ended.code(), apart.ended.cause), (3, Cause::Itself));
            assert_eq!(apart.stdout, b"a\nc\n");
            assert_eq!(apart.stderr, b"b\n");
            let merged = capture(&shell(script).merge_output(), LIMITS, &Stop::never(), 3)
                .await
                .unwrap();
            assert_eq!(merged.stdout, b"a\nb");
        });
    }

    #[test]
    fn what_the_child_leaves_in_its_group_is_killed_at_its_end() {
        on_a_runtime(async {
            let left = shell("sleep 100 & echo $!");
            let start = Instant::now();
            let captured = capture(&left, LIMITS, &Stop::never(), 100).await.unwrap();
            assert!(captured.ended.success());
            let pid = String::from_utf8(captured.stdout).unwrap();
            // A killed process ends when a loaded machine gets to it.
            for _ in 0..500 {
                if alive(pid.trim()) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            assert!(!alive(pid.trim()));
            assert!(start.elapsed() < Duration::from_secs(50));
        });
    }

    #[test]
    fn a_process_that_fled_the_group_does_not_hold_up_the_end() {
        on_a_runtime(async {
            let fled = shell("setsid sleep 3 & echo up");
            let start = Instant::now();
            let captured = capture(&fled, LIMITS, &Stop::never(), 100).await.unwrap();
            assert_eq!(captured.stdout, b"up\n");
            assert!(start.elapsed() < Duration::from_secs(2));
        });
    }

    #[test]
    fn a_deadline_ends_a_group_that_ignores_the_first_signal() {
        on_a_runtime(async {
            let stubborn = shell("trap '' TERM; echo up; while :; do sleep 0.05; done");
            let limits = Limits {
                deadline: Some(Instant::now() + Duration::from_millis(300)),
                ..LIMITS
            };
            let captured = capture(&stubborn, limits, &Stop::never(), 100)
                .await
                .unwrap();
            assert_eq!(captured.ended.cause, Cause::Deadline);
            assert_eq!(captured.ended.code(), 137);
            assert_eq!(captured.stdout, b"up\n");
        });
    }

    #[test]
    fn a_stop_passes_its_signal_on_to_the_whole_group() {
        on_a_runtime(async {
            let (handle, stop) = Stop::by_hand();
            let script = "trap 'echo asked; exit 9' INT; echo up; sleep 100 & wait";
            let command = shell(script);
            let running = capture(&command, LIMITS, &stop, 100);
            let asking = async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                handle.stop(2);
            };
            let (captured, ()) = tokio::join!(running, asking);
            let captured = captured.unwrap();
            assert_eq!(captured.ended.cause, Cause::Stopped(2));
            assert_eq!(captured.ended.code(), 9);
            assert_eq!(captured.stdout, b"up\nasked\n");
        });
    }

    #[test]
    fn commands_are_printed_as_a_shell_takes_them() {
        let command = Command::new("run-local").args(["--step", "it's a; test", "-p", "a=$b"]);
        assert_eq!(
            command.to_string(),
            "run-local --step \"it's a; test\" -p 'a=$b'"
        );
    }
}
