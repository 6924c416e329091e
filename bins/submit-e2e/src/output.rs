//! What the steps print: passed on line by line to stdout and to the build log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::rc::Rc;

use common::app::Stop;
use common::exec::{Limits, Sink, Stream};
use common::live::Live;
use common::{Result, ResultExt};

/// Longest line that is held back for its end; a longer one is cut into lines.
const LONGEST_LINE: usize = 64 * 1024;

/// stdout and the build log, shared by all workflows of a job.
#[derive(Debug)]
pub(crate) struct Output {
    build_log: File,
    live: Live,
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
        }))
    }

    async fn write(&self, lines: &[u8], out_of_time: impl Future<Output = ()>) -> io::Result<()> {
        (&self.build_log).write_all(lines)?;
        self.live.show(lines, out_of_time).await;
        Ok(())
    }
}

/// Puts the pieces of one workflow's output together to whole lines, so that the lines of
/// two workflows never mix.
pub(crate) struct Lines {
    output: Rc<Output>,
    limits: Limits,
    stop: Stop,
    partial: Vec<u8>,
}

impl Lines {
    /// `limits` and `stop` are those of the program that writes the lines.
    pub(crate) fn new(output: Rc<Output>, limits: Limits, stop: Stop) -> Self {
        Lines {
            output,
            limits,
            stop,
            partial: Vec::new(),
        }
    }

    async fn pass_on(&self, lines: &[u8]) -> io::Result<()> {
        self.output.write(lines, self.limits.over(&self.stop)).await
    }

    /// Ends the last line, if it is not ended yet, and waits until stdout has all of it.
    pub(crate) async fn finish(mut self) -> io::Result<()> {
        if !self.partial.is_empty() {
            self.partial.push(b'\n');
            self.pass_on(&self.partial).await?;
        }
        let live = &self.output.live;
        live.flush(self.limits.over(&self.stop)).await;
        Ok(())
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
            self.pass_on(lines).await?;
        } else if !lines.is_empty() {
            self.partial.extend_from_slice(lines);
            self.pass_on(&self.partial).await?;
            self.partial.clear();
        }
        self.partial.extend_from_slice(rest);
        if self.partial.len() > LONGEST_LINE {
            self.partial.push(b'\n');
            self.pass_on(&self.partial).await?;
            self.partial.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
                live: Live::default(),
            });
            let limits = Limits {
                deadline: None,
                grace: Duration::ZERO,
            };
            let mut lines = Lines::new(output, limits, Stop::never());
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
