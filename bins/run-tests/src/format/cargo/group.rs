//! One run of libtest: from `running 7 tests` to `test result: …`.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use common::junit::{Case, Detail, Kept, Outcome, distinct};

use super::line::{self, End, Line, Totals};
use super::story;
use crate::place;
use crate::results::{Id, Results};

/// How many failed tests are remembered to be explained.
const FAILED: usize = 10_000;
/// How many passed tests are remembered in case that they failed.
const PASSED: usize = 100_000;
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
    seen: u64,
    passed: u64,
    failed: u64,
    /// Failed tests by the hashes of their names, which may be long; `None` for one that the
    /// report has no room for.
    failures: HashMap<u64, Option<Id>>,
    /// Hashes of the names of tests taken for passed.
    passed_names: HashSet<u64>,
    hasher: RandomState,
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
    /// What tests said; of the one that is explained now, if it failed.
    Sections(Option<Id>),
    /// Names of tests; the output of this failed one came before.
    Names(Option<Id>),
}

impl Group {
    pub(super) fn new(suite: &str, planned: u64) -> Self {
        Group {
            suite: suite.to_owned(),
            planned,
            seen: 0,
            passed: 0,
            failed: 0,
            failures: HashMap::new(),
            passed_names: HashSet::new(),
            hasher: RandomState::new(),
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
            Part::Sections(_) => self.in_sections(text, line, results),
            Part::Names(_) => self.in_names(text, line, results),
        }
    }

