//! One run of libtest: from `running 7 tests` to `test result: …`.

use std::time::Duration;

use common::junit::{Kept, distinct};

use super::line::{self, End, Line, Totals};
use super::tally::{Tally, Whose, errored};
use crate::results::Results;

/// How many slow tests are remembered to be named when time runs out.
const SLOW: usize = 100;

/// What a line did to the group.
pub(super) enum Then {
    /// It belongs to the group.
    More,
    /// It was the last one; so many passed tests had no line of their own.
    Done { nameless: u64 },
    /// The test binary ended without a result.
    Ended,
    /// It belongs to what comes after.
    NotMine,
}

/// The tests of one run.
pub(super) struct Group {
    suite: String,
    planned: u64,
    tally: Tally,
    /// Whether a test was named where it ended.
    named: bool,
    slow: Vec<String>,
    part: Part,
    output: Kept,
    how: Option<String>,
}

enum Part {
    /// Lines of tests.
    Tests,
    /// A test that prints between its name and its outcome, with its last line.
    Within { name: String, last: String },
    /// What tests said, and whose words these are now.
    Sections(Of, Whose),
    /// Names of tests; the output of this one came before.
    Names(Of, Whose),
}

/// Which tests a section is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Passed,
    Failed,
}

impl Of {
    fn header(line: &Line<'_>) -> Option<Of> {
        match line {
            Line::Failures => Some(Of::Failed),
            Line::Successes => Some(Of::Passed),
            _ => None,
        }
    }
}

impl Group {
    pub(super) fn new(suite: &str, planned: u64) -> Self {
        Group {
            suite: suite.to_owned(),
            planned,
            tally: Tally::new(suite),
            named: false,
            slow: Vec::new(),
            part: Part::Tests,
            output: Kept::for_a_case(),
            how: None,
        }
    }

    /// Takes a line.
    pub(super) fn line(&mut self, text: &str, line: &Line<'_>, results: &mut Results) -> Then {
        match &mut self.part {
            Part::Tests => self.among_tests(text, line, results),
            Part::Within { .. } => self.within_test(text, line, results),
            Part::Sections(..) => self.in_sections(text, line, results),
            Part::Names(..) => self.in_names(text, line, results),
        }
    }

    fn among_tests(&mut self, text: &str, line: &Line<'_>, results: &mut Results) -> Then {
        if let Some(of) = Of::header(line) {
            self.part = Part::Sections(of, Whose::Nobody);
            return Then::More;
        }
        match line {
            Line::Test { name, rest } => return self.test(name, rest, results),
            Line::QuietFailure(name) => self.ended(name, End::Failed, None, results),
            Line::Slow(name) if self.slow.len() < SLOW => self.slow.push(distinct(name)),
            // Other totals are a part of what some test printed, one that runs cargo for example.
            Line::Totals(totals) if totals.tests == self.planned => {
                return self.done(*totals, results);
            }
            Line::TestFailed => return Then::Ended,
            Line::Begin(_) | Line::Binary { .. } | Line::DocTests(_) => return Then::NotMine,
            _ => match behind_output(text) {
                Some((name, end)) => self.ended(name, end, None, results),
                None => self.output.line(text),
            },
        }
        Then::More
    }

    fn test(&mut self, name: &str, rest: &str, results: &mut Results) -> Then {
        if let Some((end, time)) = line::end_of_test(rest) {
            self.ended(name, end, time, results);
            return Then::More;
        }
        self.output.take();
        self.part = Part::Within {
            name: name.to_owned(),
            last: rest.to_owned(),
        };
        if crashed(rest) {
            return Then::Ended;
        }
        self.output.line(rest);
        Then::More
    }

    /// A single-threaded run: all lines are the test's output up to its outcome, which may
    /// stand behind the last of it.
    fn within_test(&mut self, text: &str, line: &Line<'_>, results: &mut Results) -> Then {
        let Part::Within { name, last } = &mut self.part else {
            return Then::More;
        };
        if let Some((end, time)) = line::end_of_test(text) {
            let name = std::mem::take(name);
            self.ended(&name, end, time, results);
            return Then::More;
        }
        let next = matches!(
            line,
            Line::Test { .. } | Line::Totals(_) | Line::Failures | Line::Successes
        );
        if let (true, Some(end)) = (next, line::end_behind_output(last)) {
            let name = std::mem::take(name);
            self.ended(&name, end, None, results);
            return self.among_tests(text, line, results);
        }
        match line {
            // Its outcome was never seen; the totals know.
            Line::Totals(totals) if totals.tests == self.planned => {
                let passed = totals.ok && totals.failed == self.tally.failed();
                let name = std::mem::take(name);
                let end = if passed { End::Ok } else { End::Failed };
                self.ended(&name, end, None, results);
                return self.done(*totals, results);
            }
            Line::Binary { .. } | Line::DocTests(_) => return Then::NotMine,
            _ if crashed(text) => return Then::Ended,
            _ => {}
        }
        if !text.is_empty() {
            text.clone_into(last);
        }
        self.output.line(text);
        Then::More
    }

