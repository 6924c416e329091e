//! What the loader says of the functions: their lines go to the log as they come, their ends are
//! kept.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use common::app::Stop;
use common::exec::{self, Command, Ended, Limits, Sink, Stream};
use common::{Result, ResultExt};
use serde::Deserialize;
use serde_json::Value;
use tracing::info;

use super::{interrupted, not_run};

/// The longest message of the loader: a result of 10 MiB and a little more.
const LONGEST: usize = 11 * 1024 * 1024;

/// The exit code of a program that could not enter its view (`common::view::enter`).
const NO_VIEW: i32 = 126;

/// How much of the end of stderr is kept.
const TAIL: usize = 4 * 1024;

/// How many of its lines are quoted.
const LAST_LINES: usize = 6;

/// Why a function gave no workflow.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Failure {
    pub(super) what: String,
    pub(super) hint: String,
    /// The argument that is wrong.
    pub(super) item: Option<String>,
    /// Lines as Python prints them.
    pub(super) traceback: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    ready: bool,
    #[serde(default)]
    index: usize,
    line: Option<String>,
    workflow: Option<Value>,
    error: Option<Failure>,
}

/// What became of the functions, by their indices.
#[derive(Debug)]
pub(super) struct Answers {
    ready: bool,
    ends: BTreeMap<usize, std::result::Result<Value, Failure>>,
    stderr: Vec<u8>,
    ended: Ended,
}

impl Answers {
    /// Runs the loader to its end; `names` start the lines of the functions in the log.
    pub(super) async fn of(
        command: &Command,
        python: &Path,
        limits: Limits,
        stop: &Stop,
        names: &[&str],
    ) -> Result<Answers> {
        let mut reader = Reader {
            names,
            partial: Vec::new(),
            ready: false,
            ends: BTreeMap::new(),
            stderr: Vec::new(),
        };
        let ended = exec::run(command, limits, stop, &mut reader).await;
        let ended = ended.map_err(|error| not_run(python, &error.to_string()))?;
        interrupted(ended.cause, stop)?;
        Ok(Answers {
            ready: reader.ready,
            ends: reader.ends,
            stderr: reader.stderr,
            ended,
        })
    }

    /// Whether Python was not even started as there can be no private view here.
    pub(super) fn lacks_view(&self) -> bool {
        !self.ready && self.ended.code() == NO_VIEW
    }

    /// What was said last on stderr.
    pub(super) fn last_words(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        let lines: Vec<_> = text.trim().lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// Checks that the loader did its work to the end.
    pub(super) fn complete(self, python: &Path) -> Result<Answers> {
        if self.ready && self.ended.success() {
            return Ok(self);
        }
        let words = self.last_words();
        Err(not_run(
            python,
            if words.is_empty() {
                "it ended and said nothing"
            } else {
                &words
            },
        ))
    }

    /// The workflow of a function, or why there is none.
    pub(super) fn take(&mut self, index: usize) -> std::result::Result<Value, Failure> {
        self.ends.remove(&index).unwrap_or_else(|| {
            Err(Failure {
                what: "its function was not called".to_owned(),
                ..Failure::default()
            })
        })
    }
}

struct Reader<'a> {
    names: &'a [&'a str],
    partial: Vec<u8>,
    ready: bool,
    ends: BTreeMap<usize, std::result::Result<Value, Failure>>,
    stderr: Vec<u8>,
}

impl Reader<'_> {
    fn message(&mut self, line: &[u8]) -> Result<()> {
        let message: Message =
            serde_json::from_slice(line).or_failed(|| "read what the Python loader says")?;
        self.ready |= message.ready;
        let name = self.names.get(message.index).copied().unwrap_or_default();
        if let Some(line) = message.line {
            info!(
                "{}: {}",
                common::on_one_line(name),
                common::on_one_line(&line)
            );
        }
        if let Some(failure) = message.error {
            self.ends.insert(message.index, Err(failure));
        } else if let Some(workflow) = message.workflow {
            self.ends.insert(message.index, Ok(workflow));
        }
        Ok(())
    }
}

impl Sink for Reader<'_> {
    async fn write(&mut self, stream: Stream, mut piece: &[u8]) -> io::Result<()> {
        if stream == Stream::Stderr {
            self.stderr.extend_from_slice(piece);
            let excess = self.stderr.len().saturating_sub(TAIL);
            self.stderr.drain(..excess);
            return Ok(());
        }
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(&piece[..end]);
            piece = &piece[end + 1..];
            let line = std::mem::take(&mut self.partial);
            self.message(&line).map_err(io::Error::other)?;
        }
        if self.partial.len() + piece.len() > LONGEST {
            return Err(io::Error::other("it says more than is read"));
        }
        self.partial.extend_from_slice(piece);
        Ok(())
    }
}