    fn among_tests(&mut self, text: &str, line: &Line<'_>, results: &mut Results) -> Then {
        match line {
            Line::Test { name, rest } => return self.test(name, rest, results),
            Line::QuietFailure(name) => self.ended(name, End::Failed, None, results),
            Line::Slow(name) if self.slow.len() < SLOW => self.slow.push(distinct(name)),
            Line::Failures | Line::Successes => self.part = Part::Sections(None),
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
                let passed = totals.ok && totals.failed == self.failed;
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
        let Part::Sections(of) = self.part else {
            return Then::More;
        };
        match line {
            Line::Output(name) => {
                // Older versions name no test with -q before they explain the failed ones.
                if self.seen == 0 {
                    self.ended(name, End::Failed, None, results);
                }
                if let Some(id) = self.failures.get(&self.key(name)).copied() {
                    self.explain(of, results);
                    self.part = Part::Sections(id);
                    return Then::More;
                }
            }
            Line::Failures | Line::Successes => {
                self.part = Part::Names(of);
                return Then::More;
            }
            Line::Totals(totals) if totals.tests == self.planned => {
                self.explain(of, results);
                return self.done(*totals, results);
            }
            Line::Binary { .. } | Line::DocTests(_) | Line::TestFailed if of.is_none() => {
                return Then::NotMine;
            }
            _ => {}
        }
        self.output.line(text);
        Then::More
    }

    fn in_names(&mut self, text: &str, line: &Line<'_>, results: &mut Results) -> Then {
        let Part::Names(of) = self.part else {
            return Then::More;
        };
        match line {
            Line::Listed(name) if self.is_listed(name, results) => {}
            Line::Totals(totals) if totals.tests == self.planned => {
                self.explain(of, results);
                return self.done(*totals, results);
            }
            Line::Failures | Line::Successes => {
                self.explain(of, results);
                self.part = Part::Sections(None);
            }
            // The word was but a part of what a test said, or headed the list of successes.
            _ if !text.is_empty() => {
                self.part = Part::Sections(of);
                return self.in_sections(text, line, results);
            }
            _ => {}
        }
        Then::More
    }

    /// Whether a listed name is a failed test's. The list is libtest's last word on it: what
    /// was taken for passed, because its output looked so, has failed.
    fn is_listed(&mut self, name: &str, results: &mut Results) -> bool {
        let key = self.key(name);
        if self.failures.contains_key(&key) {
            return true;
        }
        let taken_for_passed = self.passed_names.remove(&key);
        if taken_for_passed {
            let id = results.fail(&self.suite, &distinct(name));
            results.select(id, &self.suite, name);
            self.passed -= 1;
            self.failed += 1;
            self.failures.insert(key, id);
        }
        taken_for_passed
    }

    fn key(&self, name: &str) -> u64 {
        self.hasher.hash_one(name)
    }

    fn ended(&mut self, name: &str, end: End<'_>, time: Option<Duration>, results: &mut Results) {
        // What other threads print between the lines is no test's in particular.
        let within = matches!(self.part, Part::Within { .. });
        let said = within.then(|| self.output.take());
        self.part = Part::Tests;
        self.seen += 1;
        if !self.slow.is_empty() {
            let name = distinct(name);
            self.slow.retain(|slow| *slow != name);
        }
        match end {
            End::Ok => {
                self.passed += 1;
                if self.passed_names.len() < PASSED {
                    self.passed_names.insert(self.key(name));
                }
                passed(&self.suite, name, time, results);
            }
            End::Ignored(reason) => {
                let outcome = Outcome::Skipped(Detail {
                    message: reason.to_owned(),
                    text: String::new(),
                });
                results.add(&self.suite, case(name, time, outcome, None));
            }
            End::Failed => {
                self.failed += 1;
                let detail = story::detail(said.unwrap_or_default());
                let place = place::of(&detail.text);
                let case = case(name, time, Outcome::Failed(detail), place);
                let id = results.add(&self.suite, case);
                results.select(id, &self.suite, name);
                if self.failures.len() < FAILED {
                    self.failures.insert(self.key(name), id);
                }
            }
        }
    }

    fn explain(&mut self, of: Option<Id>, results: &mut Results) {
        let text = self.output.take();
        if let Some(id) = of {
            let place = place::of(&text);
            results.explain(id, story::detail(text), place);
        }
    }

    fn done(&mut self, totals: Totals, results: &mut Results) -> Then {
        Then::Done {
            nameless: self.totals(totals, results),
        }
    }

    /// Compares what was seen with what libtest counted; gives the number of passed tests
    /// without a line of their own.
    pub(super) fn totals(&mut self, totals: Totals, results: &mut Results) -> u64 {
        if let Some(time) = totals.time {
            results.took(&self.suite, time);
        }
        let failed = totals.failed.saturating_sub(self.failed);
        if failed > 0 || (!totals.ok && self.failed == 0) {
            let name = format!("{}: failures without a name", self.suite);
            let message = format!(
                "the test binary counts {} failed tests, its lines show {}",
                totals.failed, self.failed
            );
            results.error(&name, &message, self.output.take());
        }
        totals.passed.saturating_sub(self.passed)
    }

    pub(super) fn process_ended(&mut self, how: &str) {
        self.how = Some(how.to_owned());
    }

    pub(super) fn said(&mut self, text: &str) {
        self.output.line(text);
    }

    /// The test binary ended in the middle.
    pub(super) fn no_result(&mut self, results: &mut Results) {
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
            self.planned, self.seen
        );
        errored(&self.suite, &name, &message, text, results);
    }

    /// We ended the command: the tests that ran are known as far as libtest named them.
    pub(super) fn cut_short(&mut self, reason: &str, results: &mut Results) {
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

pub(super) fn passed(suite: &str, name: &str, time: Option<Duration>, results: &mut Results) {
    results.add(suite, case(name, time, Outcome::Passed, None));
}

pub(super) fn errored(suite: &str, name: &str, message: &str, text: String, results: &mut Results) {
    let place = place::of(&text);
    let outcome = Outcome::Errored(Detail {
        message: message.to_owned(),
        text,
    });
    results.add(suite, case(name, None, outcome, place));
}

fn case(
    name: &str,
    time: Option<Duration>,
    outcome: Outcome,
    place: Option<(String, u64)>,
) -> Case {
    let (file, line) = place.map_or((None, None), |(file, line)| (Some(file), Some(line)));
    Case {
        name: name.to_owned(),
        time,
        outcome,
        file,
        line,
        ..Case::default()
    }
}
