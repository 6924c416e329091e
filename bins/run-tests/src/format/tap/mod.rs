//! TAP 13 and 14, and Bats, which speaks TAP. A subtest is indented and comes before the test
//! point that it belongs to, and so does plain output; comments and YAML blocks come behind.

mod level;
mod open;
mod point;
#[cfg(test)]
mod tests;

use common::junit::{Case, Kept};

use self::level::Level;
use self::open::{Open, skipped};
use self::point::{Line, Point};
use super::{End, Format};
use crate::results::Results;

/// How deep subtests are understood.
const DEPTH: usize = 16;
/// How much the subtests of one test may hold until it comes itself, in bytes.
const HELD: usize = 4 * 1024 * 1024;
/// Spaces for each level.
const INDENT: &str = "    ";

/// Whether a command whose output has this line speaks TAP.
pub(super) fn starts_with(line: &str) -> bool {
    match Line::of(line) {
        // A failure means something wherever the stream is joined.
        Line::BailOut(_) | Line::Plan(..) | Line::Version => true,
        Line::Point(point) => !point.ok || point.number == Some(1),
        _ => false,
    }
}

/// Reads one TAP document after another.
pub(super) struct Tap {
    target: String,
    documents: u64,
    /// The document, and the subtests that are being told.
    levels: Vec<Level>,
    /// What the levels of subtests hold, in bytes.
    held: usize,
    /// What was printed since the last test point.
    output: Kept,
}

impl Tap {
    pub(super) fn new(target: &str) -> Self {
        Tap {
            target: target.to_owned(),
            documents: 1,
            levels: vec![Level::default()],
            held: 0,
            output: Kept::for_a_case(),
        }
    }

    fn suite(&self) -> String {
        match self.documents {
            1 => self.target.clone(),
            number => format!("{} ({number})", self.target),
        }
    }

