//! Tools that write JUnit themselves when they are asked to: how to ask, and where it is then.

mod arrange;
mod folder;
mod plugin;
mod recognise;

use std::fmt;
use std::path::{Path, PathBuf};

use common::exec::Command;

use crate::opts::JunitOutput;

pub(crate) use folder::Folder;
pub(crate) use plugin::{Watched, plugin, running, watch};

/// A tool whose own JUnit says more than its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reporter {
    /// pytest, by the variable `PYTEST_ADDOPTS`: whatever command ends in pytest.
    Pytest,
    /// cargo-nextest, by a configuration file that yields to the repository's own.
    Nextest,
    /// `CTest` 3.21 or newer, by `--output-junit`.
    Ctest,
    /// Node's test runner, by a second reporter.
    Node,
    /// Maven, whose Surefire and Failsafe write JUnit unasked.
    Maven,
    /// Gradle, which writes JUnit unasked.
    Gradle,
}

impl fmt::Display for Reporter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Reporter::Pytest => "pytest",
            Reporter::Nextest => "nextest",
            Reporter::Ctest => "CTest",
            Reporter::Node => "Node's test runner",
            Reporter::Maven => "Maven",
            Reporter::Gradle => "Gradle",
        })
    }
}

/// A command that makes its tool write JUnit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arranged {
    /// What to run.
    pub(crate) command: Command,
    /// Patterns of the files that it writes then.
    pub(crate) patterns: Vec<String>,
    /// Files that it reads, to be written before it starts.
    pub(crate) files: Vec<(PathBuf, String)>,
}

impl Reporter {
    /// The tool that a command runs.
    pub(crate) fn of(command: &Command) -> Option<Reporter> {
        let text = |word: &std::ffi::OsString| word.to_str().map(str::to_owned);
        // A word that is not UTF-8 is no word of a tool.
        let words = std::iter::once(&command.program).chain(&command.args);
        let words: Vec<String> = words.map(|word| text(word).unwrap_or_default()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        recognise::reporter(&words)
    }

    /// How the tool exits where there was nothing to run, if it says that so.
    pub(crate) fn code_without_tests(self) -> Option<i32> {
        match self {
            Reporter::Pytest => Some(5),
            Reporter::Nextest => Some(4),
            Reporter::Ctest | Reporter::Node | Reporter::Maven | Reporter::Gradle => None,
        }
    }

    /// The command that makes the tool write JUnit; `folder` is empty and private to this run.
    /// `variable` gives the variables of our own environment.
    pub(crate) fn arrange(
        self,
        command: &Command,
        folder: &Path,
        output: JunitOutput,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Arranged {
        arrange::arrange(self, command, folder, output, &variable)
    }
}