    /// What a test said may look like anything, a test's result among it.
    fn in_sections(&mut self, text: &str, line: &Line<'_>, results: &mut Results) -> Then {
        let Part::Sections(of, whose) = self.part else {
            return Then::More;
        };
        match line {
            Line::Output(name) => {
                // With -q some tests have no name before their output has.
                if !self.named && self.tally.seen() < self.planned && !self.tally.is_known(name) {
                    let end = match of {
                        Of::Passed => End::Ok,
                        Of::Failed => End::Failed,
                    };
                    self.tally.ended(name, end, None, None, results);
                }
                if let Some(next) = self.tally.whose(name) {
                    self.explain(whose, results);
                    self.part = Part::Sections(of, next);
                    return Then::More;
                }
            }
            Line::Failures | Line::Successes => {
                self.part = Part::Names(Of::header(line).unwrap_or(of), whose);
                return Then::More;
            }
            Line::Totals(totals) if totals.tests == self.planned => {
                self.explain(whose, results);
                return self.done(*totals, results);
            }
            Line::Binary { .. } | Line::DocTests(_) | Line::TestFailed
                if whose == Whose::Nobody =>
            {
                return Then::NotMine;
            }
            _ => {}
        }
        self.output.line(text);
        Then::More
    }

    fn in_names(&mut self, text: &str, line: &Line<'_>, results: &mut Results) -> Then {
        let Part::Names(of, whose) = self.part else {
            return Then::More;
        };
        match line {
            Line::Listed(name) if self.is_listed(of, name, results) => {}
            Line::Totals(totals) if totals.tests == self.planned => {
                self.explain(whose, results);
                return self.done(*totals, results);
            }
            Line::Failures | Line::Successes => {
                self.explain(whose, results);
                self.part = Part::Sections(Of::header(line).unwrap_or(of), Whose::Nobody);
            }
            // The word was but a part of what a test said, or headed the list of successes.
            _ if !text.is_empty() => {
                self.part = Part::Sections(of, whose);
                return self.in_sections(text, line, results);
            }
            _ => {}
        }
        Then::More
    }

    /// Whether a name belongs to a list at the end, and says so of its test.
    fn is_listed(&mut self, of: Of, name: &str, results: &mut Results) -> bool {
        match of {
            Of::Passed => self.tally.is_known(name),
            Of::Failed => self.tally.is_listed_as_failed(name, results),
        }
    }

    fn ended(&mut self, name: &str, end: End<'_>, time: Option<Duration>, results: &mut Results) {
        // What other threads print between the lines is no test's in particular.
        let within = matches!(self.part, Part::Within { .. });
        let said = within.then(|| self.output.take());
        self.part = Part::Tests;
        self.named = true;
        if !self.slow.is_empty() {
            let name = distinct(name);
            self.slow.retain(|slow| *slow != name);
        }
        self.tally.ended(name, end, said, time, results);
    }

    fn explain(&mut self, whose: Whose, results: &mut Results) {
        let text = self.output.take();
        self.tally.explain(whose, text, results);
    }

    fn done(&mut self, totals: Totals, results: &mut Results) -> Then {
        Then::Done {
            nameless: self.totals(totals, results),
        }
    }

    /// Compares what was seen with what libtest counted; gives the number of passed tests
    /// without a line of their own.
    pub(super) fn totals(&mut self, totals: Totals, results: &mut Results) -> u64 {
        self.tally.totals(totals, &mut self.output, results)
    }

    /// How many passed tests are not told to the results yet.
    pub(super) fn waiting(&self) -> u64 {
        self.tally.waiting()
    }

    pub(super) fn process_ended(&mut self, how: &str) {
        self.how = Some(how.to_owned());
    }

    pub(super) fn said(&mut self, text: &str) {
        self.output.line(text);
    }

    /// The test binary ended in the middle.
    pub(super) fn no_result(&mut self, results: &mut Results) {
        self.tally.release(results);
        let how = self
            .how
            .take()
            .map_or(String::new(), |how| format!(" ({how})"));
        let text = self.output.take();
        if let Part::Within { name, .. } = &self.part {
            let message = format!("the test binary ended while this test ran{how}");
            errored(&self.suite, name, &message, text, results);
            return;
        }
        let name = format!("{}: no result", self.suite);
        let message = format!(
            "the test binary said that it runs {} tests and ended after {} without a result{how}",
            self.planned,
            self.tally.seen()
        );
        errored(&self.suite, &name, &message, text, results);
    }

    /// We ended the command: the tests that ran are known as far as libtest named them.
    pub(super) fn cut_short(&mut self, reason: &str, results: &mut Results) {
        self.tally.release(results);
        let message = format!("{reason} while this test ran");
        if let Part::Within { name, .. } = &self.part {
            let text = self.output.take();
            errored(&self.suite, name, &message, text, results);
        }
        for name in std::mem::take(&mut self.slow) {
            errored(&self.suite, &name, &message, String::new(), results);
        }
    }
}

/// `outputtest a::b ... ok`: a test on another thread printed without a line end.
fn behind_output(text: &str) -> Option<(&str, End<'_>)> {
    let (_, line) = text.split_once("test ")?;
    let (name, rest) = line.split_once(" ... ")?;
    let (end, _) = line::end_of_test(rest)?;
    (!name.contains(' ')).then_some((name, end))
}

fn crashed(last: &str) -> bool {
    last.contains("error: test failed, to rerun pass")
}
