//! The test tools that run-tests knows by their command line: what they speak, what they need
//! to be told for that, and how they run some of their tests again.

mod cargo;
mod go;
pub(crate) mod nextest;

use std::ffi::OsStr;
use std::path::Path;

use common::exec::Command;

use crate::opts::FormatName;

pub(crate) use cargo::speaks_json;
pub(crate) use go::{GoTest, stops_early};

/// What picks a test when it is run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector {
    /// What the test is part of: Go's package, the test binary.
    pub(crate) group: String,
    /// The test's name as its tool takes it: `TestA/b`, `tests::a`, a node id of pytest.
    pub(crate) name: String,
}

/// A test tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// `go test`.
    Go,
    /// `cargo test`.
    Cargo,
    /// Any other command.
    Other,
}

impl Tool {
    /// The tool that a command starts.
    pub(crate) fn of(command: &Command) -> Tool {
        let program = Path::new(&command.program).file_name();
        let is = |name: &str| program == Some(OsStr::new(name));
        if is("go") && go::is_test(&command.args) {
            Tool::Go
        } else if is("cargo") && cargo::is_test(&command.args) {
            Tool::Cargo
        } else {
            Tool::Other
        }
    }

    /// What it speaks; `Auto`: that is for its output to show.
    pub(crate) fn format(self) -> FormatName {
        match self {
            Tool::Go => FormatName::Go,
            Tool::Cargo => FormatName::Cargo,
            Tool::Other => FormatName::Auto,
        }
    }

    /// The command with what makes the tool speak this format.
    pub(crate) fn prepare(self, command: Command, format: FormatName) -> Command {
        match (self, format) {
            (Tool::Go, FormatName::Go) => go::with_json(command),
            _ => command,
        }
    }

    /// The option that ends a run before all of its tests have run, if it has one.
    pub(crate) fn stops_early(self, command: &Command) -> Option<String> {
        match self {
            Tool::Go => GoTest::of(command)?.stops_early(),
            Tool::Cargo => cargo::stops_early(command),
            Tool::Other => None,
        }
    }

    /// The command that runs all tests, whatever fails.
    pub(crate) fn to_the_end(self, command: &Command) -> Command {
        match self {
            Tool::Cargo => cargo::to_the_end(command),
            Tool::Go | Tool::Other => command.clone(),
        }
    }

    /// What a test has to be run with, to be sure that all of it runs: with Go a subtest that
    /// failed may have kept those behind it from running, which are not even known by name.
    pub(crate) fn with_their_own(self, tests: &[Selector]) -> Vec<Selector> {
        match self {
            Tool::Go => go::roots(tests),
            Tool::Cargo | Tool::Other => tests.to_vec(),
        }
    }

    /// The commands that run just these tests again, one after the other; `None` where the
    /// tool cannot pick tests.
    pub(crate) fn again(self, command: &Command, tests: &[Selector]) -> Option<Vec<Command>> {
        match self {
            Tool::Go => Some(go::again(command, tests)),
            Tool::Cargo => Some(cargo::again(command, tests)),
            Tool::Other => None,
        }
    }
}

#[cfg(test)]
fn command(line: &str) -> Command {
    let mut words = line.split(' ');
    Command::new(words.next().unwrap()).args(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_known_by_their_command_line() {
        for (line, tool) in [
            ("go test ./...", Tool::Go),
            ("/usr/local/go/bin/go -C sub test", Tool::Go),
            ("go test -c -o x", Tool::Other),
            ("go test -list .", Tool::Other),
            ("go vet ./...", Tool::Other),
            ("cargo test", Tool::Cargo),
            ("cargo +nightly t -p x", Tool::Cargo),
            ("cargo test --no-run", Tool::Other),
            ("cargo build", Tool::Other),
            ("make test", Tool::Other),
            ("echo go test", Tool::Other),
        ] {
            assert_eq!(Tool::of(&command(line)), tool, "{line}");
        }
    }
}
