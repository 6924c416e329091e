//! Puts the cases of a tool's JUnit files into the report.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;

use common::junit::{self, Case, Outcome};
use common::{Result, ResultExt};

use super::ctest::Reasons;
use super::decode;
use crate::opts::JunitFiles;
use crate::reporter::Reporter;
use crate::results::{Counts, Results};

const MB: u64 = 1_000_000;
/// The largest file that is read; Prow takes reports of 100 MB.
pub(super) const LARGEST: u64 = 256 * MB;
/// How many suites are remembered by the file that they are from.
const SUITES: usize = 100_000;

/// Merges one file after another.
pub(super) struct Merge<'a> {
    files: JunitFiles,
    /// The tool, where it is known.
    reporter: Option<Reporter>,
    /// Why tests of `CTest` failed.
    reasons: Option<&'a Reasons>,
    /// The file that has a suite of this name, by its number.
    owners: HashMap<String, usize>,
    number: usize,
}

impl<'a> Merge<'a> {
    pub(super) fn new(
        files: JunitFiles,
        reporter: Option<Reporter>,
        reasons: Option<&'a Reasons>,
    ) -> Self {
        Merge {
            files,
            reporter,
            reasons,
            owners: HashMap::new(),
            number: 0,
        }
    }

    /// pytest calls every suite by its own name.
    fn is_pytests(&self) -> bool {
        self.reporter == Some(Reporter::Pytest)
    }

    /// Lists the cases of a file.
    pub(super) fn add_file(&mut self, path: &Path, results: &mut Results) {
        let name = path.display().to_string();
        if self.files == JunitFiles::Apart {
            results.begin_file(path);
        }
        let file = open(path).or_failed(|| format!("read {name} as JUnit"));
        self.add(file, &name, results);
        results.end_file();
    }

    /// Lists the cases of a report; the counts follow TestGrid's rule for flaky ones.
    pub(super) fn add(&mut self, report: Result<impl BufRead>, name: &str, results: &mut Results) {
        self.number += 1;
        // Failures that a suite only counts are no tests: passed ones are counted as they come.
        let (mut shown, mut seen) = (0_u64, Counts::default());
        let read = report.and_then(|report| {
            junit::read(report, name, |suite, case| {
                shown += 1;
                if self.is_pytests() && is_unfinished(&case) {
                    return;
                }
                *seen.of(&case.outcome) += 1;
                let own = (case.classname.clone(), case.name.clone());
                let (suite, case) = self.normal(suite, case, results.target());
                let id = results.list(&self.suite(suite), case);
                results.select(id, &own.0, &own.1);
            })
        });
        match read {
            Ok(summary) => {
                let others = summary.failures + summary.errors + summary.skipped;
                let passed = if shown == 0 {
                    summary.tests.saturating_sub(others)
                } else {
                    seen.passed.saturating_sub(summary.flaky)
                };
                results.count(Counts {
                    passed,
                    failed: summary.failures,
                    errored: summary.errors,
                    skipped: summary.skipped,
                    flaky: summary.flaky,
                });
            }
            Err(error) => {
                // What was read before the place where it breaks is in the report.
                results.count(seen);
                let what = format!("JUnit file {name}");
                results.error(&what, &error.report(), String::new());
            }
        }
    }

    /// The suite's name; another one where an earlier file has a suite of that name: a failure
    /// there and a pass here are no flaky test.
    fn suite(&mut self, suite: String) -> String {
        if self.files == JunitFiles::Apart || self.owners.len() >= SUITES {
            return suite;
        }
        let owner = *self.owners.entry(suite.clone()).or_insert(self.number);
        if owner == self.number {
            return suite;
        }
        format!("{suite} ({})", self.number)
    }

