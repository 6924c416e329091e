//! TAP 13 and 14. Subtests and plain output belong to the test point that follows them,
//! comments and YAML blocks to the one before them.

mod point;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use common::junit::{Case, Detail, Outcome};

use self::point::{Directive, Point, milliseconds, plan, point};
use super::{End, Format};
use crate::kept::Kept;
use crate::place;
use crate::results::Results;

/// Longest message, in characters.
const MESSAGE: usize = 500;
/// How many test numbers are compared with each other.
const NUMBERS: usize = 100_000;

/// Whether a command whose output has this line speaks TAP.
pub(super) fn starts_with(line: &str) -> bool {
    // A failure means something wherever the stream is joined.
    let bad = line.starts_with("Bail out!");
    let tells = point(line).is_some_and(|point| !point.ok || point.number == Some(1));
    bad || tells || plan(line).is_some() || point::is_version(line)
}

/// Reads one TAP document after another.
pub(super) struct Tap {
    target: String,
    documents: u64,
    plan: Option<u64>,
    seen: u64,
    begun: bool,
    bailed: bool,
    numbers: Numbers,
    /// The last test point; its comments and YAML block may follow.
    open: Option<Open>,
    /// What was printed since.
    output: Kept,
}

/// The numbers that test points gave themselves.
#[derive(Default)]
struct Numbers {
    seen: HashSet<u64>,
    highest: u64,
    twice: Option<u64>,
}

impl Numbers {
    fn add(&mut self, number: u64) {
        self.highest = self.highest.max(number);
        if self.seen.len() < NUMBERS && !self.seen.insert(number) {
            self.twice.get_or_insert(number);
        }
    }
}

struct Open {
    case: Case,
    said: Kept,
    yaml: bool,
    message: Option<String>,
}

impl Tap {
    pub(super) fn new(target: &str) -> Self {
        Tap {
            target: target.to_owned(),
            documents: 1,
            plan: None,
            seen: 0,
            begun: false,
            bailed: false,
            numbers: Numbers::default(),
            open: None,
            output: Kept::for_a_case(),
        }
    }

    fn suite(&self) -> String {
        match self.documents {
            1 => self.target.clone(),
            number => format!("{} ({number})", self.target),
        }
    }

    fn point(&mut self, point: Point, results: &mut Results) {
        let again = self.plan.is_some_and(|plan| self.seen >= plan) && point.number == Some(1);
        if again && self.seen > 0 {
            self.finish(results);
        }
        self.close(results);
        self.begun = true;
        self.seen += 1;
        point
            .number
            .into_iter()
            .for_each(|number| self.numbers.add(number));
        let name = match (point.description.is_empty(), point.number) {
            (false, _) => point.description,
            (true, number) => format!("test {}", number.unwrap_or(self.seen)),
        };
        let outcome = match (point.ok, point.directive) {
            (true, Some(Directive::Skip(reason))) => skipped(&reason),
            (false, Some(Directive::Todo(reason))) => skipped(&format!("TODO {reason}")),
            (true, _) => Outcome::Passed,
            (false, _) => Outcome::Failed(Detail::default()),
        };
        self.open = Some(Open {
            case: Case {
                name,
                outcome,
                time: point.time,
                system_out: self.output.take(),
                ..Case::default()
            },
            said: Kept::for_a_case(),
            yaml: false,
            message: None,
        });
    }

    fn plan(&mut self, number: u64, remark: &str, results: &mut Results) {
        if self.plan.is_some() {
            self.finish(results);
        }
        self.close(results);
        self.begun = true;
        self.plan = Some(number);
        if number == 0 && !remark.is_empty() {
            let case = Case {
                name: self.suite(),
                outcome: skipped(remark),
                ..Case::default()
            };
            results.add(&self.suite(), case);
        }
    }

    /// The last test point has said all it will.
    fn close(&mut self, results: &mut Results) {
        let Some(Open {
            mut case,
            said,
            message,
            ..
        }) = self.open.take()
        else {
            return;
        };
        if let Outcome::Failed(detail) = &mut case.outcome {
            detail.text = said.text();
            detail.message = message.unwrap_or_else(|| "not ok".to_owned());
            let place = place::of(&detail.text);
            (case.file, case.line) =
                place.map_or((None, None), |(file, line)| (Some(file), Some(line)));
        }
        results.add(&self.suite(), case);
    }

