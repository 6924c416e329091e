//! Real output of cargo 1.95, and what could fool a reader.

use super::*;
use crate::format::{failure, read};

fn cargo(output: &str) -> String {
    read(Cargo::new("unit"), output, &failure())
}

#[test]
fn a_run_of_all_kinds_of_tests_is_read() {
    insta::assert_snapshot!(cargo(include_str!("../../../tests/fixtures/cargo-mixed.txt")), @r#"
    [demo] tests::errs failed Error: "no luck"
    [demo] tests::ignored skipped
    [demo] tests::fails failed assertion `left == right` failed: sum (src/lib.rs:21)
    [demo] tests::slow skipped slow on CI
    [demo] tests::adds passed
    [demo] tests::panics passed
    [demo] tests::prints passed
    [demo (src/main.rs)] tests::adds passed
    [demo::cli] works passed
    [demo (doc)] src/lib.rs - add (line 10) passed
    [demo (doc)] src/lib.rs - add (line 4) passed
    [demo (doc)] src/lib.rs - add (line 7) passed
    "#);
}

#[test]
fn a_single_threaded_run_that_prints_within_its_lines_is_read() {
    insta::assert_snapshot!(cargo(include_str!("../../../tests/fixtures/cargo-nocapture.txt")), @r#"
    [demo] tests::errs failed Error: "no luck"
    [demo] tests::fails failed assertion `left == right` failed: sum (src/lib.rs:21)
    [demo] tests::ignored skipped
    [demo] tests::slow skipped slow on CI
    [demo] tests::adds passed
    [demo] tests::panics passed
    [demo] tests::prints passed
    "#);
}

#[test]
fn a_quiet_run_names_its_failures_and_counts_the_rest() {
    insta::assert_snapshot!(cargo(include_str!("../../../tests/fixtures/cargo-quiet.txt")), @r#"
    [unit] tests::errs failed Error: "no luck"
    [unit] tests::fails failed assertion `left == right` failed: sum (src/lib.rs:21)
    [unit] tests without a name passed
    "#);
}

#[test]
fn the_list_of_successes_makes_no_failures_of_passed_tests() {
    insta::assert_snapshot!(cargo(include_str!("../../../tests/fixtures/cargo-show-output.txt")), @"
    [demo] bad failed no (src/lib.rs:3)
    [demo] b passed
    [demo] quiet passed
    [demo] a passed
    ");
    let quiet = include_str!("../../../tests/fixtures/cargo-quiet-show-output.txt");
    insta::assert_snapshot!(cargo(quiet), @"
    [unit] bad failed no (src/lib.rs:3)
    [unit] tests without a name passed
    ");
    // As older versions print it.
    let unnamed = quiet.replace("bad --- FAILED\n", "");
    insta::assert_snapshot!(cargo(&unnamed), @"
    [unit] bad failed no (src/lib.rs:3)
    [unit] a passed
    [unit] b passed
    [unit] tests without a name passed
    ");
}

#[test]
fn a_crash_is_an_error_of_the_test_that_ran() {
    insta::assert_snapshot!(cargo(include_str!("../../../tests/fixtures/cargo-crash.txt")), @"
    [cli] works passed
    [crash] fine passed
    [crash] goes_down error the test binary ended while this test ran (signal: 6, SIGABRT: process abort signal)
    [crash] fine (2) passed
    [crash] goes_down (2) error the test binary ended while this test ran (signal: 6, SIGABRT: process abort signal)
    ");
}

#[test]
fn a_harness_of_its_own_is_one_test() {
    insta::assert_snapshot!(cargo(include_str!("../../../tests/fixtures/cargo-custom.txt")), @"
    [cli] works passed
    [cli] works (2) passed
    [custom] custom passed
    [custom] custom (2) error the test binary failed
    ");
}

#[test]
fn a_build_failure_is_an_error() {
    insta::assert_snapshot!(cargo(include_str!("../../../tests/fixtures/cargo-broken.txt")), @r#"[unit] compile `demo` (test "broken") error could not compile `demo` (test "broken") due to 1 previous error"#);
}

const BEGIN: &str = "     Running unittests src/lib.rs (target/debug/deps/a-8348ca7a80742723)\n
running 3 tests\ntest one ... ok\n";

#[test]
fn output_cut_in_the_middle_is_an_error() {
    let read = read(Cargo::new("unit"), BEGIN, &End::Success);
    insta::assert_snapshot!(read, @"
    [a] one passed
    [a] a: no result error the test binary said that it runs 3 tests and ended after 1 without a result
    ");
}

#[test]
fn the_tests_that_run_when_time_is_up_are_named() {
    let output =
        format!("{BEGIN}test slow has been running for over 60 seconds\ntest two ... hm\n");
    let end = End::CutShort("time is up".to_owned());
    insta::assert_snapshot!(read(Cargo::new("unit"), &output, &end), @"
    [a] one passed
    [a] two error time is up while this test ran
    [a] slow error time is up while this test ran
    ");
}

#[test]
fn what_a_failed_test_printed_of_another_run_is_not_read_as_results() {
    let output = format!(
        "{BEGIN}test two ... FAILED\ntest three ... ok\n
failures:

---- two stdout ----
running 2 tests
test inner ... FAILED

failures:

---- inner stdout ----
thread 'inner' (7) panicked at src/inner.rs:1:1:
boom

failures:
    inner

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
test forged ... ok


failures:
    two

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
"
    );
    insta::assert_snapshot!(cargo(&output), @"
    [a] two failed boom (src/inner.rs:1)
    [a] one passed
    [a] three passed
    ");
}

#[test]
fn the_list_of_failures_has_the_last_word() {
    let output = format!(
        "{BEGIN}test two ... ok\ntest three ... ok\n\nfailures:\n\nfailures:\n    two\n
test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n"
    );
    insta::assert_snapshot!(cargo(&output), @"
    [a] two failed test failed
    [a] one passed
    [a] three passed
    ");
}

#[test]
fn the_last_word_on_a_suite_that_runs_twice_is_about_the_run_that_it_ends() {
    let ok = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
    let first = format!("running 1 test\ntest one ... ok\n\n{ok}\n");
    let second = "running 1 test\ntest one ... ok\n\nfailures:\n\nfailures:\n    one\n
test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
    insta::assert_snapshot!(cargo(&(first + second)), @"
    [unit] one passed
    [unit] one (2) failed test failed
    ");
}

#[test]
fn what_a_test_printed_is_with_its_failure_however_its_outcome_looked() {
    let output = "running 1 test\ntest one ... boom\nok\n\nfailures:\n\nfailures:\n    one\n
test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
    insta::assert_snapshot!(cargo(output), @"[unit] one failed boom");
}

#[test]
fn a_run_that_an_ending_in_its_output_cut_short_is_ended_by_its_totals() {
    let output = "running 2 tests\ntest one ... ok\ntest two ... error: test failed, to rerun pass `--lib`\nok\n
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
    insta::assert_snapshot!(read(Cargo::new("unit"), output, &End::Success), @"
    [unit] one passed
    [unit] tests without a name passed
    ");
}

#[test]
fn failures_that_no_line_shows_are_an_error() {
    let output = format!(
        "{BEGIN}
test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n"
    );
    insta::assert_snapshot!(cargo(&output), @"
    [a] one passed
    [unit] a: failures without a name error the test binary counts 2 failed tests, its lines show 0
    ");
}

#[test]
fn a_line_behind_another_threads_output_is_found() {
    let output = format!(
        "{BEGIN}some outputtest two ... FAILED\nhellotest three ... ok\n
test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n"
    );
    insta::assert_snapshot!(cargo(&output), @"
    [a] two failed test failed
    [a] one passed
    [a] three passed
    ");
}

#[test]
fn totals_that_a_test_prints_do_not_end_the_run() {
    let of_another_run = "test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; \
                          0 filtered out; finished in 0.00s";
    let own = "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; \
               0 filtered out; finished in 0.00s";
    let output =
        format!("running 2 tests\ntest a ... ok\n{of_another_run}\ntest b ... FAILED\n{own}\n");
    insta::assert_snapshot!(read(Cargo::new("unit"), &output, &End::Success), @"
    [unit] b failed test failed
    [unit] a passed
    ");
    let cut = format!("running 5 tests\ntest a ... ok\n{of_another_run}\n");
    insta::assert_snapshot!(read(Cargo::new("unit"), &cut, &End::Success), @"
    [unit] a passed
    [unit] unit: no result error the test binary said that it runs 5 tests and ended after 1 without a result
    ");
}

#[test]
fn a_failed_test_behind_forged_totals_is_not_dropped() {
    let output = "running 2 tests\ntest a ... ok\n\
        test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s\n\
        test b ... FAILED\n";
    insta::assert_snapshot!(read(Cargo::new("unit"), output, &End::Success), @"
    [unit] a passed
    [unit] b error failed, outside of any run that the test binary announced
    [unit] tests without a name passed
    ");
}
