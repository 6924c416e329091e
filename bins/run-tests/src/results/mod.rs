//! What the tests did so far, in bounded memory: everything is counted, and listed as far as
//! a report may be large.

mod attempts;
mod counts;
mod files;
mod names;
mod room;
mod slowest;
mod store;
mod style;
#[cfg(test)]
mod tests;
mod write;

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use common::junit::{self, Case, Detail, Outcome, Suite, distinct};

use self::names::Names;
use self::room::Room;
use self::store::Store;
use crate::opts::JunitOutput;
use crate::tool::Selector;

pub(crate) use self::counts::Counts;
pub(crate) use self::slowest::Slowest;
pub(crate) use self::style::Style;

/// A failed test that is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(usize);

/// What the tests did.
pub(crate) struct Results {
    target: String,
    style: Style,
    counts: Counts,
    suites: Vec<Listed>,
    numbers: HashMap<String, usize>,
    names: Names,
    store: Store,
    faults: Vec<Fault>,
    /// The last attempt at each failed test, by its key.
    last_attempts: HashMap<u64, usize>,
    slowest: Slowest,
    /// The suite that began last.
    begun: (String, SystemTime),
    room: Room,
    unlisted: u64,
    attempts: attempts::Attempts,
    files: files::Files,
}

/// A suite, its cases apart.
struct Listed {
    suite: Suite,
    /// The report that it is part of: 0 for the command's own.
    file: usize,
    counts: junit::Counts,
}

/// An attempt at a test that went wrong.
struct Fault {
    suite: usize,
    case: Case,
    selector: Option<Selector>,
    /// Whether the test passed later.
    passed_later: bool,
    /// Whether the test failed again later.
    failed_again: bool,
}

impl Fault {
    fn is_open(&self) -> bool {
        !self.passed_later && !self.failed_again
    }
}

impl Results {
    #[cfg(any(test, fuzzing))]
    pub(crate) fn new(target: &str) -> Self {
        Results::styled(target, Style::default())
    }

    pub(crate) fn styled(target: &str, style: Style) -> Self {
        Results {
            target: target.to_owned(),
            style,
            counts: Counts::default(),
            suites: Vec::new(),
            numbers: HashMap::new(),
            names: Names::default(),
            store: Store::default(),
            faults: Vec::new(),
            last_attempts: HashMap::new(),
            slowest: Slowest::default(),
            begun: (target.to_owned(), SystemTime::now()),
            room: Room::default(),
            unlisted: 0,
            attempts: attempts::Attempts::default(),
            files: files::Files::default(),
        }
    }

    /// The name that the tests report as; also the suite of what belongs to no other.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// How many tests are counted but not listed for want of room.
    pub(crate) fn unlisted(&self) -> u64 {
        self.unlisted
    }

    /// The tests that took longest.
    pub(crate) fn slowest(&self) -> &Slowest {
        &self.slowest
    }

    /// Whether the report has what passed tests said.
    pub(crate) fn keeps_output_of_passed(&self) -> bool {
        self.style.output == JunitOutput::All
    }

