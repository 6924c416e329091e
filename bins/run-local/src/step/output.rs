//! A step's output: live, each line with the step's name before it, and whole in a file.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use common::app::Stop;
use common::exec::{Limits, Sink, Stream};
use common::live::Live;

/// A line longer than this is shown in pieces, so that memory stays bounded.
const MAX_LINE: usize = 64 * 1024;

/// How much of the end is kept for the report of a failed step.
const TAIL: usize = 4 * 1024;

/// How many lines of it are shown.
const TAIL_LINES: usize = 20;

/// Argo keeps this much of the end of a script's stdout as its result.
const MAX_RESULT: usize = 256 * 1024;

/// Takes a step's output.
pub(crate) struct StepOutput<'a> {
    live: &'a Live,
    limits: Limits,
    stop: &'a Stop,
    label: Vec<u8>,
    file: File,
    lines: [Vec<u8>; 2],
    shown: Vec<u8>,
    tail: Vec<u8>,
    result: Option<Vec<u8>>,
}

impl<'a> StepOutput<'a> {
    pub(crate) fn new(
        live: &'a Live,
        label: &str,
        file: &Path,
        keep_result: bool,
        limits: Limits,
        stop: &'a Stop,
    ) -> io::Result<Self> {
        Ok(StepOutput {
            live,
            limits,
            stop,
            label: format!("[{label}] ").into_bytes(),
            file: File::create(file)?,
            lines: [Vec::new(), Vec::new()],
            shown: Vec::new(),
            tail: Vec::new(),
            result: keep_result.then(Vec::new),
        })
    }

    /// Shows what is left of an unfinished line.
    pub(crate) async fn finish(&mut self) {
        for index in 0..self.lines.len() {
            if !self.lines[index].is_empty() {
                self.end_line(index);
            }
        }
        self.show().await;
        self.live.flush(self.limits.over(self.stop)).await;
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

    async fn show(&mut self) {
        let out_of_time = self.limits.over(self.stop);
        self.live.show(&self.shown, out_of_time).await;
        self.shown.clear();
    }
}

/// Keeps the last `limit` bytes of what is kept and a piece that follows it.
fn keep_end(kept: &mut Vec<u8>, piece: &[u8], limit: usize) {
    let piece = &piece[piece.len().saturating_sub(limit)..];
    let excess = (kept.len() + piece.len()).saturating_sub(limit);
    kept.drain(..excess);
    kept.extend_from_slice(piece);
}

impl Sink for StepOutput<'_> {
    async fn write(&mut self, stream: Stream, piece: &[u8]) -> io::Result<()> {
        self.file
            .write_all(piece)
            .map_err(|error| io::Error::new(error.kind(), format!("write its log: {error}")))?;
        keep_end(&mut self.tail, piece, TAIL);
        if stream == Stream::Stdout
            && let Some(result) = &mut self.result
        {
            keep_end(result, piece, MAX_RESULT);
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
        self.show().await;
        Ok(())
    }
}
