//! libtest's JSON (`--format json`), which it offers on nightly toolchains, and nextest's copy
//! of it: events, a line each, between cargo's own lines.

use std::collections::HashMap;
use std::time::Duration;

use common::junit::{Detail, Outcome, clean, distinct};
use serde::Deserialize;
use tokio::time::Instant;

use super::{story, tally};
use crate::format::{OutOfTime, Running};
use crate::results::Results;

/// How many tests may run at once.
const TESTS: usize = 100_000;

/// One event.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Event {
    /// A test binary's run starts or ends.
    Suite {
        event: String,
        #[serde(default)]
        test_count: u64,
        #[serde(default)]
        failed: u64,
        exec_time: Option<f64>,
    },
    /// A test starts or ends.
    Test {
        event: String,
        name: String,
        exec_time: Option<f64>,
        #[serde(default)]
        stdout: String,
        #[serde(default)]
        message: String,
    },
    /// A benchmark has ended.
    Bench { name: String },
}

/// The event of a line; `None` for a line that is none.
pub(super) fn read(line: &str) -> Option<Event> {
    // A test may print JSON of its own.
    let plausible = line.starts_with('{') && line.contains("\"type\"");
    plausible.then(|| serde_json::from_str(line).ok())?
}

/// One run of a test binary.
pub(super) struct Run {
    suite: String,
    planned: u64,
    seen: u64,
    failed: u64,
    running: HashMap<String, Instant>,
}

impl Run {
    pub(super) fn new(suite: &str, planned: u64) -> Self {
        Run {
            suite: suite.to_owned(),
            planned,
            seen: 0,
            failed: 0,
            running: HashMap::new(),
        }
    }

    /// Takes an event; true: the run has ended.
    pub(super) fn take(&mut self, event: Event, results: &mut Results) -> bool {
        match event {
            Event::Suite { event, .. } if event == "started" => {}
            Event::Suite {
                failed, exec_time, ..
            } => {
                self.ended(failed, exec_time, results);
                return true;
            }
            Event::Bench { name } => self.passed(&name, None, results),
            Event::Test {
                event,
                name,
                exec_time,
                stdout,
                message,
            } => {
                let time = exec_time.and_then(|time| Duration::try_from_secs_f64(time).ok());
                match event.as_str() {
                    "started" if self.running.len() < TESTS => {
                        self.running.insert(name, Instant::now());
                    }
                    "ok" => self.passed(&name, time, results),
                    "ignored" => self.ignored(&name, message, results),
                    "failed" => {
                        let text = clean((stdout + &message).as_bytes());
                        self.failed(&name, time, story::detail(text), results);
                    }
                    // `timeout` says that a test is slow.
                    _ => {}
                }
            }
        }
        false
    }

    fn passed(&mut self, name: &str, time: Option<Duration>, results: &mut Results) {
        self.see(name);
        let case = tally::case(name, time, Outcome::Passed, None);
        results.add(&self.suite, case);
    }

    fn ignored(&mut self, name: &str, message: String, results: &mut Results) {
        self.see(name);
        let outcome = Outcome::Skipped(Detail {
            message,
            text: String::new(),
        });
        results.add(&self.suite, tally::case(name, None, outcome, None));
    }

    fn failed(
        &mut self,
        name: &str,
        time: Option<Duration>,
        detail: Detail,
        results: &mut Results,
    ) {
        self.see(name);
        self.failed += 1;
        let place = crate::place::of(&detail.text);
        let case = tally::case(name, time, Outcome::Failed(detail), place);
        let id = results.add(&self.suite, case);
        results.select(id, &self.suite, name);
    }

    fn see(&mut self, name: &str) {
        self.seen += 1;
        self.running.remove(name);
    }

    /// The totals: did all results come that were counted?
    fn ended(&mut self, failed: u64, time: Option<f64>, results: &mut Results) {
        if let Some(time) = time.and_then(|time| Duration::try_from_secs_f64(time).ok()) {
            results.took(&self.suite, time);
        }
        if failed > self.failed {
            let name = format!("{}: failures without a name", self.suite);
            let message = format!(
                "the test binary counts {failed} failed tests, its events show {}",
                self.failed
            );
            tally::errored(&self.suite, &name, &message, String::new(), results);
        }
        let how = "its test binary ended without a result of it";
        self.unfinished(how, results);
    }

    /// The test binary ended in the middle.
    pub(super) fn no_result(&mut self, how: &str, results: &mut Results) {
        if self.running.is_empty() {
            let name = format!("{}: no result", self.suite);
            let message = format!(
                "the test binary said that it runs {} tests and ended after {} without a result{how}",
                self.planned, self.seen
            );
            tally::errored(&self.suite, &name, &message, String::new(), results);
        }
        let message = format!("the test binary ended while this test ran{how}");
        self.unfinished(&message, results);
    }

    /// We ended the command: these tests ran.
    pub(super) fn cut_short(
        &mut self,
        reason: &str,
        out_of_time: Option<&OutOfTime>,
        results: &mut Results,
    ) {
        if let Some(OutOfTime {
            test: Some(test),
            limit,
        }) = out_of_time
            && self.running.remove(test).is_some()
        {
            let message = format!("timed out: it ran longer than {limit}");
            tally::errored(&self.suite, test, &message, String::new(), results);
        }
        self.unfinished(&format!("{reason} while this test ran"), results);
    }

    fn unfinished(&mut self, message: &str, results: &mut Results) {
        let mut names: Vec<String> = self.running.drain().map(|(name, _)| name).collect();
        names.sort();
        for name in names {
            let name = distinct(&name);
            tally::errored(&self.suite, &name, message, String::new(), results);
        }
    }

    /// The test that runs longest.
    pub(super) fn longest_running(&self) -> Option<Running<'_>> {
        let running = self.running.iter().map(|(name, since)| Running {
            name: name.into(),
            since: *since,
        });
        running.min_by_key(|test| test.since)
    }
}