    /// A text for the log, without what is secret.
    pub(crate) fn masked<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.style.masked(text)
    }

    /// A suite starts now; it is listed when it has a test.
    pub(crate) fn begin(&mut self, suite: &str) {
        self.begun = (suite.to_owned(), SystemTime::now());
    }

    /// A suite has ended; where tests of it follow nevertheless, they are those of another run.
    pub(crate) fn end(&mut self, suite: &str) {
        // Several commands run the failed tests of one suite again.
        if !self.attempts.is_again() {
            self.names.end(suite);
        }
    }

    /// How long a suite took, added to what it took before.
    pub(crate) fn took(&mut self, suite: &str, time: Duration) {
        if let Some(number) = self.numbers.get(suite) {
            let suite = &mut self.suites[*number].suite;
            suite.time = Some(suite.time.unwrap_or_default() + time);
        }
    }

    /// A test has ended. Its name becomes unique within its suite: readers take two cases of
    /// one name for two attempts at one test, and a failure among them for flaky. Gives the
    /// failed test, where it can still be explained or picked to run again.
    pub(crate) fn add(&mut self, suite: &str, mut case: Case) -> Option<Id> {
        self.give_name(suite, &mut case);
        let name = distinct(&case.name);
        let (name, key) = self.names.unique(suite, &case.classname, &name);
        case.name = name;
        if self.attempts.is_again() {
            return self.again(suite, case, key);
        }
        *self.counts.of(&case.outcome) += 1;
        self.put(suite, case, key)
    }

    /// An attempt at a test as another tool reported it; counted by [`Results::count`].
    pub(crate) fn list(&mut self, suite: &str, mut case: Case) -> Option<Id> {
        self.give_name(suite, &mut case);
        let scoped = self.files.scoped(suite);
        let key = self.names.key(&scoped, &case.classname, &case.name);
        if self.attempts.is_again() {
            return self.again(suite, case, key);
        }
        if case.outcome == Outcome::Passed {
            self.pass_later(key);
        }
        self.put(suite, case, key)
    }

    /// The name by the rule of this run, and the target as the class.
    fn give_name(&self, suite: &str, case: &mut Case) {
        case.name = self
            .style
            .name(&self.target, suite, &case.classname, &case.name);
        case.classname.clone_from(&self.target);
    }

    /// Lists a case: one that went wrong in memory, others in the store.
    fn put(&mut self, suite: &str, mut case: Case, key: u64) -> Option<Id> {
        self.slowest.add(case.time, suite, &case.name);
        self.style.dress(&mut case);
        self.room.bound_texts(&mut case);
        let Some(listed) = self.number(suite) else {
            self.unlisted += 1;
            return None;
        };
        let cost = room::cost(&case);
        if case.outcome.fault().is_none() || cost > self.room.faults {
            self.store(listed, &case);
            return None;
        }
        self.room.faults -= cost;
        let number = self.faults.len();
        self.suites[listed].counts.add(&case.outcome);
        self.store.fault(listed, number);
        self.faults.push(Fault {
            suite: listed,
            case,
            selector: None,
            passed_later: false,
            failed_again: false,
        });
        if let Some(before) = self.last_attempts.insert(key, number) {
            self.faults[before].failed_again = true;
        }
        Some(Id(number))
    }

    fn store(&mut self, suite: usize, case: &Case) {
        let mut rendered = Vec::new();
        // Writing to memory cannot fail.
        let written = junit::render(case, &mut rendered);
        if written.is_err() || rendered.len() > self.room.report {
            self.unlisted += 1;
            return;
        }
        self.room.report -= rendered.len();
        self.suites[suite].counts.add(&case.outcome);
        self.store.case(suite, &rendered);
    }

    /// Adds to the counts what another tool counted.
    pub(crate) fn count(&mut self, counts: Counts) {
        // What is run again was counted before.
        if !self.attempts.is_again() {
            self.counts.add(counts);
        }
    }

    /// An error that belongs to no test, or to the run as a whole.
    pub(crate) fn error(&mut self, name: &str, message: &str, text: String) {
        let target = self.target.clone();
        self.add(
            &target,
            Case {
                name: name.to_owned(),
                outcome: Outcome::Errored(Detail {
                    message: message.to_owned(),
                    text,
                }),
                ..Case::default()
            },
        );
    }

    /// What a failed test said, where that comes after its outcome.
    pub(crate) fn explain(&mut self, id: Id, detail: Detail, place: Option<(String, u64)>) {
        let Some(Fault { case, .. }) = self.faults.get_mut(id.0) else {
            return;
        };
        if let Some((file, line)) = place {
            (case.file, case.line) = (Some(file), Some(line));
        }
        let mut detail = detail;
        self.style.dress_detail(&mut detail);
        let room = &mut self.room.texts;
        if let Outcome::Failed(known) | Outcome::Errored(known) = &mut case.outcome {
            *known = detail;
            room::bound(&mut known.text, room);
        }
    }

    /// How to pick a failed test when it is run again.
    pub(crate) fn select(&mut self, id: Option<Id>, group: &str, name: &str) {
        if let Some(fault) = id.and_then(|id| self.faults.get_mut(id.0)) {
            fault.selector = Some(Selector {
                group: group.to_owned(),
                name: name.to_owned(),
            });
        }
    }

    /// The tests whose last attempt went wrong, as far as they are listed, with their suites.
    pub(crate) fn faults(&self) -> impl Iterator<Item = (&Suite, &Case)> {
        let open = self.faults.iter().filter(|fault| fault.is_open());
        open.map(|fault| (&self.suites[fault.suite].suite, &fault.case))
    }

    /// The tests that failed and then passed, with what went wrong last.
    pub(crate) fn flakes(&self) -> impl Iterator<Item = (&Suite, &Case)> {
        let passed = self.faults.iter().filter(|fault| fault.passed_later);
        passed.map(|fault| (&self.suites[fault.suite].suite, &fault.case))
    }

    /// The same for a case that is listed.
    fn bound_fault(&mut self, number: usize) {
        let mut case = std::mem::take(&mut self.faults[number].case);
        self.room.bound_texts(&mut case);
        self.faults[number].case = case;
    }

    fn number(&mut self, name: &str) -> Option<usize> {
        let scoped = self.files.scoped(name);
        if let Some(number) = self.numbers.get(scoped.as_ref()) {
            return Some(*number);
        }
        let cost = size_of::<Listed>() + 2 * name.len();
        self.room.suites = self.room.suites.checked_sub(cost)?;
        let start = if self.begun.0 == name {
            self.begun.1
        } else {
            SystemTime::now()
        };
        self.suites.push(Listed {
            suite: Suite {
                name: name.to_owned(),
                timestamp: Some(start),
                ..Suite::default()
            },
            file: self.files.current(),
            counts: junit::Counts::default(),
        });
        let number = self.suites.len() - 1;
        self.numbers.insert(scoped.into_owned(), number);
        Some(number)
    }
}