    /// Suite and case as `TestGrid` shows them best: what tells tests apart is in suite and
    /// name, as the class is the target's.
    fn normal(&self, suite: &str, mut case: Case, target: &str) -> (String, Case) {
        let class = case.classname.clone();
        let mut suite = match suite {
            // A report with a suite that has no name reads badly.
            "" => target.to_owned(),
            // What CTest says where a build has no name.
            "(empty)" if self.reporter == Some(Reporter::Ctest) => target.to_owned(),
            suite => suite.to_owned(),
        };
        if case.name.is_empty() {
            "test without a name".clone_into(&mut case.name);
        }
        if (self.is_pytests() || suite == "pytest") && !class.is_empty() {
            suite.clone_from(&class);
        } else if tells_more(&class, &suite, &case.name) {
            case.name = format!("{class}.{}", case.name);
        }
        if let Outcome::Failed(detail) | Outcome::Errored(detail) = &mut case.outcome
            && detail.message.is_empty()
        {
            // CTest, for one: what the test said last tells most.
            let said = case.system_out.lines().chain(case.system_err.lines());
            let last = said.map(str::trim).rfind(|line| !line.is_empty());
            detail.message = match (
                self.reasons.and_then(|reasons| reasons.of(&case.name)),
                last,
            ) {
                (Some(reason), Some(last)) => format!("{reason}: {last}"),
                (reason, last) => reason.or(last).unwrap_or("failed").to_owned(),
            };
        }
        let told = case.file.take().map(|file| (file, case.line.take()));
        if let Some(fault) = case.outcome.fault() {
            // Where it broke says more than where the test begins, which is what tools tell.
            match (crate::place::of(&fault.text), told) {
                (Some((file, line)), _) => (case.file, case.line) = (Some(file), Some(line)),
                (None, Some((file, line))) => {
                    // pytest counts lines from 0.
                    let python = Path::new(&file).extension().is_some_and(|end| end == "py");
                    case.line = line.map(|line| line + u64::from(python));
                    case.file = Some(file);
                }
                (None, None) => {}
            }
        }
        (suite, case)
    }
}

/// What pytest writes for a test that did not end: a case that says nothing but its time.
fn is_unfinished(case: &Case) -> bool {
    case.name.is_empty() && case.classname.is_empty() && case.outcome == Outcome::Passed
}

/// Whether a class says what neither suite nor name do. Node calls all classes `test`.
fn tells_more(class: &str, suite: &str, name: &str) -> bool {
    !class.is_empty() && class != "test" && class != suite && !name.starts_with(class)
}

fn open(path: &Path) -> io::Result<impl BufRead> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if size > LARGEST {
        return Err(too_large(size));
    }
    // A process that was left behind may write on.
    decode::utf8(file.take(LARGEST))
}

pub(super) fn too_large(size: u64) -> io::Error {
    let reason = format!("it has {} MB, more than {}", size / MB, LARGEST / MB);
    io::Error::new(io::ErrorKind::FileTooLarge, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_go_where_test_grid_shows_them() {
        let names = |suite: &str, class: &str, name: &str| {
            let case = Case {
                name: name.to_owned(),
                classname: class.to_owned(),
                ..Case::default()
            };
            let merge = Merge::new(JunitFiles::Merged, None, None);
            let (suite, case) = merge.normal(suite, case, "unit");
            format!("{suite} | {}", case.name)
        };
        // pytest, Surefire, nextest, jest-junit, CTest, Node.
        assert_eq!(
            names("pytest", "t.test_a.C", "test_x[1]"),
            "t.test_a.C | test_x[1]"
        );
        assert_eq!(
            names("e.io.FooTest", "e.io.FooTest", "adds"),
            "e.io.FooTest | adds"
        );
        assert_eq!(
            names("krate::bin", "krate::bin", "tests::a"),
            "krate::bin | tests::a"
        );
        assert_eq!(names("math", "math adds", "math adds"), "math | math adds");
        assert_eq!(names("(empty)", "a", "a"), "(empty) | a");
        assert_eq!(names("", "test", "adds"), "unit | adds");
        assert_eq!(names("all", "Foo", "adds"), "all | Foo.adds");
        assert_eq!(names("", "", ""), "unit | test without a name");
    }

    #[test]
    fn suites_of_one_name_in_two_files_stay_two() {
        let mut merge = Merge::new(JunitFiles::Merged, None, None);
        merge.number = 1;
        assert_eq!(merge.suite("s".to_owned()), "s");
        assert_eq!(merge.suite("s".to_owned()), "s");
        merge.number = 2;
        assert_eq!(merge.suite("s".to_owned()), "s (2)");
        assert_eq!(merge.suite("t".to_owned()), "t");
    }
}
