//! Runs the command: its output goes to our stdout as it is, and line by line to the reader
//! of its format.

use std::io;
use std::time::Duration;

use common::app::Stop;
use common::exec::{self, Ended, Limits, Sink, Stream};
use tokio::io::{AsyncWriteExt, Stdout};
use tokio::time::{Instant, sleep, sleep_until};

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
    let mut live = Live {
        stdout: Some(tokio::io::stdout()),
        limits,
        stop,
        lines: Lines::default(),
        end: Kept::for_the_end(),
        format,
        results,
    };
    let ended = exec::run(&plan.command, limits, stop, &mut live).await;
    live.finish();
    (ended, live.end)
}

struct Live<'a> {
    /// `None` when nobody reads it any more.
    stdout: Option<Stdout>,
    limits: Limits,
    stop: &'a Stop,
    lines: Lines,
    end: Kept,
    format: &'a mut dyn Format,
    results: &'a mut Results,
}

impl Sink for Live<'_> {
    async fn write(&mut self, _stream: Stream, piece: &[u8]) -> io::Result<()> {
        self.show(piece).await;
        let (end, format, results) = (&mut self.end, &mut *self.format, &mut *self.results);
        self.lines.push(piece, |line| {
            end.line(line);
            format.line(line, results);
        });
        Ok(())
    }
}

impl Live<'_> {
    /// Shows a piece of output. That nobody reads it is no reason to end the tests, nor may it
    /// hold up the end once the command's time is over.
    async fn show(&mut self, piece: &[u8]) {
        let (limits, stop) = (self.limits, self.stop);
        let Some(stdout) = &mut self.stdout else {
            return;
        };
        let shown = async {
            stdout.write_all(piece).await?;
            stdout.flush().await
        };
        let reason = tokio::select! {
            biased;
            shown = shown => match shown {
                Ok(()) => return,
                Err(error) => error.to_string(),
            },
            () = killed(limits, stop) => "nobody reads it".to_owned(),
        };
        self.stdout = None;
        tracing::warn!("the output is not shown any more: write to stdout: {reason}");
    }

    fn finish(&mut self) {
        let (end, format, results) = (&mut self.end, &mut *self.format, &mut *self.results);
        self.lines.finish(|line| {
            end.line(line);
            format.line(line, results);
        });
    }
}

/// Waits until the command has been killed for sure, if it ever is.
async fn killed(limits: Limits, stop: &Stop) {
    let deadline = async {
        match limits.deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = deadline => {}
        _ = stop.wait() => {}
    }
    tokio::select! {
        () = sleep(limits.grace + Duration::from_secs(1)) => {}
        _ = stop.insisted() => {}
    }
}
