//! `cargo test`, as people read it: cargo's headers and libtest's own output. The lines of
//! tests say which ended how; the totals behind them say whether all lines were seen.

mod group;
mod held;
mod json;
mod line;
mod story;
mod tally;
#[cfg(test)]
mod tests;

use common::junit::{Kept, distinct};

use self::group::Group;
use self::json::Event;
use self::line::Line;
use super::{End, Format, OutOfTime, Running};
use crate::results::Results;

/// Whether a command whose output has this line speaks as cargo does.
pub(super) fn starts_with(line: &str) -> bool {
    matches!(
        line::read(line),
        Line::Binary { .. } | Line::DocTests(_) | Line::Begin(_)
    ) || matches!(json::read(line), Some(Event::Suite { .. }))
}

/// Reads what `cargo test` prints.
pub(super) struct Cargo {
    target: String,
    /// The crate whose unit tests ran last: its integration tests follow.
    of_crate: Option<String>,
    /// The test binary that runs.
    suite: String,
    state: State,
    /// Tests that have no line of their own, as with `-q`.
    nameless: u64,
    /// Whether tests ran whose start is not told: all output for people.
    untold: bool,
    out_of_time: Option<OutOfTime>,
}

enum State {
    /// Between test binaries; compiler errors are kept.
    Between(Option<Kept>),
    /// A header was seen; what follows may be libtest or a harness of its own.
    Started(Kept),
    /// libtest runs.
    Running(Box<Group>),
    /// libtest runs and speaks JSON.
    Json(Box<json::Run>),
    /// The test binary ended without a result; cargo may say how.
    Ended(Box<Group>),
    /// A harness of its own failed.
    CustomFailed(Kept),
}

impl Cargo {
    pub(super) fn new(target: &str) -> Self {
        Cargo {
            target: target.to_owned(),
            of_crate: None,
            suite: target.to_owned(),
            state: State::Between(None),
            nameless: 0,
            untold: false,
            out_of_time: None,
        }
    }

    /// A test binary starts: the same name in every run, whatever the hash in its file name.
    fn binary(&mut self, what: &str, name: &str, results: &mut Results) {
        self.leave(None, results);
        self.suite = match (what.strip_prefix("unittests "), &self.of_crate) {
            (Some(path), _) if path.ends_with("lib.rs") => name.to_owned(),
            (Some(path), _) => format!("{name} ({path})"),
            (None, Some(of_crate)) => format!("{of_crate}::{name}"),
            (None, None) => name.to_owned(),
        };
        self.suite = distinct(&self.suite);
        if what.starts_with("unittests ") {
            self.of_crate = Some(name.to_owned());
        }
        self.start(results);
    }

    fn doc_tests(&mut self, name: &str, results: &mut Results) {
        self.leave(None, results);
        self.suite = distinct(&format!("{name} (doc)"));
        self.start(results);
    }

    fn start(&mut self, results: &mut Results) {
        results.begin(&self.suite);
        self.state = State::Started(Kept::for_a_case());
    }

    fn begin(&mut self, planned: u64, results: &mut Results) {
        self.untold |= planned > 0;
        // With -q there are no headers: all binaries are one suite.
        if !matches!(self.state, State::Started(_)) {
            self.leave(None, results);
        }
        self.state = State::Running(Box::new(Group::new(&self.suite, planned)));
    }

    /// Leaves the present state because something else begins or the output ends.
    fn leave(&mut self, end: Option<&End>, results: &mut Results) {
        match std::mem::replace(&mut self.state, State::Between(None)) {
            State::Between(_) => {}
            State::Started(_) => {
                self.untold = true;
                // A harness of its own that did not fail: one test.
                if matches!(end, None | Some(End::Success)) {
                    tally::passed(&self.suite, &self.suite, results);
                }
            }
            State::Running(mut group) => match end {
                Some(End::CutShort(reason)) => group.cut_short(reason, results),
                _ => group.no_result(results),
            },
            State::Json(mut run) => match end {
                Some(End::CutShort(reason)) => {
                    run.cut_short(reason, self.out_of_time.as_ref(), results);
                }
                _ => run.no_result("", results),
            },
            State::Ended(mut group) => group.no_result(results),
            State::CustomFailed(output) => {
                let message = "the test binary failed";
                tally::errored(&self.suite, &self.suite, message, output.text(), results);
            }
        }
    }

