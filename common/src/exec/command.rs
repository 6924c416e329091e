//! A program to run, as data.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::net::unix::pipe::Receiver;
use tokio::process::Child;

/// Waits for a line, and becomes the program; ends where none comes.
const HELD: &str = r#"read -r _ && exec "$0" "$@" </dev/null"#;

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
    /// Whether the child's group ends when this process is killed and can do it no more itself.
    pub guarding: Guarding,
    /// Runs, with this process' own environment, when this process is killed while the child
    /// runs, after the child's group has been ended: what else that started is to end.
    pub if_killed: Option<Box<Command>>,
}

/// Whether a guard ends a command when this process is killed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Guarding {
    /// It goes on.
    #[default]
    None,
    /// It is ended.
    Guarded,
    /// It is ended, and does not begin before its guard is there.
    Held,
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

    /// Keeps the order of stdout and stderr; both arrive as [`Stream::Stdout`](super::Stream::Stdout).
    #[must_use]
    pub fn merge_output(mut self) -> Self {
        self.merge_output = true;
        self
    }

    /// Ends with this process, even where that is killed.
    #[must_use]
    pub fn guarded(mut self) -> Self {
        self.guarding = Guarding::Guarded;
        self
    }

    /// As [`guarded`](Command::guarded), and does not begin before its guard is there: not even in
    /// that moment can it be left behind. Where the program is not there, a shell says so.
    #[must_use]
    pub fn held(mut self) -> Self {
        self.guarding = Guarding::Held;
        self
    }

    pub(super) fn spawn(&self) -> io::Result<(Child, Pipes)> {
        let (mut command, stdin) = if self.guarding == Guarding::Held {
            let mut shell = tokio::process::Command::new("/bin/sh");
            shell.args(["-c", HELD]).arg(&self.program);
            (shell, Stdio::piped())
        } else {
            (tokio::process::Command::new(&self.program), Stdio::null())
        };
        command
            .args(&self.args)
            .stdin(stdin)
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
        let open = |pipe: io::PipeReader| Receiver::from_owned_fd(pipe.into());
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

/// The reading ends of a child's output.
pub(super) struct Pipes {
    pub(super) stdout: Receiver,
    /// `None` where both streams are one.
    pub(super) stderr: Option<Receiver>,
}
