//! Runs the command: its output goes to our stdout as it is, or made readable, and line by
//! line to the reader of its format.

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use common::app::Stop;
use common::exec::{self, Cause, Command, Dump, Ended, Sink, Stream};
use common::junit::Kept;
use tokio::time::{Instant, sleep, sleep_until};

use crate::console::Console;
use crate::facts;
use crate::format::{Format, OutOfTime};
use crate::lines::Lines;
use crate::opts::FormatName;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::results::Results;

/// How often the tests that run are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// No command takes longer to say what it is doing before it is ended.
const DUMP: Duration = Duration::from_secs(5);

/// In how many lines the seed is looked for: tools say it before their tests run.
const SEED_LINES: u32 = 1000;

/// Longest start of a line that is held back because it may be no text for people.
const HELD: usize = 64 * 1024;

/// A command that has come to its end.
pub(crate) struct Run {
    /// How, or why it never started.
    pub(crate) ended: io::Result<Ended>,
    /// Which time limit it reached.
    pub(crate) out_of_time: Option<OutOfTime>,
    /// The end of its output.
    pub(crate) output: Kept,
    /// The seed of the order of its tests.
    pub(crate) seed: Option<String>,
}

impl Run {
    /// Whether the command was ended, or never started: another run would end no better.
    pub(crate) fn was_cut_short(&self) -> bool {
        !matches!(&self.ended, Ok(ended) if ended.cause == Cause::Itself)
    }
}

/// Runs a command to its end within what is left of the plan's time.
pub(crate) async fn run(
    plan: &Plan,
    command: &Command,
    deadline: Option<Instant>,
    stop: &Stop,
    format: &mut dyn Format,
    results: &mut Results,
    console: &mut Console,
) -> Run {
    let reader = RefCell::new(Reader {
        lines: Lines::default(),
        end: Kept::for_the_end(),
        format,
        results,
        out_of_time: None,
        held: Vec::new(),
        fixed: plan.format != FormatName::Auto,
        seed: None,
        looks: SEED_LINES,
    });
    let limits = exec::Limits {
        deadline,
        grace: plan.grace.saturating_add(DUMP),
    };
    let mut output = Output {
        console,
        limits,
        stop,
        reader: &reader,
        said: Said::default(),
        progress: Progress::new(),
        grace: limits.grace,
    };
    let time_is_up = time_is_up(plan, deadline, &reader);
    let ended = exec::run_until(command, time_is_up, plan.grace, stop, &mut output).await;
    output.finish().await;
    let reader = reader.into_inner();
    Run {
        ended,
        out_of_time: reader.out_of_time,
        output: reader.end,
        seed: reader.seed,
    }
}

/// Reads what the command says.
struct Reader<'a> {
    lines: Lines,
    end: Kept,
    format: &'a mut dyn Format,
    results: &'a mut Results,
    out_of_time: Option<OutOfTime>,
    /// The start of a line that looks like JSON, until it is whole.
    held: Vec<u8>,
    /// Whether the format is known from the start.
    fixed: bool,
    seed: Option<String>,
    /// In how many more lines the seed is looked for.
    looks: u32,
}

impl Reader<'_> {
    fn take(&mut self, piece: &[u8]) {
        let (end, format, results) = (&mut self.end, &mut *self.format, &mut *self.results);
        let (seed, looks) = (&mut self.seed, &mut self.looks);
        self.lines.push(piece, |line| {
            if *looks > 0 && seed.is_none() {
                *looks -= 1;
                *seed = facts::seed(line).map(str::to_owned);
            }
            format.line(line, results);
            if format.translation().is_none() {
                end.line(line);
            }
        });
    }

    fn finish(&mut self, said: &mut Said) {
        let (end, format, results) = (&mut self.end, &mut *self.format, &mut *self.results);
        self.lines.finish(|line| {
            format.line(line, results);
            if format.translation().is_none() {
                end.line(line);
            }
        });
        if self.format.translation().is_none() {
            said.as_it_is(&self.held);
            self.held.clear();
        }
        self.translated(said);
    }

    /// Takes a piece and adds what is to be shown of it.
    fn show(&mut self, piece: &[u8], said: &mut Said) {
        if self.fixed {
            self.take(piece);
            if self.format.translation().is_none() {
                said.as_it_is(piece);
            }
            return self.translated(said);
        }
        // Line by line: at any of them it may turn out that people cannot read this, or can.
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.take(part);
            if self.format.translation().is_some() {
                self.held.clear();
                self.translated(said);
                continue;
            }
            self.held.extend_from_slice(part);
            let may_be_json = self.held.starts_with(b"{") && self.held.len() < HELD;
            if part.ends_with(b"\n") || !may_be_json {
                said.as_it_is(&self.held);
                self.held.clear();
            }
        }
    }

    fn translated(&mut self, said: &mut Said) {
        if let Some(translation) = self.format.translation() {
            said.shown.append(&mut translation.shown);
            self.end.push(&String::from_utf8_lossy(&translation.log));
            said.logged.append(&mut translation.log);
        }
    }

    /// Notes that time is up; gives what the command is asked before it is ended.
    fn out_of_time(&mut self, reason: OutOfTime) -> Option<Dump> {
        self.format.out_of_time(&reason);
        self.out_of_time = Some(reason);
        self.format.dump()
    }

    /// Which test has run for longer than a test may, and when the next one may have.
    fn overdue(&self, limit: Duration) -> Result<String, Instant> {
        let now = Instant::now();
        let later = || now.checked_add(LOOK).unwrap_or(now);
        let Some(test) = self.format.longest_running() else {
            return Err(later());
        };
        match test.since.checked_add(limit) {
            Some(end) if end <= now => Ok(test.name.into_owned()),
            Some(end) => Err(end.min(later())),
            None => Err(later()),
        }
    }
}