    /// The level that a line belongs to, and the line without its indentation.
    fn level<'a>(&self, line: &'a str) -> (usize, &'a str) {
        let (mut depth, mut rest) = (0, line);
        while depth < self.levels.len().min(DEPTH)
            && let Some(inner) = rest.strip_prefix(INDENT)
        {
            (depth, rest) = (depth + 1, inner);
        }
        (depth, rest)
    }

    /// Makes the level of this depth the innermost one; gives the subtests that it ends.
    fn enter(&mut self, depth: usize) -> Vec<Case> {
        if depth == self.levels.len() {
            self.levels.push(Level::default());
        }
        let mut subtests = Vec::new();
        while self.levels.len() > depth + 1 {
            let Some(mut level) = self.levels.pop() else {
                break;
            };
            // Subtests whose own test point never came belong to the next one above.
            level.cases.append(&mut subtests);
            subtests = level.into_subtests();
        }
        if depth == 0 {
            self.held = 0;
        }
        subtests
    }

    fn point(&mut self, depth: usize, point: Point, results: &mut Results) {
        if depth == 0 && self.levels[0].starts_anew(point.number) {
            self.finish(results);
        }
        let subtests = self.enter(depth);
        self.close(results);
        let level = &mut self.levels[depth];
        level.see(&point);
        level.open = Some(Open::new(point, level.seen, self.output.take(), subtests));
    }

    /// The innermost level's last test point has said all it will.
    fn close(&mut self, results: &mut Results) {
        let Some(open) = self.levels.last_mut().and_then(|level| level.open.take()) else {
            return;
        };
        if self.levels.len() == 1 {
            let suite = self.suite();
            for case in open.close() {
                results.add(&suite, case);
            }
            return;
        }
        for case in open.close() {
            self.held += size_of::<Case>() + case.name.len() + case.system_out.len();
            self.held += case.outcome.fault().map_or(0, |fault| fault.text.len());
            if let Some(level) = self.levels.last_mut() {
                level.cases.push(case);
            }
        }
        if self.held > HELD {
            self.let_go(results);
        }
    }

    /// Tells the results of subtests whose test has not come: for want of room, or because
    /// nothing more comes.
    fn let_go(&mut self, results: &mut Results) {
        let suite = self.suite();
        for case in self
            .levels
            .iter_mut()
            .flat_map(|level| level.cases.drain(..))
        {
            let name = format!("subtest > {}", case.name);
            results.add(&suite, Case { name, ..case });
        }
        self.held = 0;
    }

    fn plan(&mut self, depth: usize, number: u64, remark: &str, results: &mut Results) {
        if depth == 0 && self.levels[0].plan.is_some() {
            self.finish(results);
        }
        if depth >= self.levels.len() || depth + 1 == self.levels.len() {
            self.enter(depth);
            self.close(results);
        }
        let level = &mut self.levels[depth];
        level.begun = true;
        level.plan = Some(number);
        if depth == 0 && number == 0 && !remark.is_empty() {
            let case = Case {
                name: self.suite(),
                outcome: skipped(remark),
                ..Case::default()
            };
            results.add(&self.suite(), case);
        }
    }

    /// The document is over: did all come that was promised?
    fn finish(&mut self, results: &mut Results) {
        let mut orphans = self.enter(0);
        self.close(results);
        self.levels[0].cases.append(&mut orphans);
        self.let_go(results);
        if let Some(problem) = self.levels[0].problem() {
            results.error("plan", &problem, self.output.take());
        }
        self.documents += 1;
        self.levels = vec![Level::default()];
    }

    fn bail_out(&mut self, reason: &str, results: &mut Results) {
        self.close(results);
        let message = format!("Bail out! {}", reason.trim());
        results.error("bail out", message.trim(), self.output.take());
        for level in &mut self.levels {
            level.excused = true;
        }
    }

    /// A line that is no TAP.
    fn plain(&mut self, line: &str, results: &mut Results) {
        self.output.line(line);
        if self.levels[0].strict && !line.trim().is_empty() {
            // Once is enough.
            self.levels[0].strict = false;
            let message = "a line that is no TAP, which pragma +strict forbids";
            results.error("strict", message, line.to_owned());
        }
    }
}

impl Format for Tap {
    fn line(&mut self, line: &str, results: &mut Results) {
        let innermost = self.levels.len() - 1;
        if let Some(open) = &mut self.levels[innermost].open
            && let Some(own) = line.get(innermost * INDENT.len()..)
            && line.len() - line.trim_start_matches(' ').len() >= innermost * INDENT.len()
            && open.takes(own)
        {
            return;
        }
        let (depth, rest) = self.level(line);
        let begins = depth == self.levels.len();
        match Line::of(rest) {
            // `prove -v` says so behind each file.
            Line::Point(_) if rest == "ok" && self.levels[0].is_complete() => {
                self.output.line(line);
            }
            // What looks like a test within indented output is none.
            Line::Point(point) if begins && point.number != Some(1) => {
                self.plain(line, results);
            }
            Line::Point(point) => self.point(depth, point, results),
            Line::Plan(number, remark) => self.plan(depth, number, remark, results),
            Line::BailOut(reason) => self.bail_out(reason, results),
            Line::Version if depth == 0 => {
                if self.levels[0].begun {
                    self.finish(results);
                }
                self.levels[0].begun = true;
            }
            Line::Strict(on) if depth == 0 => self.levels[0].strict = on,
            Line::Comment => self.output.line(line),
            Line::Version | Line::Pragma | Line::Strict(_) => {}
            Line::Other => self.plain(line, results),
        }
    }

    fn is_idle(&self) -> bool {
        self.levels.len() == 1 && self.levels[0].is_complete()
    }

    fn end(&mut self, end: &End, results: &mut Results) {
        // That tests are missing when the command was cut short goes without saying.
        let cut = matches!(end, End::CutShort(_));
        for level in &mut self.levels {
            level.excused |= cut;
        }
        self.finish(results);
    }
}