    /// The document is over: did all come that was promised?
    fn finish(&mut self, results: &mut Results) {
        self.close(results);
        let problem = match self.plan {
            _ if self.bailed || !self.begun => None,
            Some(plan) if plan == self.seen => self.misnumbered(plan),
            Some(plan) => Some(format!(
                "the plan says {plan} tests, {} were seen",
                self.seen
            )),
            None => Some(format!(
                "{} tests were seen but no plan: the output may have been cut",
                self.seen
            )),
        };
        if let Some(problem) = problem {
            results.error("plan", &problem, self.output.take());
        }
        self.documents += 1;
        self.plan = None;
        self.seen = 0;
        self.begun = false;
        self.bailed = false;
        self.numbers = Numbers::default();
    }

    /// Whether a plan is fulfilled by tests that have numbers.
    fn is_complete(&self) -> bool {
        self.plan == Some(self.seen) && self.numbers.seen.len() as u64 == self.seen
    }

    /// The right number of test points that are not the planned tests.
    fn misnumbered(&self, plan: u64) -> Option<String> {
        if let Some(number) = self.numbers.twice {
            return Some(format!("test number {number} came twice"));
        }
        let highest = self.numbers.highest;
        (highest > plan).then(|| format!("the plan says {plan} tests, number {highest} came"))
    }

    fn bail_out(&mut self, reason: &str, results: &mut Results) {
        self.close(results);
        let message = format!("Bail out! {}", reason.trim());
        results.error("bail out", message.trim(), self.output.take());
        self.bailed = true;
    }
}

impl Format for Tap {
    fn line(&mut self, line: &str, results: &mut Results) {
        if let Some(open) = &mut self.open
            && open.takes(line)
        {
            return;
        }
        if line == "ok" && self.is_complete() {
            // `prove -v` says so behind each file.
            self.output.line(line);
        } else if let Some(point) = point(line) {
            self.point(point, results);
        } else if let Some((number, remark)) = plan(line) {
            self.plan(number, remark, results);
        } else if let Some(reason) = line.trim_start().strip_prefix("Bail out!") {
            self.bail_out(reason, results);
        } else if point::is_version(line) {
            if self.begun {
                self.finish(results);
            }
            self.begun = true;
        } else {
            self.output.line(line);
        }
    }

    fn end(&mut self, end: &End, results: &mut Results) {
        // That tests are missing when the command was cut short goes without saying.
        self.bailed |= matches!(end, End::CutShort(_));
        self.finish(results);
    }
}

impl Open {
    /// Takes a line that belongs to this test point.
    fn takes(&mut self, line: &str) -> bool {
        let indent = line.len() - line.trim_start().len();
        let text = line.trim();
        if self.yaml && (indent > 0 || text.is_empty()) {
            self.said.line(line);
            self.yaml = !(text == "..." && indent < 4);
            self.fact(text);
            return true;
        }
        self.yaml = false;
        if text == "---" && (1..4).contains(&indent) && self.said.is_empty() {
            self.yaml = true;
            self.said.line(line);
            return true;
        }
        match line.strip_prefix('#') {
            Some(comment) if !comment.trim_start().starts_with("Subtest") => {
                let comment = comment.trim();
                if self.message.is_none() && !comment.is_empty() {
                    self.message = Some(comment.chars().take(MESSAGE).collect());
                }
                self.said.line(line);
                true
            }
            _ => false,
        }
    }

    /// What a line of a YAML block tells us.
    fn fact(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else {
            return;
        };
        let value = value.trim().trim_matches(['"', '\'']);
        match name {
            "message" | "error" if !matches!(value, "" | "|" | "|-" | ">" | ">-") => {
                self.message
                    .get_or_insert_with(|| value.chars().take(MESSAGE).collect());
            }
            "duration_ms" => self.case.time = self.case.time.or_else(|| milliseconds(value)),
            _ => {}
        }
    }
}

fn skipped(reason: &str) -> Outcome {
    Outcome::Skipped(Detail {
        message: reason.trim().to_owned(),
        text: String::new(),
    })
}
