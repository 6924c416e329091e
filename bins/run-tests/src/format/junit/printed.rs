//! JUnit that the command prints: `bats -F junit`, mocha's xunit, go-junit-report.

use std::io::{self, BufReader, Seek, Write};

use common::ResultExt;
use tempfile::SpooledTempFile;

use super::merge::{LARGEST, Merge, too_large};
use crate::format::{End, Format};
use crate::opts::JunitFiles;
use crate::results::Results;

/// How much of a report waits in memory for its end, in bytes.
const IN_MEMORY: usize = 1024 * 1024;

/// Whether a report starts on this line.
pub(in crate::format) fn starts_with(line: &str) -> bool {
    Root::of(line).is_some()
}

/// Reads one report after another.
pub(in crate::format) struct Printed {
    merge: Merge<'static>,
    report: Option<Report>,
}

/// One that has begun.
struct Report {
    root: Root,
    /// How many suites are open.
    depth: usize,
    text: SpooledTempFile,
    size: u64,
    /// The first thing that went wrong with the text.
    broken: Option<io::Error>,
}

/// What the report is an element of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Root {
    Suites,
    Suite,
}

impl Root {
    fn of(line: &str) -> Option<Root> {
        let line = line.trim_start();
        let line = match line.strip_prefix("<?xml ") {
            Some(declaration) => declaration.split_once("?>")?.1.trim_start(),
            None => line,
        };
        let name = line.strip_prefix('<')?;
        let end = name.find(|char: char| !char.is_ascii_alphabetic());
        match &name[..end.unwrap_or(name.len())] {
            "testsuites" => Some(Root::Suites),
            "testsuite" => Some(Root::Suite),
            _ => None,
        }
    }
}

impl Printed {
    pub(in crate::format) fn new() -> Self {
        Printed {
            merge: Merge::new(JunitFiles::Merged, None, None),
            report: None,
        }
    }

    /// Reads the report as far as it came: it is an error of its own where that is not its end.
    fn read(&mut self, results: &mut Results) {
        let Some(report) = self.report.take() else {
            return;
        };
        let name = "stdout";
        let text = report.into_text().or_failed(|| format!("read {name}"));
        self.merge.add(text, name, results);
    }
}

impl Format for Printed {
    fn line(&mut self, line: &str, results: &mut Results) {
        if self.report.is_none() {
            self.report = Root::of(line).map(Report::new);
        }
        let Some(report) = &mut self.report else {
            return;
        };
        report.add(line);
        if report.ends_with(line) {
            self.read(results);
        }
    }

    fn end(&mut self, _end: &End, results: &mut Results) {
        self.read(results);
    }

    fn is_idle(&self) -> bool {
        self.report.is_none()
    }
}

impl Report {
    fn new(root: Root) -> Self {
        Report {
            root,
            depth: 0,
            text: SpooledTempFile::new(IN_MEMORY),
            size: 0,
            broken: None,
        }
    }

    fn add(&mut self, line: &str) {
        if self.broken.is_some() {
            return;
        }
        self.size += line.len() as u64 + 1;
        let added = if self.size > LARGEST {
            Err(too_large(self.size))
        } else {
            writeln!(self.text, "{line}")
        };
        self.broken = added.err();
    }

    /// Whether this line is its last one.
    fn ends_with(&mut self, line: &str) -> bool {
        if self.root == Root::Suites {
            return line.contains("</testsuites>") || is_empty_element(line, Root::Suites);
        }
        if !is_empty_element(line, Root::Suite) {
            self.depth += line.matches("<testsuite").count();
        }
        self.depth = self
            .depth
            .saturating_sub(line.matches("</testsuite>").count());
        self.depth == 0
    }

    fn into_text(mut self) -> io::Result<BufReader<SpooledTempFile>> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        self.text.rewind()?;
        Ok(BufReader::new(self.text))
    }
}

/// `<testsuite name="nothing"/>`
fn is_empty_element(line: &str, root: Root) -> bool {
    Root::of(line) == Some(root)
        && line.matches('<').count() <= 2
        && line.trim_end().ends_with("/>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{failure, read};

    #[test]
    fn reports_are_read_as_they_end() {
        let bats = include_str!("../../../tests/fixtures/junit-bats.xml");
        let mocha = "> mocha --reporter xunit\n\
            <testsuite name=\"Mocha Tests\" tests=\"2\" failures=\"1\">\n\
            <testcase classname=\"adds\" name=\"one\" time=\"0\"/>\n\
            a line of the log\n\
            <testcase classname=\"adds\" name=\"two\" time=\"0\"><failure>no</failure></testcase>\n\
            </testsuite>\n";
        let output = format!("{bats}\n{mocha}<testsuites/>\nthe end\n");
        insta::assert_snapshot!(read(Printed::new(), &output, &failure()), @"
        [a.bats] adds two passed
        [a.bats] fails # with hash failed (in test file bt/a.bats, line 3) (bt/a.bats:3)
        [a.bats] skips skipped no network
        [a.bats] long ] name in 3ms passed
        [b.bats] adds two failed (in test file bt/b.bats, line 2) (bt/b.bats:2)
        [b.bats] b.bats error the suite counts 2 failures and 0 errors, its cases show 1 and 0
        [c.bats] test without a name failed (from function `setup_file' in test file bt/c.bats, line 1) (bt/c.bats:1)
        [Mocha Tests] adds.one passed
        [Mocha Tests] adds.two failed no
        ");
    }

    #[test]
    fn a_report_that_is_cut_in_the_middle_is_an_error() {
        let output = "<?xml version=\"1.0\"?><testsuites><testsuite name=\"s\">\n\
            <testcase name=\"one\"/>\n<testcase name=\"two\">\n";
        insta::assert_snapshot!(read(Printed::new(), output, &End::Success), @"
        [s] one passed
        [unit] JUnit file stdout error read stdout as JUnit: it ends within <testcase>, near byte 99
        ");
    }

    #[test]
    fn other_documents_are_no_reports() {
        for line in [
            "<?xml version=\"1.0\"?>",
            "<project>",
            "<testsuitesque>",
            "a <testsuite>",
            "<",
        ] {
            assert!(!starts_with(line), "{line}");
        }
    }
}