    /// An event of libtest's JSON. Within a run that speaks to people it is some test's output.
    fn event(&mut self, event: Event, results: &mut Results) {
        if let Event::Suite {
            event, test_count, ..
        } = &event
            && event == "started"
            && !matches!(self.state, State::Running(_) | State::Json(_))
        {
            if !matches!(self.state, State::Started(_)) {
                self.leave(None, results);
            }
            self.state = State::Json(Box::new(json::Run::new(&self.suite, *test_count)));
        } else if let State::Json(run) = &mut self.state
            && run.take(event, results)
        {
            self.state = State::Between(None);
        }
    }

    /// A line that no running group takes for itself.
    fn outside(&mut self, text: &str, line: Line<'_>, results: &mut Results) {
        match (line, &mut self.state) {
            (Line::Binary { what, name }, _) => self.binary(what, name, results),
            (Line::DocTests(name), _) => self.doc_tests(name, results),
            (Line::Begin(planned), _) => self.begin(planned, results),
            // A test printed it.
            (Line::Totals(_), State::Json(_)) => {}
            (Line::Totals(totals), _) => {
                // The result of a group that something in its output ended too early.
                let mut group = match std::mem::replace(&mut self.state, State::Between(None)) {
                    State::Ended(group) => group,
                    _ => Box::new(Group::new(&self.suite, 0)),
                };
                self.nameless += group.totals(totals, results);
            }
            (Line::Test { name, rest }, State::Between(_)) => {
                // What passed may have been printed by anything; what failed is never dropped.
                if matches!(line::end_of_test(rest), Some((line::End::Failed, _))) {
                    let message = "failed, outside of any run that the test binary announced";
                    tally::errored(&self.suite, name, message, String::new(), results);
                }
            }
            (Line::TestFailed, State::Started(output)) => {
                self.state = State::CustomFailed(std::mem::take(output));
            }
            (Line::BuildFailed(message), State::Between(errors)) => {
                let text = errors.take().map(|mut errors| errors.take());
                let name = message.split(" due to ").next().unwrap_or(message);
                let name = name.trim_start_matches("could not ");
                results.error(name, message, text.unwrap_or_default());
            }
            (Line::Error, State::Between(errors)) => {
                errors.get_or_insert_with(Kept::for_a_case).line(text);
            }
            (Line::Process(how), State::Ended(group)) => group.process_ended(how),
            (Line::Process(how), State::Json(run)) => {
                run.no_result(&format!(" ({how})"), results);
                self.state = State::Between(None);
            }
            (
                _,
                State::Between(Some(output)) | State::Started(output) | State::CustomFailed(output),
            ) => output.line(text),
            (_, State::Ended(group)) => group.said(text),
            _ => {}
        }
    }
}

impl Format for Cargo {
    fn line(&mut self, text: &str, results: &mut Results) {
        if let Some(event) = json::read(text) {
            return self.event(event, results);
        }
        let line = line::read(text);
        let State::Running(group) = &mut self.state else {
            return self.outside(text, line, results);
        };
        match group.line(text, &line, results) {
            group::Then::More => {}
            group::Then::Done { nameless } => {
                self.nameless += nameless;
                self.state = State::Between(None);
            }
            group::Then::Ended => {
                let running = std::mem::replace(&mut self.state, State::Between(None));
                if let State::Running(group) = running {
                    self.state = State::Ended(group);
                }
            }
            group::Then::NotMine => self.outside(text, line, results),
        }
    }

    fn end(&mut self, end: &End, results: &mut Results) {
        self.leave(Some(end), results);
        if self.nameless > 0 {
            tracing::warn!(
                "{} tests passed without a name in the output: leave out cargo's -q to see them",
                self.nameless
            );
            tally::passed(&self.target, "tests without a name", results);
        }
    }

    fn is_idle(&self) -> bool {
        matches!(self.state, State::Between(None))
    }

    fn tells_starts(&self) -> bool {
        !self.untold
    }

    fn longest_running(&self) -> Option<Running<'_>> {
        match &self.state {
            State::Json(run) => run.longest_running(),
            _ => None,
        }
    }

    fn waiting(&self) -> u64 {
        match &self.state {
            State::Running(group) => group.waiting(),
            _ => 0,
        }
    }

    fn out_of_time(&mut self, reason: &OutOfTime) {
        self.out_of_time = Some(reason.clone());
    }
}
