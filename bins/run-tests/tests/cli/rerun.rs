//! run-tests runs failed tests again: with the real pytest, nextest and cargo.

use std::process::Output;

use crate::support::{assert_code, cases, run_tests, tool};
use common::junit::summarize;
use e2e::{TestEnvironment, text};

const PYTHON: &str = r#"
import os, pytest

def fails(name, times):
    with open(name, "a+") as file:
        file.seek(0)
        runs = len(file.read())
        file.write("x")
    assert runs >= times, f"run {runs + 1}"

def test_flaky(): fails("flaky", 1)
def test_steady(): fails("steady", 0)
class TestC:
    @pytest.mark.parametrize("name", ["a/b::c", "d"])
    def test_p(self, name): fails("d" if name == "d" else "a", 2 if name == "d" else 0)
"#;

/// How often the tests ran that leave a mark each time.
fn runs(environment: &TestEnvironment, names: &[&str]) -> Vec<usize> {
    let read = |name: &&str| environment.read(name).len();
    names.iter().map(read).collect()
}

#[test]
fn pytest_runs_just_the_failed_tests_again() {
    for workers in ["0", "2"] {
        let environment = TestEnvironment::new();
        environment.write("t/test_a.py", PYTHON);
        let command = ["python3", "-m", "pytest", "-q", "-n", workers, "t"];
        let output = run_tests(&environment, &["--rerun-fails", "2"], &command);
        assert_code(&output, 0);
        let names = ["flaky", "steady", "a", "d"];
        assert_eq!(runs(&environment, &names), [2, 1, 1, 3]);
        let summary = summarize(environment.read("j.xml").as_bytes(), "j.xml").unwrap();
        assert!(summary.passed() && summary.flaky == 2, "{summary:?}");
    }
}

#[test]
fn a_test_of_pytest_that_fails_each_time_stays_red() {
    let environment = TestEnvironment::new();
    environment.write("test_a.py", "def test_a(): assert 0\ndef test_b(): pass\n");
    let output = run_tests(
        &environment,
        &["--rerun-fails", "2"],
        &["python3", "-m", "pytest"],
    );
    assert_code(&output, 1);
    assert_eq!(
        cases(&environment, "j.xml"),
        "test_a | test_a failed assert 0 (test_a.py:1)\ntest_a | test_b passed"
    );
    let log = text(&output.stderr);
    assert!(log.contains("attempt 2 of 2"), "{log}");
    let again = "run just the failed tests again: python3 -m pytest --last-failed";
    assert!(log.contains(again), "{log}");
}

const RUST: &str = r#"
#[cfg(test)]
mod tests {
    fn fails(name: &str, times: usize) {
        let runs = std::fs::read(name).unwrap_or_default();
        std::fs::write(name, [&runs[..], b"x"].concat()).unwrap();
        assert!(runs.len() >= times, "run {}", runs.len() + 1);
    }
    #[test] fn flaky() { fails("flaky", 1); }
    #[test] fn flaky_not() { fails("steady", 0); }
}
"#;

/// In the test's own crate, with the places of rustup and cargo.
fn in_a_crate(command: &[&str]) -> (TestEnvironment, Output) {
    let environment = TestEnvironment::new();
    let manifest = "[package]\nname = \"demo\"\nedition = \"2021\"\n[workspace]\n";
    environment.write("Cargo.toml", manifest);
    environment.write("src/lib.rs", RUST);
    let home = std::env::var("HOME").unwrap_or_default();
    let place = |name: &str, folder: &str| {
        std::env::var(name).unwrap_or_else(|_| format!("{home}/{folder}"))
    };
    let output = environment
        .bin("run-tests")
        .env("RUSTUP_HOME", place("RUSTUP_HOME", ".rustup"))
        .env("CARGO_HOME", place("CARGO_HOME", ".cargo"))
        .args([
            "--junit",
            "j.xml",
            "--target-name",
            "unit",
            "--rerun-fails",
            "1",
            "--",
        ])
        .args(command)
        .output()
        .unwrap();
    (environment, output)
}

#[test]
fn cargo_runs_just_the_failed_tests_again() {
    let (environment, output) = in_a_crate(&["cargo", "test", "--offline"]);
    assert_code(&output, 0);
    assert_eq!(runs(&environment, &["flaky", "steady"]), [2, 1]);
    let log = text(&output.stderr);
    assert!(log.contains("1 passed, 1 flaky"), "{log}");
}

#[test]
fn nextest_runs_just_the_failed_tests_again() {
    let program = tool("cargo-nextest-0.9.148/bin/cargo-nextest");
    let program = program.to_str().unwrap();
    let (environment, output) =
        in_a_crate(&[program, "nextest", "run", "--offline", "-E", "all()"]);
    assert_code(&output, 0);
    assert_eq!(runs(&environment, &["flaky", "steady"]), [2, 1]);
    let log = text(&output.stderr);
    assert!(log.contains("1 passed, 1 flaky"), "{log}");
}

#[test]
fn a_command_whose_tests_cannot_be_picked_is_refused() {
    let environment = TestEnvironment::new();
    let output = run_tests(&environment, &["--rerun-fails", "1"], &["make", "test"]);
    assert_code(&output, 2);
    assert!(text(&output.stderr).contains("cannot pick single tests of make test"));
}
