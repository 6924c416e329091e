//! What the tests with real tools share.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::junit::{self, Outcome};
use e2e::{TestEnvironment, binary, text};

/// A tool that `make test` installed.
pub(crate) fn tool(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools");
    let path = path.join(name);
    assert!(
        path.exists(),
        "{} is missing: run make test once",
        path.display()
    );
    path.canonicalize().unwrap()
}

/// A program of Debian's that `make test` installs.
pub(crate) fn assert_program(name: &str) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(name).exists());
    assert!(
        found,
        "{name} is missing: run make test once, it installs it"
    );
}

/// `run-tests --junit j.xml --target-name unit FLAGS -- COMMAND`, with pytest at hand.
pub(crate) fn run_tests(environment: &TestEnvironment, flags: &[&str], command: &[&str]) -> Output {
    prepared(environment, flags, command).output().unwrap()
}

/// The same, before it is started.
pub(crate) fn prepared(environment: &TestEnvironment, flags: &[&str], command: &[&str]) -> Command {
    let mut run_tests = environment.command(&binary("run-tests"));
    run_tests
        .env("PYTHONPATH", tool("pytest-9.2.0"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["--junit", "j.xml", "--target-name", "unit"])
        .args(flags)
        .arg("--")
        .args(command);
    run_tests
}

/// The exit code; what was said is shown where it is another one.
pub(crate) fn assert_code(output: &Output, code: i32) {
    let said = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{}\n{}", said.0, said.1);
}

/// Each case of a report, a line for each: suite, name, outcome, message, place.
pub(crate) fn cases(environment: &TestEnvironment, file: &str) -> String {
    let mut cases = Vec::new();
    let xml = environment.read(file);
    junit::read(xml.as_bytes(), file, |suite, case| {
        let (what, message) = match &case.outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::Failed(detail) => ("failed", detail.message.as_str()),
            Outcome::Errored(detail) => ("error", detail.message.as_str()),
            Outcome::Skipped(detail) => ("skipped", detail.message.as_str()),
        };
        let place = match (&case.file, case.line) {
            (Some(file), Some(line)) => format!(" ({file}:{line})"),
            _ => String::new(),
        };
        assert_eq!(case.classname, "unit");
        let line = format!("{suite} | {} {what} {message}", case.name);
        cases.push(line.trim_end().to_owned() + &place);
    })
    .unwrap();
    cases.join("\n")
}
