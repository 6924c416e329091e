//! What the steps print: passed on line by line to stdout and to the build log.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::rc::Rc;

use common::exec::{Sink, Stream};
use common::{Result, ResultExt};
use tokio::io::{AsyncWriteExt as _, Stdout};
use tokio::sync::Mutex;

/// Longest line that is held back for its end; a longer one is cut into lines.
const LONGEST_LINE: usize = 64 * 1024;

/// stdout and the build log, shared by all workflows of a job.
#[derive(Debug)]
pub(crate) struct Output {
    build_log: File,
    stdout: Mutex<Stdout>,
    reader_left: Cell<bool>,
}

impl Output {
    /// Starts a build log, which gets the program's own log as well.
    pub(crate) fn start(build_log: &Path) -> Result<Rc<Output>> {
        let open = |truncate: bool| {
            let mut options = OpenOptions::new();
            options.create(true).truncate(truncate);
            // Two writers: each line goes to the file's end, wherever that is by then.
            if truncate {
                options.write(true)
            } else {
                options.append(true)
            };
            options.open(build_log)
        };
        let what = || format!("write {}", build_log.display());
        open(true).or_failed(what)?;
        common::tee_log(open(false).or_failed(what)?);
        Ok(Rc::new(Output {
            build_log: open(false).or_failed(what)?,
            stdout: Mutex::new(tokio::io::stdout()),
            reader_left: Cell::new(false),
        }))
    }

    /// Waits until all of it has reached stdout.
    pub(crate) async fn flush(&self) {
        // A reader who left does not mind.
        let _ = self.stdout.lock().await.flush().await;
    }

    async fn write(&self, lines: &[u8]) -> io::Result<()> {
        let mut stdout = self.stdout.lock().await;
        (&self.build_log).write_all(lines)?;
        // A reader of stdout who leaves (`| head`) does not end the job.
        if !self.reader_left.get() && stdout.write_all(lines).await.is_err() {
            self.reader_left.set(true);
        }
        Ok(())
    }
}

/// Puts the pieces of one workflow's output together to whole lines, so that the lines of
/// two workflows never mix.
pub(crate) struct Lines {
    output: Rc<Output>,
    partial: Vec<u8>,
}

impl Lines {
    pub(crate) fn new(output: Rc<Output>) -> Self {
        Lines {
            output,
            partial: Vec::new(),
        }
    }

    /// Ends the last line, if it is not ended yet.
    pub(crate) async fn finish(mut self) -> io::Result<()> {
        if self.partial.is_empty() {
            return Ok(());
        }
        self.partial.push(b'\n');
        self.output.write(&self.partial).await
    }
}

impl Sink for Lines {
    async fn write(&mut self, _: Stream, piece: &[u8]) -> io::Result<()> {
        let whole = piece
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let (lines, rest) = piece.split_at(whole);
        if !lines.is_empty() && self.partial.is_empty() {
            self.output.write(lines).await?;
        } else if !lines.is_empty() {
            self.partial.extend_from_slice(lines);
            self.output.write(&self.partial).await?;
            self.partial.clear();
        }
        self.partial.extend_from_slice(rest);
        if self.partial.len() > LONGEST_LINE {
            self.partial.push(b'\n');
            self.output.write(&self.partial).await?;
            self.partial.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let output = Rc::new(Output {
                build_log: File::create(&file).unwrap(),
                stdout: Mutex::new(tokio::io::stdout()),
                reader_left: Cell::new(true),
            });
            let mut lines = Lines::new(output);
            for piece in pieces {
                lines.write(Stream::Stdout, piece).await.unwrap();
            }
            lines.finish().await.unwrap();
        });
        std::fs::read(&file).unwrap()
    }

    #[test]
    fn pieces_become_whole_lines() {
        assert_eq!(lines(&[b"a", b"b\nc\nd", b"", b"\n"]), b"ab\nc\nd\n");
        assert_eq!(lines(&[b"a\n", b"not ended"]), b"a\nnot ended\n");
        assert_eq!(lines(&[]), b"");
    }

    #[test]
    fn a_line_without_end_needs_no_more_memory_than_the_longest() {
        let piece = vec![b'x'; 40 * 1024];
        let written = lines(&[&piece, &piece, &piece]);
        assert_eq!(written.split(|byte| *byte == b'\n').count(), 3);
        assert_eq!(written.len(), 3 * piece.len() + 2);
    }
}
