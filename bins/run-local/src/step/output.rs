//! A step's output: live, each line with the step's name before it, and whole in a file.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use common::exec::{Sink, Stream};
use tokio::io::AsyncWriteExt;
use tokio::sync::Mutex;

/// A line longer than this is shown in pieces, so that memory stays bounded.
const MAX_LINE: usize = 64 * 1024;

/// How much of the end is kept for the report of a failed step.
const TAIL: usize = 4 * 1024;

/// How many lines of it are shown.
const TAIL_LINES: usize = 20;

/// Argo keeps this much of a script's stdout as its result.
const MAX_RESULT: usize = 256 * 1024;

/// This program's stdout, shared by the steps: whole lines only.
pub(crate) struct Display {
    stdout: Mutex<tokio::io::Stdout>,
    prefix: String,
}

impl Display {
    /// `prefix` stands before every step's name.
    pub(crate) fn new(prefix: &str) -> Self {
        Display {
            stdout: Mutex::new(tokio::io::stdout()),
            prefix: prefix.to_owned(),
        }
    }

    async fn show(&self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut stdout = self.stdout.lock().await;
        let shown = match stdout.write_all(lines).await {
            Ok(()) => stdout.flush().await,
            error => error,
        };
        match shown {
            // A reader that went away (`| head`) does not end the workflow.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}

/// Takes a step's output.
pub(crate) struct StepOutput<'a> {
    display: &'a Display,
    label: Vec<u8>,
    file: File,
    lines: [Vec<u8>; 2],
    shown: Vec<u8>,
    tail: Vec<u8>,
    result: Option<Vec<u8>>,
}

impl<'a> StepOutput<'a> {
    pub(crate) fn new(
        display: &'a Display,
        name: &str,
        file: &Path,
        keep_result: bool,
    ) -> io::Result<Self> {
        Ok(StepOutput {
            display,
            label: label(&display.prefix, name),
            file: File::create(file)?,
            lines: [Vec::new(), Vec::new()],
            shown: Vec::new(),
            tail: Vec::new(),
            result: keep_result.then(Vec::new),
        })
    }

    /// Shows what is left of an unfinished line.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        for index in 0..self.lines.len() {
            if !self.lines[index].is_empty() {
                self.end_line(index);
            }
        }
        self.flush().await
    }

    /// The last lines, as text.
    pub(crate) fn last_lines(&self) -> String {
        let text = String::from_utf8_lossy(&self.tail);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    /// stdout without its last newline, as Argo gives it.
    pub(crate) fn result(&self) -> Option<String> {
        let result = String::from_utf8_lossy(self.result.as_ref()?).into_owned();
        Some(
            result
                .strip_suffix('\n')
                .map_or(result.clone(), str::to_owned),
        )
    }

    fn end_line(&mut self, index: usize) {
        self.shown.extend_from_slice(&self.label);
        self.shown.append(&mut self.lines[index]);
        self.shown.push(b'\n');
    }

    fn keep_tail(&mut self, piece: &[u8]) {
        let piece = &piece[piece.len().saturating_sub(TAIL)..];
        let excess = (self.tail.len() + piece.len()).saturating_sub(TAIL);
        self.tail.drain(..excess);
        self.tail.extend_from_slice(piece);
    }

    async fn flush(&mut self) -> io::Result<()> {
        let shown = self.display.show(&self.shown).await;
        self.shown.clear();
        shown
    }
}

/// What stands before each line. An item of a loop is part of the name, and may hold anything.
fn label(prefix: &str, name: &str) -> Vec<u8> {
    let mut label = format!("[{prefix}");
    for character in name.chars() {
        if character.is_control() {
            label.extend(character.escape_default());
        } else {
            label.push(character);
        }
    }
    label.push_str("] ");
    label.into_bytes()
}

impl Sink for StepOutput<'_> {
    async fn write(&mut self, stream: Stream, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece)?;
        self.keep_tail(piece);
        if stream == Stream::Stdout
            && let Some(result) = &mut self.result
        {
            let room = MAX_RESULT.saturating_sub(result.len()).min(piece.len());
            result.extend_from_slice(&piece[..room]);
        }
        let index = usize::from(stream == Stream::Stderr);
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.lines[index].extend_from_slice(&rest[..end]);
            self.end_line(index);
            rest = &rest[end + 1..];
        }
        self.lines[index].extend_from_slice(rest);
        if self.lines[index].len() >= MAX_LINE {
            self.end_line(index);
        }
        self.flush().await
    }
}
