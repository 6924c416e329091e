//! How long tests took before: out of JUnit files, or a file of lines `SECONDS NAME`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use common::{Result, ResultExt, junit};

/// How many tests are remembered.
const MOST: usize = 500_000;
/// The longest line of a file of lines, in bytes.
const LINE: u64 = 64 * 1024;

/// How long tests took before, in seconds.
#[derive(Debug, Default)]
pub(crate) struct Durations {
    /// By suite or class, and name.
    tests: HashMap<(String, String), f64>,
    /// Whole suites or classes.
    groups: HashMap<String, f64>,
    /// By name alone: that of a file of lines, or of tests in any suite.
    names: HashMap<String, f64>,
}

impl Durations {
    /// Reads files: JUnit where they start as XML does.
    pub(crate) fn read(files: &[std::path::PathBuf]) -> Result<Self> {
        let mut durations = Durations::default();
        for file in files {
            let name = file.display().to_string();
            durations
                .add(file)
                .or_usage(|| format!("read the durations of {name}"))?;
        }
        Ok(durations)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let file = File::open(path).or_usage(|| "open it")?;
        let mut reader = BufReader::new(file);
        let start = reader.fill_buf().or_usage(|| "read it")?;
        let start = start.trim_ascii_start();
        if start.starts_with(b"<") || start.starts_with("\u{feff}".as_bytes()) {
            let name = path.display().to_string();
            junit::read(reader, &name, |suite, case| self.case(suite, &case))?;
            return Ok(());
        }
        self.lines(reader)
    }

    fn case(&mut self, suite: &str, case: &junit::Case) {
        let Some(time) = case.time else {
            return;
        };
        let seconds = time.as_secs_f64();
        let mut groups = vec![suite];
        if case.classname != suite {
            groups.push(&case.classname);
        }
        for group in groups {
            if self.tests.len() < MOST {
                let key = (group.to_owned(), case.name.clone());
                // Of several attempts the longest.
                let known = self.tests.entry(key).or_default();
                *known = known.max(seconds);
                *self.groups.entry(group.to_owned()).or_default() += seconds;
            }
        }
        if self.names.len() < MOST {
            *self.names.entry(case.name.clone()).or_default() += seconds;
        }
    }

    fn lines(&mut self, mut reader: impl BufRead) -> Result<()> {
        use std::io::Read;
        for number in 1.. {
            let mut line = String::new();
            let read = reader.by_ref().take(LINE).read_line(&mut line);
            if read.or_usage(|| format!("read line {number}"))? == 0 || self.names.len() >= MOST {
                return Ok(());
            }
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let parts = line.split_once(char::is_whitespace);
            let entry = parts.and_then(|(seconds, name)| {
                let seconds: f64 = seconds.parse().ok()?;
                let plausible = seconds.is_finite() && seconds >= 0.0;
                plausible.then(|| (name.trim().to_owned(), seconds))
            });
            let (name, seconds) = entry.ok_or_else(|| {
                common::Error::usage(format!("line {number} is not SECONDS NAME"))
            })?;
            self.names.insert(name, seconds);
        }
        Ok(())
    }

    /// How long the test took that a report calls so, within a suite or class.
    pub(crate) fn of_test(&self, group: &str, name: &str) -> Option<f64> {
        let key = (group.to_owned(), name.to_owned());
        self.tests.get(&key).copied()
    }

    /// How long all tests of a suite or class took.
    pub(crate) fn of_group(&self, group: &str) -> Option<f64> {
        self.groups.get(group).copied()
    }

    /// What a file of lines says, or the sum of all tests of this name.
    pub(crate) fn of_name(&self, name: &str) -> Option<f64> {
        self.names.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Result<Durations> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        Durations::read(&[file.path().to_owned()])
    }

    #[test]
    fn junit_tells_of_tests_by_suite_and_by_class() {
        let durations = read(
            "<testsuites><testsuite name='pkg'><testcase classname='unit' name='a' time='1.5'/>\
             <testcase classname='unit' name='b' time='2'/><testcase name='c'/></testsuite></testsuites>",
        )
        .unwrap();
        assert_eq!(durations.of_test("pkg", "a"), Some(1.5));
        assert_eq!(durations.of_test("unit", "b"), Some(2.0));
        assert_eq!(durations.of_group("pkg"), Some(3.5));
        assert_eq!(durations.of_test("pkg", "c"), None);
    }

    #[test]
    fn lines_tell_of_names() {
        let durations = read("# recorded\n1.5 tests/a.py::test[x y]\n\n3\tb\n").unwrap();
        assert_eq!(durations.of_name("tests/a.py::test[x y]"), Some(1.5));
        assert_eq!(durations.of_name("b"), Some(3.0));
        for wrong in ["a b", "1", "-1 a", "nan a", "inf a"] {
            let report = read(wrong).unwrap_err().report();
            assert!(report.contains("line 1 is not SECONDS NAME"), "{report}");
        }
        assert!(read("<html/>").unwrap_err().report().contains("<html>"));
    }
}
