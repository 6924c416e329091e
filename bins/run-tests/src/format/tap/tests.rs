//! Real output of Perl's `Test::More` and of node's test runner, and streams with mistakes.

use super::*;
use crate::format::{failure, read};

fn tap(output: &str) -> String {
    read(Tap::new("unit"), output, &End::Success)
}

#[test]
fn perls_output_is_read() {
    insta::assert_snapshot!(tap(include_str!("../../../tests/fixtures/tap-perl.txt")), @"
    [unit] first passed
    [unit] sum is right failed Failed test 'sum is right' (t/a.t:4)
    [unit] test 3 skipped no network
    [unit] later skipped TODO not done
    [unit] inner > in a passed
    [unit] inner > in b failed Failed test 'in b' (t/a.t:7)
    [unit] inner failed Failed test 'inner' (t/a.t:7)
    ");
}

#[test]
fn nodes_output_is_read() {
    insta::assert_snapshot!(tap(include_str!("../../../tests/fixtures/tap-node.txt")), @"
    [unit] adds passed
    [unit] fails failed one is not two (/tmp/rt/n.mjs:3)
    [unit] parent > child passed
    [unit] parent passed
    [unit] skips skipped no network
    [unit] todo passed
    ");
}

#[test]
fn tests_missing_against_the_plan_are_an_error() {
    insta::assert_snapshot!(tap("1..5\nok 1 - a\nok 2 - b\nok 3 - c\n"), @"
    [unit] a passed
    [unit] b passed
    [unit] c passed
    [unit] plan error the plan says 5 tests, 3 were seen
    ");
    insta::assert_snapshot!(tap("1..1\nok 1 - a\nok 2 - b\n"), @"
    [unit] a passed
    [unit] b passed
    [unit] plan error the plan says 1 tests, 2 were seen
    ");
    insta::assert_snapshot!(tap("TAP version 14\n"), @"[unit] plan error 0 tests were seen but no plan: the output may have been cut");
    insta::assert_snapshot!(tap("ok 1 - a\n"), @"
    [unit] a passed
    [unit] plan error 1 tests were seen but no plan: the output may have been cut
    ");
}

#[test]
fn the_right_number_of_the_wrong_tests_is_an_error() {
    insta::assert_snapshot!(tap("1..3\nok 1 - a\nok 1 - b\nok 3 - c\n"), @"
    [unit] a passed
    [unit] b passed
    [unit] c passed
    [unit] plan error test number 1 came twice
    ");
    insta::assert_snapshot!(tap("1..2\nok 1 - a\nok 7 - b\n"), @"
    [unit] a passed
    [unit] b passed
    [unit] plan error the plan says 2 tests, number 7 came
    ");
    insta::assert_snapshot!(tap("1..2\nok 2 - a\nok 1 - b\n"), @"
    [unit] a passed
    [unit] b passed
    ");
}

#[test]
fn a_plan_at_the_end_and_two_documents_are_fine() {
    insta::assert_snapshot!(tap("ok 1 - a\nnot ok 2 - b\n1..2\nok 1 - a\n1..1\n"), @"
    [unit] a passed
    [unit] b failed not ok
    [unit (2)] a passed
    ");
    insta::assert_snapshot!(tap("TAP version 13\n1..1\nok 1\nTAP version 13\n1..2\nok 1\n"), @"
    [unit] test 1 passed
    [unit] plan error the plan says 2 tests, 1 were seen
    [unit (2)] test 1 passed
    ");
}

#[test]
fn bailing_out_is_an_error_and_the_missing_tests_are_not_told_again() {
    insta::assert_snapshot!(tap("1..5\nok 1 - a\nBail out!  no database\n"), @"
    [unit] a passed
    [unit] bail out error Bail out! no database
    ");
}

#[test]
fn a_plan_of_nothing_with_a_reason_is_a_skip() {
    insta::assert_snapshot!(tap("1..0 # SKIP not here\n"), @"[unit] unit skipped SKIP not here");
    assert_eq!(tap("1..0\n"), "");
}

#[test]
fn a_skip_that_is_not_ok_has_failed() {
    insta::assert_snapshot!(tap("1..2\nnot ok 1 - a # SKIP\nok 2 - b # TODO\n"), @"
    [unit] a failed not ok
    [unit] b passed
    ");
}

#[test]
fn tests_of_one_name_do_not_become_attempts_at_one_test() {
    insta::assert_snapshot!(tap("1..3\nnot ok 1 - a\nok 2 - a\nok\n"), @"
    [unit] a failed not ok
    [unit] a (2) passed
    [unit] test 3 passed
    ");
}

#[test]
fn what_was_cut_short_lacks_no_tests() {
    let end = End::CutShort("time is up".to_owned());
    insta::assert_snapshot!(read(Tap::new("unit"), "1..5\nok 1 - a\n", &end), @"[unit] a passed");
}

#[test]
fn a_yaml_block_that_is_never_closed_does_not_hide_the_next_test() {
    let output = "1..2\nnot ok 1 - a\n  ---\n  message: 'no'\nok 2 - b\n";
    insta::assert_snapshot!(read(Tap::new("unit"), output, &failure()), @"
    [unit] a failed no
    [unit] b passed
    ");
}

#[test]
fn the_ok_that_prove_prints_behind_a_file_is_no_test() {
    insta::assert_snapshot!(tap("a.t .. \n1..1\nok 1 - a\nok\nb.t .. \nok 1 - b\n1..1\nok\n"), @"
    [unit] a passed
    [unit (2)] b passed
    ");
    // Where tests have no numbers it may be one.
    assert!(tap("1..1\nok\nok\n").contains("the plan says 1 tests, 2 were seen"));
}

#[test]
fn a_stream_that_starts_with_bad_news_is_recognised() {
    for line in [
        "Bail out! no database",
        "not ok - a",
        "not ok 2 - b",
        "ok 1",
    ] {
        assert!(starts_with(line), "{line}");
    }
    for line in ["ok 200", "ok", "not okay", "not ok, try again"] {
        assert!(!starts_with(line), "{line}");
    }
}

#[test]
fn subtests_are_named_after_the_tests_above_them() {
    let output = "TAP version 14\n1..2\n    1..1\n        ok 1 - deep\n        1..1\n    ok 1 - mid\n\
                  ok 1 - top\n    # Subtest: other\n    not ok 1 - x\n      ---\n      message: |\n\
                      \x20       first\n        second\n      at:\n        file: a.t\n        line: 7\n\
                      \x20     ...\n    1..1\nnot ok 2 - other\n";
    insta::assert_snapshot!(tap(output), @"
    [unit] top > mid > deep passed
    [unit] top > mid passed
    [unit] top passed
    [unit] other > x failed first (a.t:7)
    [unit] other failed not ok
    ");
}

#[test]
fn a_failed_subtest_is_excused_only_by_a_directive_above_it() {
    let output = "1..2\n    1..1\n    not ok 1 - x\nok 1 - says it passed\n    1..1\n    not ok 1 - y\n\
                  not ok 2 - later # TODO\n";
    insta::assert_snapshot!(tap(output), @"
    [unit] says it passed > x failed not ok
    [unit] says it passed passed
    [unit] later > y skipped not ok, as later is expected to be
    [unit] later skipped TODO
    ");
}

#[test]
fn subtests_that_are_missing_or_whose_test_never_comes_are_told() {
    insta::assert_snapshot!(tap("1..1\n    1..3\n    ok 1 - a\nok 1 - top\n"), @"
    [unit] top > a passed
    [unit] top > plan error the plan says 3 tests, 1 were seen
    [unit] top passed
    ");
    insta::assert_snapshot!(tap("1..1\n    # Subtest: top\n    not ok 1 - a\n    ok 2 - b\n    1..2\n"), @"
    [unit] subtest > a failed not ok
    [unit] subtest > b passed
    [unit] plan error the plan says 1 tests, 0 were seen
    ");
    insta::assert_snapshot!(tap("1..2\n    ok 1 - a\n    Bail out! no disk\n"), @"
    [unit] bail out error Bail out! no disk
    [unit] subtest > a passed
    ");
}

#[test]
fn indented_output_that_only_looks_like_a_test_is_none() {
    insta::assert_snapshot!(tap("    ok\n    not ok 7 - x\n  ok 1\n1..1\nok 1 - a\n"), @"[unit] a passed");
}

#[test]
fn pragma_strict_makes_an_error_of_other_output() {
    insta::assert_snapshot!(tap("TAP version 14\npragma -strict\nnoise\npragma +strict\n# fine\nnoise\n\nmore\n1..1\nok\n"), @"
    [unit] strict error a line that is no TAP, which pragma +strict forbids
    [unit] test 1 passed
    ");
}

#[test]
fn bats_output_is_read() {
    insta::assert_snapshot!(tap(include_str!("../../../tests/fixtures/tap-bats.txt")), @r#"
    [unit] adds two passed
    [unit] fails # with hash failed `@test "fails # with hash" { echo "some output"; false; }' failed (bt/a.bats:3)
    [unit] skips skipped no network
    [unit] long ] name passed
    [unit] adds two (2) failed `@test "adds two" { run true; [ "$status" -eq 1 ]; }' failed (bt/b.bats:2)
    [unit] teardown_file failed failed `teardown_file() { false; }' failed (bt/b.bats:1)
    [unit] setup_file failed failed `setup_file() { echo nope; false; }' failed (bt/c.bats:1)
    "#);
    insta::assert_snapshot!(tap(include_str!("../../../tests/fixtures/tap13-bats.txt")), @r#"
    [unit] adds two passed
    [unit] fails # with hash failed `@test "fails # with hash" { echo "some output"; false; }' failed (bt/a.bats:3)
    [unit] skips failed not ok
    [unit] long ] name passed
    [unit] adds two (2) failed `@test "adds two" { run true; [ "$status" -eq 1 ]; }' failed (bt/b.bats:2)
    [unit] teardown_file failed failed `teardown_file() { false; }' failed (bt/b.bats:1)
    [unit] setup_file failed failed `setup_file() { echo nope; false; }' failed (bt/c.bats:1)
    "#);
    let timed = "1..2\nok 1 adds two in 6ms\nok 2 skips in 7ms # skip no network\n";
    insta::assert_snapshot!(tap(timed), @"
    [unit] adds two passed
    [unit] skips skipped no network
    ");
}
