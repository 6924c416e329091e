//! One package while its tests run.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use common::junit::{Case, Detail, Kept, Outcome, clean, distinct};
use tokio::time::Instant;

use super::builds::Builds;
use super::event::{Action, Event};
use super::sources::Sources;
use super::story;
use crate::format::{End, OutOfTime, Running};
use crate::place;
use crate::results::Results;

/// How many tests of a package may run at once; Go starts thousands in parallel at most.
const TESTS: usize = 100_000;

/// A package whose end was not seen yet.
pub(super) struct Package {
    name: String,
    sources: Rc<Sources>,
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
    /// Tests that have not ended yet and of which a subtest failed.
    failed_parents: HashSet<String>,
    passed_roots: Vec<String>,
}

/// A test that has not ended yet.
struct Test {
    said: Kept,
    since: Instant,
    runs: bool,
}

impl Package {
    pub(super) fn new(name: String, sources: Rc<Sources>) -> Self {
        Package {
            name,
            sources,
            tests: HashMap::new(),
            said: Kept::for_a_case(),
            summary: String::new(),
            complete: false,
            panic: None,
            failed: 0,
            failed_parents: HashSet::new(),
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
            name: name.into(),
            since: test.since,
        })
    }

    /// A test starts, or goes on.
    pub(super) fn runs(&mut self, name: &str) {
        self.with_test(name, |test| {
            if !test.runs {
                test.runs = true;
                test.since = Instant::now();
            }
        });
    }

    pub(super) fn waits(&mut self, name: &str) {
        self.with_test(name, |test| test.runs = false);
    }

    pub(super) fn said(&mut self, event: &Event<'_>) {
        if !story::is_framing(&event.output) {
            self.with_test(&event.test, |test| test.said.push(&event.output));
        }
    }

    /// Does something with a test that has not ended; looked up once, and its name copied
    /// where it is new only: most events find the test there.
    fn with_test(&mut self, name: &str, act: impl FnOnce(&mut Test)) {
        if let Some(test) = self.tests.get_mut(name) {
            act(test);
        } else if self.tests.len() < TESTS {
            let mut test = Test {
                said: Kept::for_a_case(),
                since: Instant::now(),
                runs: true,
            };
            act(&mut test);
            self.tests.insert(name.to_owned(), test);
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
                if let Some((parent, _)) = event.test.rsplit_once('/') {
                    self.failed_parents.insert(parent.to_owned());
                }
                let shown = said(test);
                let subtest_failed = self.failed_parents.remove(event.test.as_ref());
                let detail = story::detail(clean(shown.as_bytes()), subtest_failed);
                self.panic = self
                    .panic
                    .take()
                    .or_else(|| story::end_of_all(&detail.text));
                let outcome = Outcome::Failed(detail);
                let id = self.add(&event.test, time, outcome, String::new(), results);
                results.select(id, &event.package, &event.test);
                shown
            }
            Action::Skip => {
                let said = clean(said(test).as_bytes());
                let reason = story::reason(&said);
                let outcome = Outcome::Skipped(Detail {
                    message: reason,
                    text: String::new(),
                });
                let said = story::own_words(&said, &event.test);
                self.add(&event.test, time, outcome, said, results);
                String::new()
            }
            _ => {
                if !event.test.contains('/') && !self.tests.is_empty() {
                    self.passed_roots.push(event.test.clone().into_owned());
                }
                self.passed(&event.test, time, test.as_ref(), results);
                String::new()
            }
        }
    }

    /// What a passed test said is copied only where it is wanted.
    fn passed(
        &self,
        name: &str,
        time: Option<Duration>,
        test: Option<&Test>,
        results: &mut Results,
    ) {
        let said = match test {
            Some(test) if results.keeps_output_of_passed() => {
                story::own_words(&clean(test.said.text().as_bytes()), name)
            }
            _ => String::new(),
        };
        self.add(name, time, Outcome::Passed, said, results);
    }

    fn add(
        &self,
        test: &str,
        time: Option<Duration>,
        outcome: Outcome,
        said: String,
        results: &mut Results,
    ) -> Option<crate::results::Id> {
        let fault = outcome.fault();
        let place = fault.and_then(|fault| place::of(&fault.text));
        let file = |file: &str| self.sources.file(&self.name, file);
        let (file, line) = match &place {
            Some((name, line)) => (Some(file(name)), Some(*line)),
            None => (None, None),
        };
        let case = Case {
            name: distinct(test),
            time,
            outcome,
            file,
            line,
            system_out: said,
            ..Case::default()
        };
        results.add(&self.name, case)
    }

    /// What is shown when the package has ended: all of it where it failed, as Go does, and
    /// what benchmarks say, which have no end of their own.
    pub(super) fn shown_at_its_end(&self, failed: bool) -> String {
        let is_shown = |test: &&(&String, &Test)| failed || is_benchmark(test.0);
        let mut tests: Vec<(&String, &Test)> = self.tests.iter().collect();
        tests.retain(|test| is_shown(&test));
        tests.sort_by_key(|(name, _)| *name);
        let of_tests: String = tests.iter().map(|(_, test)| test.said.text()).collect();
        if failed || !of_tests.is_empty() || self.summary.is_empty() {
            of_tests + &self.said.text()
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
        out_of_time: Option<&OutOfTime>,
        results: &mut Results,
    ) {
        if !event.failed_build.is_empty() || self.summary.trim_end().ends_with(" failed]") {
            let text = builds.text(&event.failed_build, &event.package) + &self.said.text();
            return self.error("build", &story::of_build(&text), text, results);
        }
        let said = clean(self.said.text().as_bytes());
        let how = self.how(&said);
        let last_word = || story::last_word(&said);
        let early = how.clone().or_else(last_word);
        let early = early.unwrap_or_else(|| "the test binary ended early".to_owned());
        let unfinished = self.unfinished(failed, results);
        for (name, test) in &unfinished {
            let message = if failed {
                test.cut_short(name, &early, out_of_time)
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

    /// The tests without an end, sorted. Go tells no end of a benchmark, and not always of a
    /// subtest; where the test above it passed, it passed as well (golang/go issue 40771). Nor of
    /// a test whose last line has no end, as what Go says of it is then a part of that line.
    fn unfinished(&mut self, failed: bool, results: &mut Results) -> Vec<(String, Test)> {
        let mut tests: Vec<(String, Test)> = self.tests.drain().collect();
        tests.sort_by(|(one, _), (other, _)| one.cmp(other));
        tests.retain(|(name, test)| {
            let root = name.split('/').next().unwrap_or_default();
            let passed = !failed && self.passed_roots.iter().any(|passed| passed == root)
                || self.complete && (is_benchmark(name) || test.said_that_it_passed(name));
            if passed {
                self.passed(name, None, Some(test), results);
            }
            !passed
        });
        tests
    }

    /// The output ended before the package did.
    pub(super) fn cut(mut self, end: &End, out_of_time: Option<&OutOfTime>, results: &mut Results) {
        let said = clean(self.said.text().as_bytes());
        let how = match end {
            End::CutShort(reason) => reason.clone(),
            End::Success => "the output ended".to_owned(),
            End::Failure { how, .. } => format!("the output ended ({how})"),
        };
        let unfinished = self.unfinished(true, results);
        for (name, test) in &unfinished {
            let message = test.cut_short(name, &how, out_of_time);
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
        self.add(test, None, outcome, String::new(), results);
    }

    /// An error of the package that is no test's own.
    fn error(&self, what: &str, message: &str, text: String, results: &mut Results) {
        let outcome = Outcome::Errored(Detail {
            message: message.to_owned(),
            text,
        });
        self.add(what, None, outcome, String::new(), results);
    }
}

impl Test {
    /// Whether it said so at the end of a line of its own: `text--- PASS: TestA (0.00s)`.
    fn said_that_it_passed(&self, name: &str) -> bool {
        let said = self.said.text();
        let line = said.lines().next_back().unwrap_or_default();
        let end = line.rsplit_once("--- PASS: ");
        let time = end.and_then(|(_, end)| end.strip_prefix(name)?.strip_prefix(" ("));
        time.is_some_and(|time| time.ends_with("s)"))
    }

    /// What is said of a test that had not ended when its package did.
    fn cut_short(&self, name: &str, how: &str, out_of_time: Option<&OutOfTime>) -> String {
        let state = if self.runs {
            "ran"
        } else {
            "waited for its turn"
        };
        match out_of_time {
            Some(OutOfTime { test, limit, .. }) if test.as_deref() == Some(name) => {
                format!("timed out: it ran longer than {limit}")
            }
            Some(out_of_time) => format!("{out_of_time} while this test {state}"),
            None => format!("{how} while this test {state}"),
        }
    }
}

fn is_benchmark(test: &str) -> bool {
    test.starts_with("Benchmark")
}
