//! run-tests with the real pytest.

use crate::support::{assert_code, cases, run_tests};
use e2e::{TestEnvironment, text};

const SUITE: &str = r#"
import pytest, unittest

def test_ok(): print("hello")
def test_bad():
    print("said \x1b[31mred\x1b[0m ]]>")
    assert 1 == 2
@pytest.mark.skip(reason="why")
def test_skip(): pass
@pytest.mark.xfail(reason="known")
def test_xfail(): assert 0
@pytest.fixture
def boom():
    yield
    raise RuntimeError("teardown")
def test_both(boom): assert 0
@pytest.mark.parametrize("x", ["a/b", "\x00"])
def test_p(x): pass
class TestC:
    def test_ok(self): pass
def test_sub(subtests):
    for i in range(3):
        with subtests.test("part", i=i):
            assert i != 1
class U(unittest.TestCase):
    def test_u(self):
        for i in range(3):
            with self.subTest(i=i):
                self.assertNotEqual(i, 2)
"#;

fn suite() -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment.write("tests/test_a.py", SUITE);
    environment
}

#[test]
fn pytest_is_asked_for_junit_and_told_as_test_grid_shows_it() {
    let environment = suite();
    for (workers, family) in [("0", "xunit2"), ("2", "xunit1")] {
        let family = format!("junit_family={family}");
        let command = [
            "python3", "-m", "pytest", "-q", "-n", workers, "-o", &family,
        ];
        let output = run_tests(&environment, &["--workflow", "e2e"], &command);
        assert_code(&output, 1);
        let mut lines: Vec<String> = cases(&environment, "j.xml")
            .lines()
            .map(str::to_owned)
            .collect();
        // xdist's workers take turns.
        lines.sort();
        insta::allow_duplicates! {
            insta::assert_snapshot!(lines.join("\n"), @r#"
            tests.test_a | e2e/test_bad failed assert 1 == 2 (tests/test_a.py:7)
            tests.test_a | e2e/test_both error failed on teardown with "RuntimeError: teardown" (tests/test_a.py:15)
            tests.test_a | e2e/test_both failed assert 0 (tests/test_a.py:16)
            tests.test_a | e2e/test_ok passed
            tests.test_a | e2e/test_p[\x00] passed
            tests.test_a | e2e/test_p[a/b] passed
            tests.test_a | e2e/test_skip skipped why
            tests.test_a | e2e/test_sub failed assert 1 != 1 (tests/test_a.py:24)
            tests.test_a | e2e/test_xfail skipped known
            tests.test_a.TestC | e2e/test_ok passed
            tests.test_a.U | e2e/test_u failed AssertionError: 2 == 2 (tests/test_a.py:29)
            "#);
        }
        let log = text(&output.stderr);
        assert!(
            log.contains("unit: 4 passed, 4 failed, 1 error, 2 skipped"),
            "{log}"
        );
    }
}

#[test]
fn pytest_that_something_else_starts_is_asked_by_a_variable_and_every_session_counts() {
    let environment = suite();
    environment.write(
        "Makefile",
        "all:\n\t-python3 -m pytest -q -k test_bad\n\tpython3 -m pytest -q -k 'test_ok and not TestC'\n",
    );
    let output = run_tests(&environment, &["--format", "pytest"], &["make"]);
    assert_code(&output, 1);
    insta::assert_snapshot!(cases(&environment, "j.xml"), @"
    tests.test_a | test_bad failed assert 1 == 2 (tests/test_a.py:7)
    tests.test_a (2) | test_ok passed
    ");
    // Apart, each has a report of its own.
    let flags = ["--format", "pytest", "--junit-files", "apart"];
    assert_code(&run_tests(&environment, &flags, &["make"]), 1);
    assert_eq!(cases(&environment, "j.xml"), "");
    assert_eq!(
        cases(&environment, "j.d/junit_report-000002.xml"),
        "tests.test_a | test_ok passed"
    );
    // What an earlier run left there is not read as this one's.
    assert_code(&run_tests(&environment, &[], &["true"]), 0);
    assert!(
        !environment
            .path()
            .join("j.d/junit_report-000001.xml")
            .exists()
    );
}

#[test]
fn a_pytest_that_writes_nothing_is_red() {
    let environment = suite();
    let output = run_tests(&environment, &["--format", "pytest"], &["true"]);
    assert_code(&output, 1);
    let report = cases(&environment, "j.xml");
    assert!(
        report.contains("pytest was asked for JUnit and wrote none"),
        "{report}"
    );
    // A configuration that does not even parse.
    environment.write("pytest.ini", "[pytest]\naddopts = --no-such-flag\n");
    let output = run_tests(&environment, &[], &["python3", "-m", "pytest"]);
    assert_code(&output, 1);
}

#[test]
fn every_test_of_pytest_runs_in_exactly_one_shard() {
    let environment = suite();
    let whole = ["python3", "-m", "pytest", "-q", "tests"];
    assert_code(&run_tests(&environment, &[], &whole), 1);
    let mut expected: Vec<String> = names(&environment);
    expected.sort();
    std::fs::copy(
        environment.path().join("j.xml"),
        environment.path().join("old.xml"),
    )
    .expect("keep the report");
    for (flags, workers) in [(&[][..], "0"), (&["--shard-durations", "old.xml"], "2")] {
        let mut seen = Vec::new();
        for shard in ["1/2", "2/2"] {
            let flags = [&["--shard", shard], flags].concat();
            let command = [&whole[..], &["-n", workers]].concat();
            let output = run_tests(&environment, &flags, &command);
            let log = text(&output.stderr);
            assert!(matches!(output.status.code(), Some(0 | 1)), "{log}");
            assert!(!log.contains("preparation"), "{log}");
            seen.extend(names(&environment));
        }
        seen.sort();
        assert_eq!(seen, expected, "{flags:?}");
    }
}

fn names(environment: &TestEnvironment) -> Vec<String> {
    let cases = cases(environment, "j.xml");
    let name = |line: &str| {
        let words: Vec<&str> = line.split(' ').take(3).collect();
        words.join(" ")
    };
    cases.lines().map(name).collect()
}

#[test]
fn a_test_of_pytest_that_hangs_is_named_with_what_it_was_doing() {
    for workers in ["0", "2"] {
        let environment = TestEnvironment::new();
        environment.write(
            "test_a.py",
            "import time\ndef test_ok(): pass\ndef test_hangs():\n    print('x')\n    time.sleep(1000)\n",
        );
        let script = format!("python3 -m pytest -q -n {workers}; exit 3");
        let flags = [
            "--timeout",
            "8s",
            "--grace-period",
            "5s",
            "--format",
            "pytest",
        ];
        let output = run_tests(&environment, &flags, &["sh", "-c", &script]);
        assert_code(&output, 124);
        let cases = cases(&environment, "j.xml");
        let hangs = "test_a | test_hangs error the command was ended at its time limit of 8s";
        assert!(cases.contains(hangs), "{cases}");
        // For that one pytest writes a case without a name, which did not pass.
        assert!(!cases.contains("without a name"), "{cases}");
        let log = text(&output.stderr);
        assert!(log.contains("1 passed, 1 error"), "{log}");
        // What had ended by then is not lost.
        assert!(cases.contains("test_a | test_ok passed"), "{cases}");
        let xml = environment.read("j.xml");
        assert!(xml.contains("line 5 in test_hangs"), "{xml}");
    }
}

#[test]
fn a_test_of_pytest_that_takes_too_long_is_named() {
    for workers in ["0", "2"] {
        let environment = TestEnvironment::new();
        environment.write(
            "test_a.py",
            "import time\ndef test_ok(): pass\ndef test_hangs():\n    time.sleep(1000)\n",
        );
        let command = ["python3", "-m", "pytest", "-q", "-n", workers];
        let output = run_tests(&environment, &["--test-timeout", "4s"], &command);
        assert_code(&output, 124);
        let cases = cases(&environment, "j.xml");
        let hangs = "test_a | test_hangs error timed out: it ran longer than 4s";
        assert!(cases.contains(hangs), "{cases}");
        assert!(cases.contains("test_a | test_ok passed"), "{cases}");
        let xml = environment.read("j.xml");
        assert!(xml.contains("line 4 in test_hangs"), "{xml}");
    }
}

#[test]
fn the_exit_code_of_a_pytest_without_tests_is_no_failure_where_none_are_fine() {
    let environment = suite();
    let command = ["python3", "-m", "pytest", "-q", "-k", "nothing"];
    assert_code(&run_tests(&environment, &["--allow-empty"], &command), 0);
    assert_eq!(cases(&environment, "j.xml"), "");
    assert_code(&run_tests(&environment, &[], &command), 1);
    // Another code is one, tests or not.
    let wrong = [&command[..], &["--no-such-option"]].concat();
    assert_code(&run_tests(&environment, &["--allow-empty"], &wrong), 1);
}
