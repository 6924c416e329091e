//! What the tests did so far, in bounded memory: everything is counted, and listed as far as
//! there is room.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

use common::junit::{Case, Detail, Outcome, Report, Suite, distinct};

/// Room for passed and skipped tests, in bytes: some 40 000 of them.
const ROOM_FOR_PASSED: usize = 12 * 1024 * 1024;
/// Room for failed tests, in bytes: some 10 000 of them.
const ROOM_FOR_FAULTS: usize = 4 * 1024 * 1024;
/// Room for what they said, in bytes.
const ROOM_FOR_TEXTS: usize = 8 * 1024 * 1024;
/// How many names are remembered to keep them apart.
const NAMES: usize = 200_000;

/// How many tests ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) errored: u64,
    pub(crate) skipped: u64,
    /// Failed, then passed when run again.
    pub(crate) flaky: u64,
}

impl Counts {
    pub(crate) fn tests(&self) -> u64 {
        self.passed + self.failed + self.errored + self.skipped + self.flaky
    }

    pub(crate) fn faults(&self) -> u64 {
        self.failed + self.errored
    }

    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Errored(_) => self.errored += 1,
            Outcome::Skipped(_) => self.skipped += 1,
        }
    }
}

/// A test that is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id {
    suite: usize,
    case: usize,
}

/// What the tests did.
pub(crate) struct Results {
    target: String,
    counts: Counts,
    suites: Vec<Suite>,
    places: HashMap<String, usize>,
    names: HashSet<u64>,
    hasher: RandomState,
    /// The suite that began last.
    begun: (String, SystemTime),
    room_for_passed: usize,
    room_for_faults: usize,
    room_for_texts: usize,
    unlisted: u64,
}

impl Results {
    pub(crate) fn new(target: &str) -> Self {
        Results {
            target: target.to_owned(),
            counts: Counts::default(),
            suites: Vec::new(),
            places: HashMap::new(),
            names: HashSet::new(),
            hasher: RandomState::new(),
            begun: (target.to_owned(), SystemTime::now()),
            room_for_passed: ROOM_FOR_PASSED,
            room_for_faults: ROOM_FOR_FAULTS,
            room_for_texts: ROOM_FOR_TEXTS,
            unlisted: 0,
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

    /// A suite starts now; it is listed when it has a test.
    pub(crate) fn begin(&mut self, suite: &str) {
        self.begun = (suite.to_owned(), SystemTime::now());
    }

    /// How long a suite took, added to what it took before.
    pub(crate) fn took(&mut self, suite: &str, time: Duration) {
        if let Some(suite) = self.places.get(suite).map(|place| &mut self.suites[*place]) {
            suite.time = Some(suite.time.unwrap_or_default() + time);
        }
    }

    /// A test has ended. Its name becomes unique within the run: readers take two cases of one
    /// name for two attempts at one test, and a failure among them for flaky.
    pub(crate) fn add(&mut self, suite: &str, mut case: Case) -> Option<Id> {
        case.name = self.unique(suite, &distinct(&case.name));
        self.counts.count(&case.outcome);
        self.list(suite, case)
    }

    /// An attempt at a test as another tool reported it; counted by [`Results::count`].
    pub(crate) fn list(&mut self, suite: &str, mut case: Case) -> Option<Id> {
        if case.classname.is_empty() {
            case.classname.clone_from(&self.target);
        }
        let fault = case.outcome.fault().is_some();
        if fault {
            self.bound_texts(&mut case);
        } else {
            // What a passed test printed is of no interest in a report.
            case.system_out = String::new();
            case.system_err = String::new();
        }
        let room = if fault {
            &mut self.room_for_faults
        } else {
            &mut self.room_for_passed
        };
        let mut cost = cost(&case);
        if !self.places.contains_key(suite) {
            cost += size_of::<Suite>() + 2 * suite.len();
        }
        if cost > *room {
            self.unlisted += 1;
            return None;
        }
        *room -= cost;
        let suite = self.place(suite);
        let cases = &mut self.suites[suite].cases;
        cases.push(case);
        Some(Id {
            suite,
            case: cases.len() - 1,
        })
    }

    /// Adds to the counts what another tool counted.
    pub(crate) fn count(&mut self, counts: Counts) {
        self.counts.passed += counts.passed;
        self.counts.failed += counts.failed;
        self.counts.errored += counts.errored;
        self.counts.skipped += counts.skipped;
        self.counts.flaky += counts.flaky;
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
        let Some(case) = self
            .suites
            .get_mut(id.suite)
            .and_then(|suite| suite.cases.get_mut(id.case))
        else {
            return;
        };
        if let Some((file, line)) = place {
            (case.file, case.line) = (Some(file), Some(line));
        }
        let room = &mut self.room_for_texts;
        if let Outcome::Failed(known) | Outcome::Errored(known) = &mut case.outcome {
            *known = detail;
            bound(&mut known.text, room);
        }
    }

    /// A test that was taken for passed has failed.
    pub(crate) fn fail(&mut self, suite: &str, name: &str) -> Option<Id> {
        let suite = *self.places.get(suite)?;
        let passed = |case: &Case| case.name == name && case.outcome == Outcome::Passed;
        let case = self.suites[suite].cases.iter().rposition(passed)?;
        self.suites[suite].cases[case].outcome = Outcome::Failed(Detail {
            message: "test failed".to_owned(),
            text: String::new(),
        });
        self.counts.passed -= 1;
        self.counts.failed += 1;
        Some(Id { suite, case })
    }

    /// The failed tests that are listed, with their suites.
    pub(crate) fn faults(&self) -> impl Iterator<Item = (&Suite, &Case)> {
        self.suites.iter().flat_map(|suite| {
            let cases = suite.cases.iter();
            cases
                .filter(|case| case.outcome.fault().is_some())
                .map(move |case| (suite, case))
        })
    }

    /// The report: every suite carries these properties and this host's name.
    pub(crate) fn into_report(
        self,
        time: Duration,
        properties: &[(String, String)],
        hostname: Option<&str>,
    ) -> Report {
        let mut suites = self.suites;
        for suite in &mut suites {
            suite.properties.extend_from_slice(properties);
            suite.hostname = hostname.map(str::to_owned);
        }
        Report {
            name: self.target,
            time: Some(time),
            suites,
        }
    }

    /// Leaves out what there is no room for.
    fn bound_texts(&mut self, case: &mut Case) {
        let room = &mut self.room_for_texts;
        if let Outcome::Failed(detail) | Outcome::Errored(detail) = &mut case.outcome {
            bound(&mut detail.text, room);
        }
        bound(&mut case.system_out, room);
        bound(&mut case.system_err, room);
    }

    fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let start = if self.begun.0 == name {
            self.begun.1
        } else {
            SystemTime::now()
        };
        self.suites.push(Suite {
            name: name.to_owned(),
            timestamp: Some(start),
            ..Suite::default()
        });
        self.places.insert(name.to_owned(), self.suites.len() - 1);
        self.suites.len() - 1
    }

    /// The name as it is; with its suite in front, or a number behind, where another test has
    /// that name already.
    fn unique(&mut self, suite: &str, name: &str) -> String {
        if self.names.len() >= NAMES {
            return format!("{name} #{}", self.counts.tests() + 1);
        }
        if self.names.insert(self.hasher.hash_one(name)) {
            return name.to_owned();
        }
        let mut unique = format!("{suite}::{name}");
        let mut number = 2;
        while !self.names.insert(self.hasher.hash_one(&unique)) {
            // Many tests of one name: their number is as good as any.
            if number > 100 {
                return format!("{name} #{}", self.counts.tests() + 1);
            }
            unique = format!("{name} ({number})");
            number += 1;
        }
        unique
    }
}

const NO_ROOM: &str = "[left out: the report has no more room; see the log]";

fn bound(text: &mut String, room: &mut usize) {
    if text.len() <= *room {
        *room -= text.len();
        text.shrink_to_fit();
    } else {
        // Not copied into the text: that would keep its memory.
        *text = String::from(NO_ROOM);
    }
}

/// What a case costs without its texts.
fn cost(case: &Case) -> usize {
    let message = match &case.outcome {
        Outcome::Passed => 0,
        Outcome::Failed(detail) | Outcome::Errored(detail) | Outcome::Skipped(detail) => {
            detail.message.len()
        }
    };
    let file = case.file.as_ref().map_or(0, String::len);
    // Each string costs its allocation as well.
    size_of::<Case>() + 64 + case.name.len() + case.classname.len() + file + message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, outcome: Outcome) -> Case {
        Case {
            name: name.to_owned(),
            outcome,
            ..Case::default()
        }
    }

