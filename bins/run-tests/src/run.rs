//! Runs the command: its output goes to our stdout as it is, and line by line to the reader
//! of its format.

use std::io;

use common::app::Stop;
use common::exec::{self, Ended, Limits, Sink, Stream};
use common::live::Live;
use tokio::time::Instant;

use crate::format::Format;
use crate::kept::Kept;
use crate::lines::Lines;
use crate::plan::Plan;
use crate::results::Results;

/// Runs the plan's command to its end; gives that and the end of the output.
pub(crate) async fn run(
    plan: &Plan,
    stop: &Stop,
    format: &mut dyn Format,
    results: &mut Results,
) -> (io::Result<Ended>, Kept) {
    let limits = Limits {
        // A limit too far away to be told is none.
        deadline: plan
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout)),
        grace: plan.grace,
    };
    let mut output = Output {
        stdout: Live::default(),
        limits,
        stop,
        lines: Lines::default(),
        end: Kept::for_the_end(),
        format,
        results,
    };
    let ended = exec::run(&plan.command, limits, stop, &mut output).await;
    output.finish();
    output.stdout.flush(limits.over(stop)).await;
    (ended, output.end)
}

struct Output<'a> {
    stdout: Live,
    limits: Limits,
    stop: &'a Stop,
    lines: Lines,
    end: Kept,
    format: &'a mut dyn Format,
    results: &'a mut Results,
}

impl Sink for Output<'_> {
    async fn write(&mut self, _stream: Stream, piece: &[u8]) -> io::Result<()> {
        self.stdout.show(piece, self.limits.over(self.stop)).await;
        let (end, format, results) = (&mut self.end, &mut *self.format, &mut *self.results);
        self.lines.push(piece, |line| {
            end.line(line);
            format.line(line, results);
        });
        Ok(())
    }
}

impl Output<'_> {
    fn finish(&mut self) {
        let (end, format, results) = (&mut self.end, &mut *self.format, &mut *self.results);
        self.lines.finish(|line| {
            end.line(line);
            format.line(line, results);
        });
    }
}
