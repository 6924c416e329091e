//! What the steps print: passed on line by line to stdout and to the build log.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::mem::take;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use common::app::Stop;
use common::exec::{Limits, Sink, Stream};
use common::live::Live;
use common::{Result, ResultExt};

/// Longest line that is held back for its end; a longer one is cut into lines.
const LONGEST_LINE: usize = 64 * 1024;

/// How long a reader of stdout may take for a few lines before nothing is shown any more.
const PATIENCE: Duration = Duration::from_mins(1);

/// stdout and the build log, shared by all workflows of a job.
#[derive(Debug)]
pub(crate) struct Output {
    build_log: File,
    live: Live,
    is_full: Cell<bool>,
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
            live: Live::default(),
            is_full: Cell::default(),
        }))
    }

    /// Writes whole lines of a step that runs elsewhere.
    pub(crate) async fn show(&self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        // A disk that is full ends nothing: the lines are artifacts as well.
        if let Err(error) = (&self.build_log).write_all(lines)
            && !self.is_full.replace(true)
        {
            tracing::warn!("the build log is not complete: {error}");
        }
        self.live.show(lines, tokio::time::sleep(PATIENCE)).await;
    }

    async fn write(&self, lines: &[u8], out_of_time: impl Future<Output = ()>) -> io::Result<()> {
        (&self.build_log).write_all(lines)?;
        self.live.show(lines, out_of_time).await;
        Ok(())
    }
}

/// Puts the pieces of one workflow's output together to whole lines, so that the lines of
/// two workflows, or of its two streams, never mix.
pub(crate) struct Lines {
    output: Rc<Output>,
    limits: Limits,
    stop: Stop,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Lines {
    /// `limits` and `stop` are those of the program that writes the lines.
    pub(crate) fn new(output: Rc<Output>, limits: Limits, stop: Stop) -> Self {
        Lines {
            output,
            limits,
            stop,
            stdout: Vec::new(),
            stderr: Vec::new(),
        }
    }

    async fn pass_on(&self, lines: &[u8]) -> io::Result<()> {
        self.output.write(lines, self.limits.over(&self.stop)).await
    }

    /// Ends the last lines, if they are not ended yet, and waits until stdout has all of it.
    pub(crate) async fn finish(mut self) -> io::Result<()> {
        for mut partial in [take(&mut self.stdout), take(&mut self.stderr)] {
            if !partial.is_empty() {
                partial.push(b'\n');
                self.pass_on(&partial).await?;
            }
        }
        let live = &self.output.live;
        live.flush(self.limits.over(&self.stop)).await;
        Ok(())
    }
}

impl Sink for Lines {
    async fn write(&mut self, stream: Stream, piece: &[u8]) -> io::Result<()> {
        let whole = piece
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let (lines, rest) = piece.split_at(whole);
        let mut partial = take(match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        });
        if !lines.is_empty() && partial.is_empty() {
            self.pass_on(lines).await?;
        } else if !lines.is_empty() {
            partial.extend_from_slice(lines);
            self.pass_on(&partial).await?;
            partial.clear();
        }
        partial.extend_from_slice(rest);
        if partial.len() > LONGEST_LINE {
            partial.push(b'\n');
            self.pass_on(&partial).await?;
            partial.clear();
        }
        match stream {
            Stream::Stdout => self.stdout = partial,
            Stream::Stderr => self.stderr = partial,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<u8> {
        let pieces: Vec<_> = pieces.iter().map(|one| (Stream::Stdout, *one)).collect();
        lines_of(&pieces)
    }

    fn lines_of(pieces: &[(Stream, &[u8])]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let output = Rc::new(Output {
                build_log: File::create(&file).unwrap(),
                live: Live::default(),
                is_full: Cell::default(),
            });
            let limits = Limits {
                deadline: None,
                grace: Duration::ZERO,
            };
            let mut lines = Lines::new(output, limits, Stop::never());
            for (stream, piece) in pieces {
                lines.write(*stream, piece).await.unwrap();
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
    fn a_line_of_one_stream_is_not_cut_by_a_line_of_the_other() {
        let (out, err) = (Stream::Stdout, Stream::Stderr);
        let pieces: [(Stream, &[u8]); 4] = [
            (out, b"begun"),
            (err, b"log\nlast log"),
            (out, b" and ended\n"),
            (out, b"last"),
        ];
        assert_eq!(
            String::from_utf8(lines_of(&pieces)).unwrap(),
            "log\nbegun and ended\nlast\nlast log\n"
        );
    }

    #[test]
    fn a_line_without_end_needs_no_more_memory_than_the_longest() {
        let piece = vec![b'x'; 40 * 1024];
        let written = lines(&[&piece, &piece, &piece]);
        assert_eq!(written.split(|byte| *byte == b'\n').count(), 3);
        assert_eq!(written.len(), 3 * piece.len() + 2);
    }
}