    fn failed(text: &str) -> Outcome {
        Outcome::Failed(Detail {
            message: "no".to_owned(),
            text: text.to_owned(),
        })
    }

    #[test]
    fn no_two_tests_have_one_name() {
        let mut results = Results::new("unit");
        for suite in ["a", "b", "b", "b"] {
            results.add(suite, case("works", Outcome::Passed));
        }
        let report = results.into_report(Duration::ZERO, &[], None);
        let names = report.suites.iter().flat_map(|suite| &suite.cases);
        let names: Vec<&str> = names.map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["works", "b::works", "works (2)", "works (3)"]);
    }

    #[test]
    fn suites_with_endless_names_have_no_more_room_than_tests() {
        let mut results = Results::new("unit");
        for number in 0..1000 {
            let suite = format!("{number}{}", "x".repeat(60_000));
            results.add(&suite, case(&number.to_string(), Outcome::Passed));
        }
        assert_eq!(results.counts().passed, 1000);
        let names: usize = results.suites.iter().map(|suite| suite.name.len()).sum();
        assert!(names < ROOM_FOR_PASSED, "{names}");
    }

    #[test]
    fn all_tests_count_although_not_all_have_room() {
        let mut results = Results::new("unit");
        for number in 0..60_000 {
            results.add("s", case(&number.to_string(), Outcome::Passed));
        }
        let text = "x".repeat(60_000);
        for number in 0..1000 {
            results.add("s", case(&format!("f{number}"), failed(&text)));
        }
        let counts = results.counts();
        assert_eq!((counts.passed, counts.failed), (60_000, 1000));
        assert!(results.unlisted() > 0);
        assert_eq!(results.faults().count(), 1000);
        let said = |case: &Case| case.outcome.fault().map_or(0, |fault| fault.text.len());
        let texts: usize = results.faults().map(|(_, case)| said(case)).sum();
        assert!(texts < ROOM_FOR_TEXTS + 1000 * NO_ROOM.len());
    }
}