/// Waits until the time of the whole or of a test is up.
async fn time_is_up(
    plan: &Plan,
    deadline: Option<Instant>,
    reader: &RefCell<Reader<'_>>,
) -> Option<Dump> {
    let whole = exec::until(deadline);
    let of_test = async {
        let Some(limit) = plan.test_timeout else {
            return std::future::pending().await;
        };
        loop {
            // The borrow ends before the wait.
            let overdue = reader.borrow().overdue(limit);
            match overdue {
                Ok(test) => return (test, limit),
                Err(look) => sleep_until(look).await,
            }
        }
    };
    let (test, limit) = tokio::select! {
        () = whole => (None, plan.timeout.unwrap_or_default()),
        (test, limit) = of_test => (Some(test), limit),
    };
    let limit = humantime::format_duration(limit).to_string();
    reader.borrow_mut().out_of_time(OutOfTime { test, limit })
}

struct Output<'a, 'b> {
    console: &'a mut Console,
    limits: exec::Limits,
    grace: Duration,
    stop: &'a Stop,
    reader: &'a RefCell<Reader<'b>>,
    said: Said,
    progress: Progress,
}

/// What of the output goes where.
#[derive(Default)]
struct Said {
    /// To the terminal.
    shown: Vec<u8>,
    /// To the log.
    logged: Vec<u8>,
}

impl Said {
    /// Output for people goes to both.
    fn as_it_is(&mut self, text: &[u8]) {
        self.logged.extend_from_slice(text);
        self.shown.extend_from_slice(text);
    }
}

impl Sink for Output<'_, '_> {
    async fn write(&mut self, _stream: Stream, piece: &[u8]) -> io::Result<()> {
        let piece = self.console.masked(piece);
        self.reader.borrow_mut().show(piece, &mut self.said);
        self.hand_on().await;
        Ok(())
    }
}

impl Output<'_, '_> {
    async fn finish(&mut self) {
        let rest = self.console.rest();
        self.reader.borrow_mut().show(rest, &mut self.said);
        self.reader.borrow_mut().finish(&mut self.said);
        self.hand_on().await;
        let over = out_of_time(self.limits, self.grace, self.stop, self.reader);
        self.console.flush(over).await;
    }

    async fn hand_on(&mut self) {
        self.console.log(&self.said.logged);
        self.progress.make_room(&self.said.shown);
        let over = out_of_time(self.limits, self.grace, self.stop, self.reader);
        self.console.show(&self.said.shown, over).await;
        if self.progress.is_shown() {
            let over = out_of_time(self.limits, self.grace, self.stop, self.reader);
            self.console.flush(over).await;
            let reader = self.reader.borrow();
            let running = reader.format.longest_running();
            let running = running.map(|test| test.name);
            let mut counts = reader.results.counts();
            counts.passed += reader.format.waiting();
            self.progress.draw(counts, running.as_deref());
        }
        self.said.shown.clear();
        self.said.logged.clear();
    }
}

/// Waits until the command has been killed for sure, if it ever is.
async fn out_of_time(
    limits: exec::Limits,
    grace: Duration,
    stop: &Stop,
    reader: &RefCell<Reader<'_>>,
) {
    let of_test = async {
        while reader.borrow().out_of_time.is_none() {
            sleep(LOOK).await;
        }
        sleep(grace.saturating_add(Duration::from_secs(1))).await;
    };
    tokio::select! {
        () = limits.over(stop) => {}
        () = of_test => {}
    }
}
