//! run-tests runs failed tests again: with the real pytest, nextest and cargo.

use std::process::Output;

use crate::support::{assert_code, cases, prepared, run_tests, tool};
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
        // The reports of the first run, in a folder of our own, are nobody's news.
        let log = text(&output.stderr);
        assert!(!log.contains("was there before"), "{log}");
    }
}

/// A flaky test, and behind it one that fails always.
const FLAKY_THEN_BAD: &str = r#"
import os
def test_a_flaky():
    again = os.path.exists("again")
    open("again", "w").close()
    assert again
def test_b_bad(): assert 0
"#;

#[test]
fn a_pytest_that_is_configured_to_stop_early_goes_on_where_tests_run_again() {
    for (options, workers) in [("-x", "0"), ("--maxfail=1", "2"), ("--stepwise", "0")] {
        let environment = TestEnvironment::new();
        environment.write("test_a.py", FLAKY_THEN_BAD);
        environment.write("pytest.ini", format!("[pytest]\naddopts = {options}\n"));
        let command = ["python3", "-m", "pytest", "-q", "-n", workers];
        let output = run_tests(&environment, &["--rerun-fails"], &command);
        assert_code(&output, 1);
        let cases = cases(&environment, "j.xml");
        assert!(cases.contains("test_b_bad failed"), "{options}: {cases}");
    }
}

#[test]
fn nothing_runs_again_where_pytest_ended_before_all_tests_had_run() {
    let environment = TestEnvironment::new();
    let source = FLAKY_THEN_BAD.replace("assert 0", "__import__('pytest').exit('enough')");
    environment.write("test_a.py", source);
    let command = ["sh", "-c", "python3 -m pytest -q; exit 1"];
    let output = run_tests(
        &environment,
        &["--rerun-fails", "--format=pytest"],
        &command,
    );
    assert_code(&output, 1);
    let log = text(&output.stderr);
    let said = "nothing is run again: pytest ended before all tests had run";
    assert!(log.contains(said), "{log}");
}

#[test]
fn a_session_that_none_of_the_failed_tests_belong_to_is_no_failure() {
    let environment = TestEnvironment::new();
    let flaky = FLAKY_THEN_BAD.split("def test_b_bad").next().unwrap();
    environment.write("a/test_a.py", flaky);
    environment.write("b/test_b.py", "def test_b(): pass\n");
    let script = "set -e; python3 -m pytest -q b; python3 -m pytest -q a || bad=1; \
                  python3 -m pytest -q b; exit ${bad-0}";
    let flags = ["--rerun-fails", "--format=pytest"];
    let output = run_tests(&environment, &flags, &["sh", "-c", script]);
    assert_code(&output, 0);
    let log = text(&output.stderr);
    assert!(log.contains("running 1 failed test again"), "{log}");
}

#[test]
fn secrets_are_masked_where_tests_run_again() {
    let environment = TestEnvironment::new();
    environment.write(
        "test_a.py",
        "import os\ndef test_a():\n    print('tok ' + os.environ['MY_TOKEN'])\n    assert 0\n",
    );
    let filter = "test_a or supersecretvalue";
    let command = ["python3", "-m", "pytest", "-k", filter];
    for (flags, code) in [
        (&["--rerun-fails", "1"][..], 1),
        (&["--rerun-fails", "1", "--dry-run"], 0),
    ] {
        let output = prepared(&environment, flags, &command)
            .env("MY_TOKEN", "supersecretvalue")
            .output()
            .unwrap();
        assert_code(&output, code);
        for place in [text(&output.stdout), text(&output.stderr)] {
            assert!(!place.contains("supersecretvalue"), "{flags:?}: {place}");
        }
    }
    let xml = environment.read("j.xml");
    assert!(!xml.contains("supersecretvalue"), "{xml}");
    assert!(xml.contains("tok "), "{xml}");
    // A refusal does not show the command at all.
    let refused = ["make", "supersecretvalue"];
    let output = run_tests(&environment, &["--rerun-fails"], &refused);
    assert_code(&output, 2);
    assert!(!text(&output.stderr).contains("supersecretvalue"));
}

#[test]
fn what_a_test_said_that_fails_again_is_left_out_where_none_is_asked_for() {
    let environment = TestEnvironment::new();
    let source = "def test_a():\n    print('said this')\n    assert 0\n";
    environment.write("test_a.py", source);
    let flags = ["--rerun-fails", "1", "--junit-output", "none"];
    // Its own JUnit has it.
    let command = ["python3", "-m", "pytest", "-o", "junit_logging=all"];
    assert_code(&run_tests(&environment, &flags, &command), 1);
    let xml = environment.read("j.xml");
    assert!(!xml.contains("said this"), "{xml}");
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

fn in_a_crate(command: &[&str]) -> (TestEnvironment, Output) {
    let environment = krate();
    let output = in_this_crate(&environment, command);
    (environment, output)
}

/// A crate of its own.
fn krate() -> TestEnvironment {
    let environment = TestEnvironment::new();
    let manifest = "[package]\nname = \"demo\"\nedition = \"2021\"\n[workspace]\n";
    environment.write("Cargo.toml", manifest);
    environment.write("src/lib.rs", RUST);
    environment
}

/// With the places of rustup and cargo.
fn in_this_crate(environment: &TestEnvironment, command: &[&str]) -> Output {
    let home = std::env::var("HOME").unwrap_or_default();
    let place = |name: &str, folder: &str| {
        std::env::var(name).unwrap_or_else(|_| format!("{home}/{folder}"))
    };
    environment
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
        .unwrap()
}

#[test]
fn a_first_failure_does_not_keep_the_tests_behind_it_from_running() {
    let environment = krate();
    environment.write("tests/z.rs", "#[test] fn z_bad() { assert!(false); }");
    let nextest = tool("cargo-nextest-0.9.148/bin/cargo-nextest");
    let nextest = nextest.to_str().unwrap();
    for command in [
        &["cargo", "test", "--offline"][..],
        &[nextest, "nextest", "run", "-j1", "--offline"],
    ] {
        let output = in_this_crate(&environment, command);
        assert_code(&output, 1);
        let cases = cases(&environment, "j.xml");
        assert!(cases.contains("z_bad failed"), "{command:?}: {cases}");
        let log = text(&output.stderr);
        assert!(log.contains("1 failed, 1 flaky"), "{log}");
        std::fs::remove_file(environment.path().join("flaky")).unwrap();
    }
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
    assert!(text(&output.stderr).contains("cannot pick single tests of make"));
}
