//! Child processes: each in a process group of its own, bounded in time, its output streamed
//! in bounded memory, nothing of it left running.

mod command;
mod guard;
mod orphans;
#[cfg(test)]
mod tests;

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::app::Stop;

pub use command::{Command, Guarding, quote};
pub use orphans::{adopt_orphans, end_orphans, end_with_parent, reap_orphans};

use command::Pipes;
use guard::Guard;
use orphans::WaitedFor;

/// How much output is read at once; what a running child costs in memory.
const CHUNK: usize = 64 * 1024;

/// The most that a pipe holds (Linux: pipe-max-size): more than this after the child's end is
/// not the child's own.
const PIPE: usize = 1024 * 1024;

/// How long no output has to come after the child's end before the stream counts as done.
const SILENCE: Duration = Duration::from_millis(200);

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
    /// The child runs; its process group has this number.
    fn started(&mut self, _group: u32) {}

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

impl Limits {
    /// Waits until a child within these limits has been killed for sure, if it ever is: its
    /// deadline or a signal, the grace time and a moment have passed.
    pub async fn over(self, stop: &Stop) {
        let deadline = until(self.deadline);
        tokio::select! {
            () = deadline => {}
            _ = stop.wait() => {}
        }
        tokio::select! {
            () = tokio::time::sleep(self.grace.saturating_add(Duration::from_secs(1))) => {}
            _ = stop.insisted() => {}
        }
    }
}

/// Waits for a deadline; for ever where there is none.
pub async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
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

/// What the group of a child is asked before it is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dump {
    /// The signal that makes it say what it is doing, SIGQUIT for Go.
    pub signal: i32,
    /// How long it may take over that.
    pub time: Duration,
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
    let time_is_up = async {
        until(limits.deadline).await;
        None
    };
    run_until(command, time_is_up, limits.grace, stop, sink).await
}

/// As [`run`], with a deadline that is decided while the child runs: `time_is_up` comes back
/// when it has passed, and says what the child is to be asked before it is ended.
pub async fn run_until(
    command: &Command,
    time_is_up: impl Future<Output = Option<Dump>>,
    grace: Duration,
    stop: &Stop,
    sink: &mut impl Sink,
) -> io::Result<Ended> {
    let mut guard = guard(command);
    let (mut child, mut pipes) = command.spawn()?;
    let _waited_for = child.id().map(WaitedFor::new);
    let group = Group::of(&child);
    if let (Some(guard), Some(group)) = (&mut guard, group.0) {
        guard.watch(group);
    }
    if let Some(mut held) = child.stdin.take() {
        held.write_all(b"\n").await?;
    }
    child.id().into_iter().for_each(|id| sink.started(id));
    let (tell, told) = watch::channel(false);
    let waiting = async {
        let ended = wait(&mut child, &group, time_is_up, grace, stop).await?;
        group.signal(Signal::KILL);
        tell.send_replace(true);
        Ok(ended)
    };
    let ((), ended) = tokio::try_join!(pump(&mut pipes, sink, told), waiting)?;
    Ok(ended)
}

/// What ends a command's group where this process is killed, if the command is to have that.
fn guard(command: &Command) -> Option<Guard> {
    let then = command.if_killed.as_deref();
    if command.guarding == Guarding::None && then.is_none() {
        return None;
    }
    Guard::start(then)
        .inspect_err(|error| {
            tracing::warn!("the command would outlive this program: start /bin/sh: {error}");
        })
        .ok()
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

async fn wait(
    child: &mut Child,
    group: &Group,
    time_is_up: impl Future<Output = Option<Dump>>,
    grace: Duration,
    stop: &Stop,
) -> io::Result<Ended> {
    let (cause, signal, dump) = tokio::select! {
        status = child.wait() => return Ok(Ended { status: status?, cause: Cause::Itself }),
        number = stop.wait() => (Cause::Stopped(number), number, None),
        dump = time_is_up => (Cause::Deadline, Signal::TERM.as_raw(), dump),
    };
    let dump = dump.map(|dump| (dump.signal, dump.time));
    for (signal, time) in dump.into_iter().chain([(signal, grace)]) {
        group.signal(Signal::from_named_raw(signal).unwrap_or(Signal::TERM));
        tokio::select! {
            status = child.wait() => return Ok(Ended { status: status?, cause }),
            () = tokio::time::sleep(time) => {}
            _ = stop.insisted() => {}
        }
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
    let mut since_the_end = 0;
    while (out_open || err_open) && since_the_end <= PIPE {
        let (stream, read) = tokio::select! {
            // What is there is read before any silence counts.
            biased;
            read = pipes.stdout.read(&mut out), if out_open => (Stream::Stdout, read?),
            read = read_optional(pipes.stderr.as_mut(), &mut err), if err_open => {
                (Stream::Stderr, read?)
            }
            () = silence_after_the_end(ended.clone()) => break,
        };
        let (open, buffer) = match stream {
            Stream::Stdout => (&mut out_open, &out),
            Stream::Stderr => (&mut err_open, &err),
        };
        *open = read > 0;
        sink.write(stream, &buffer[..read]).await?;
        if *ended.borrow() {
            since_the_end += read;
        }
    }
    if out_open || err_open {
        tracing::warn!("a process that left its group still holds the output of a command");
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
