//! The test points of one level of indentation, and whether they are those that were planned.

use std::collections::HashSet;

use common::junit::{Case, Detail, Outcome};

use super::open::Open;
use super::point::Point;

/// How many test numbers are compared with each other.
const NUMBERS: usize = 100_000;

/// A document (the outermost level) or the subtests of one test point.
#[derive(Default)]
pub(super) struct Level {
    /// How many tests were promised.
    pub(super) plan: Option<u64>,
    /// How many came.
    pub(super) seen: u64,
    /// Whether anything of it came.
    pub(super) begun: bool,
    /// Whether tests that are missing go without saying.
    pub(super) excused: bool,
    /// Whether what is no TAP is a mistake: `pragma +strict`.
    pub(super) strict: bool,
    /// The last test point.
    pub(super) open: Option<Open>,
    /// The tests of a level of subtests, until the point above them comes.
    pub(super) cases: Vec<Case>,
    numbers: HashSet<u64>,
    highest: u64,
    twice: Option<u64>,
}

impl Level {
    /// A test point has come.
    pub(super) fn see(&mut self, point: &Point) {
        self.begun = true;
        if !point.ok && is_set_up(&point.description) {
            // Bats reports these beside the planned tests, and runs fewer of those.
            self.excused = true;
            return;
        }
        self.seen += 1;
        if let Some(number) = point.number {
            self.highest = self.highest.max(number);
            if self.numbers.len() < NUMBERS && !self.numbers.insert(number) {
                self.twice.get_or_insert(number);
            }
        }
    }

    /// Whether a test point with this number starts a document behind a complete one.
    pub(super) fn starts_anew(&self, number: Option<u64>) -> bool {
        self.seen > 0 && number == Some(1) && self.plan.is_some_and(|plan| self.seen >= plan)
    }

    /// Whether a plan is fulfilled by tests that have numbers.
    pub(super) fn is_complete(&self) -> bool {
        self.plan == Some(self.seen) && self.numbers.len() as u64 == self.seen
    }

    /// What does not fit between the plan and the tests that came.
    pub(super) fn problem(&self) -> Option<String> {
        let seen = self.seen;
        match self.plan {
            _ if self.excused || !self.begun => None,
            Some(plan) if plan != seen => {
                Some(format!("the plan says {plan} tests, {seen} were seen"))
            }
            Some(plan) => self.misnumbered(plan),
            None => Some(format!(
                "{seen} tests were seen but no plan: the output may have been cut"
            )),
        }
    }

    /// The right number of test points that are not the planned tests.
    fn misnumbered(&self, plan: u64) -> Option<String> {
        if let Some(number) = self.twice {
            return Some(format!("test number {number} came twice"));
        }
        let highest = self.highest;
        (highest > plan).then(|| format!("the plan says {plan} tests, number {highest} came"))
    }

    /// A level of subtests is over: gives its tests.
    pub(super) fn into_subtests(mut self) -> Vec<Case> {
        if let Some(open) = self.open.take() {
            self.cases.extend(open.close());
        }
        if let Some(problem) = self.problem() {
            self.cases.push(Case {
                name: "plan".to_owned(),
                outcome: Outcome::Errored(Detail {
                    message: problem,
                    text: String::new(),
                }),
                ..Case::default()
            });
        }
        self.cases
    }
}

fn is_set_up(description: &str) -> bool {
    let name = description.strip_suffix(" failed");
    let names = [
        "setup_file",
        "teardown_file",
        "setup_suite",
        "teardown_suite",
    ];
    name.is_some_and(|name| names.contains(&name))
}
