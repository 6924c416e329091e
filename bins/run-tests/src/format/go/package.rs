//! One package while its tests run.

use std::collections::HashMap;
use std::time::Duration;

use common::junit::{Case, Detail, Outcome, clean, distinct};
use tokio::time::Instant;

use super::builds::Builds;
use super::event::{Action, Event};
use super::story;
use crate::format::{End, Running};
use crate::kept::Kept;
use crate::place;
use crate::results::Results;

/// How many tests of a package may run at once; Go starts thousands in parallel at most.
const TESTS: usize = 100_000;

/// A package whose end was not seen yet.
pub(super) struct Package {
    name: String,
    tests: HashMap<String, Test>,
    /// What it printed outside of tests.
    said: Kept,
    /// The line that sums it up, the one with `ok`, the name and the time.
    summary: String,
    /// Whether the test binary came to its own end: it says `PASS` or `FAIL` then.
    complete: bool,
    /// What a test that has ended said of a panic: it took the others with it.
    panic: Option<String>,
    failed: u64,
    passed_roots: Vec<String>,
}

/// A test that has not ended yet.
struct Test {
    said: Kept,
    error: Option<String>,
    since: Instant,
    runs: bool,
}

impl Package {
    pub(super) fn new(name: String) -> Self {
        Package {
            name,
            tests: HashMap::new(),
            said: Kept::for_a_case(),
            summary: String::new(),
            complete: false,
            panic: None,
            failed: 0,
            passed_roots: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The tests that run, without those that wait for their turn.
    pub(super) fn running(&self) -> impl Iterator<Item = Running<'_>> {
        let running = self.tests.iter().filter(|(_, test)| test.runs);
        running.map(|(name, test)| Running {
            name,
            since: test.since,
        })
    }

    /// A test starts, or goes on.
    pub(super) fn runs(&mut self, name: &str) {
        if let Some(test) = self.test(name)
            && !test.runs
        {
            test.runs = true;
            test.since = Instant::now();
        }
    }

    pub(super) fn waits(&mut self, name: &str) {
        if let Some(test) = self.test(name) {
            test.runs = false;
        }
    }

    fn test(&mut self, name: &str) -> Option<&mut Test> {
        // Looked up first: a name is copied for a new test only.
        if !self.tests.contains_key(name) {
            if self.tests.len() >= TESTS {
                return None;
            }
            let test = Test {
                said: Kept::for_a_case(),
                error: None,
                since: Instant::now(),
                runs: true,
            };
            self.tests.insert(name.to_owned(), test);
        }
        self.tests.get_mut(name)
    }

    pub(super) fn said(&mut self, event: &Event<'_>) {
        if story::is_framing(&event.output) {
            return;
        }
        if let Some(test) = self.test(&event.test) {
            if event.is_error() && test.error.is_none() {
                test.error = Some(event.output.clone().into_owned());
            }
            test.said.push(&event.output);
        }
    }

    pub(super) fn said_outside(&mut self, event: &Event<'_>) {
        let output = event.output.as_ref();
        if matches!(output, "PASS\n" | "FAIL\n") {
            self.complete = true;
        }
        if ["ok  \t", "?   \t", "FAIL\t", "---"]
            .iter()
            .any(|start| output.starts_with(start))
        {
            output.clone_into(&mut self.summary);
        }
        self.said.push(output);
    }

    /// A test has ended; gives what is shown of it.
    pub(super) fn ended(
        &mut self,
        action: Action,
        event: &Event<'_>,
        results: &mut Results,
    ) -> String {
        let test = self.tests.remove(event.test.as_ref());
        let said = |test: Option<Test>| test.map(|test| test.said.text()).unwrap_or_default();
        let time = event.elapsed();
        match action {
            Action::Fail => {
                self.failed += 1;
                let error = test.as_ref().and_then(|test| test.error.clone());
                let shown = said(test);
                let detail = story::detail(clean(shown.as_bytes()), error.as_deref());
                self.panic = self
                    .panic
                    .take()
                    .or_else(|| story::end_of_all(&detail.text));
                let id = self.add(&event.test, time, Outcome::Failed(detail), results);
                results.select(id, &event.package, &event.test);
                shown
            }
            Action::Skip => {
                let reason = story::reason(&clean(said(test).as_bytes()));
                let outcome = Outcome::Skipped(Detail {
                    message: reason,
                    text: String::new(),
                });
                self.add(&event.test, time, outcome, results);
                String::new()
            }
            _ => {
                if !event.test.contains('/') && !self.tests.is_empty() {
                    self.passed_roots.push(event.test.clone().into_owned());
                }
                self.add(&event.test, time, Outcome::Passed, results);
                let shows = event.test.starts_with("Benchmark");
                if shows { said(test) } else { String::new() }
            }
        }
    }

    fn add(
        &self,
        test: &str,
        time: Option<Duration>,
        outcome: Outcome,
        results: &mut Results,
    ) -> Option<crate::results::Id> {
        let fault = outcome.fault();
        let place = fault.and_then(|fault| place::of(&fault.text));
        let (file, line) = place.map_or((None, None), |(file, line)| (Some(file), Some(line)));
        let case = Case {
            name: distinct(test),
            time,
            outcome,
            file,
            line,
            ..Case::default()
        };
        results.add(&self.name, case)
    }

    /// What is shown when the package has ended: all of it where it failed, as Go does.
    pub(super) fn shown_at_its_end(&self, failed: bool) -> String {
        if failed || self.summary.is_empty() {
            self.said.text()
        } else {
            self.summary.clone()
        }
    }

    /// The package has ended: does its result follow from those of its tests?
    pub(super) fn finish(
        mut self,
        failed: bool,
        event: &Event<'_>,
        builds: &Builds,
        out_of_time: Option<&str>,
        results: &mut Results,
    ) {
        if !event.failed_build.is_empty() || self.summary.trim_end().ends_with(" failed]") {
            let text = builds.text(&event.failed_build, &event.package) + &self.said.text();
            return self.error("build", &story::of_build(&text), text, results);
        }
        let said = clean(self.said.text().as_bytes());
        let how = self.how(&said);
        let early = how.as_deref().unwrap_or("the test binary ended early");
        let early = match out_of_time {
            Some(reason) if failed => reason,
            _ => early,
        };
        let unfinished = self.unfinished(failed, results);
        for (name, test) in &unfinished {
            let state = if test.runs {
                "ran"
            } else {
                "waited for its turn"
            };
            let message = if failed {
                format!("{early} while this test {state}")
            } else {
                "no end of this test was seen although its package passed".to_owned()
            };
            self.errored(name, &message, &test.said, results);
        }
        if !failed || !unfinished.is_empty() {
            return;
        }
        if !self.complete {
            let message = format!("not all tests of the package may have run: {early}");
            self.error("ended early", &message, said, results);
        } else if self.failed == 0 {
            let message = how.unwrap_or_else(|| {
                "the package failed although no test of it did: its TestMain, perhaps".to_owned()
            });
            self.error("outside of any test", &message, said, results);
        }
    }

    /// How the test binary came to a bad end, as far as something it printed says so.
    fn how(&self, said: &str) -> Option<String> {
        let of_test = |test: &Test| story::end_of_all(&clean(test.said.text().as_bytes()));
        story::end_of_all(said)
            .or_else(|| self.panic.clone())
            .or_else(|| self.tests.values().find_map(of_test))
    }

    /// The tests without an end, sorted. Go does not always tell the end of a subtest; where
    /// the test above it passed, it passed as well (golang/go issue 40771).
    fn unfinished(&mut self, failed: bool, results: &mut Results) -> Vec<(String, Test)> {
        let mut tests: Vec<(String, Test)> = self.tests.drain().collect();
        tests.sort_by(|(one, _), (other, _)| one.cmp(other));
        tests.retain(|(name, _)| {
            let root = name.split('/').next().unwrap_or_default();
            let passed = !failed && self.passed_roots.iter().any(|passed| passed == root);
            if passed {
                self.add(name, None, Outcome::Passed, results);
            }
            !passed
        });
        tests
    }

    /// The output ended before the package did.
    pub(super) fn cut(mut self, end: &End, out_of_time: Option<&str>, results: &mut Results) {
        let said = clean(self.said.text().as_bytes());
        let how = match (end, out_of_time) {
            (_, Some(reason)) => reason.to_owned(),
            (End::CutShort(reason), _) => reason.clone(),
            (End::Success, _) => "the output ended".to_owned(),
            (End::Failure { how, .. }, _) => format!("the output ended ({how})"),
        };
        let unfinished = self.unfinished(true, results);
        for (name, test) in &unfinished {
            let state = if test.runs {
                "ran"
            } else {
                "waited for its turn"
            };
            let message = format!("{how} while this test {state}");
            self.errored(name, &message, &test.said, results);
        }
        if unfinished.is_empty() && !matches!(end, End::CutShort(_)) {
            let message = format!("{how} before the package did");
            self.error("no result", &message, said, results);
        }
    }

    fn errored(&self, test: &str, message: &str, said: &Kept, results: &mut Results) {
        let outcome = Outcome::Errored(Detail {
            message: message.to_owned(),
            text: clean(said.text().as_bytes()),
        });
        self.add(test, None, outcome, results);
    }

    /// An error of the package that is no test's own.
    fn error(&self, what: &str, message: &str, text: String, results: &mut Results) {
        let outcome = Outcome::Errored(Detail {
            message: message.to_owned(),
            text,
        });
        let name = format!("{}: {what}", self.name);
        self.add(&name, None, outcome, results);
    }
}
