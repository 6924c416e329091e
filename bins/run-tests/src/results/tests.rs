use std::time::Duration;

use common::junit::{self, Case, Detail, Outcome};

use super::room::{NO_ROOM, ROOM_FOR_SUITES, ROOM_FOR_TEXTS};
use super::*;

fn case(name: &str, outcome: Outcome) -> Case {
    Case {
        name: name.to_owned(),
        outcome,
        ..Case::default()
    }
}

fn failed(text: &str) -> Outcome {
    Outcome::Failed(Detail {
        message: "no".to_owned(),
        text: text.to_owned(),
    })
}

fn xml(results: &mut Results) -> Vec<u8> {
    let mut xml = Vec::new();
    results
        .write(&mut xml, 0, Duration::ZERO, &[], None)
        .unwrap();
    xml
}

/// Suite, name and outcome of each case in the report.
fn written(results: &mut Results) -> Vec<String> {
    let mut found = Vec::new();
    junit::read(xml(results).as_slice(), "report", |suite, case| {
        let outcome = match case.outcome {
            Outcome::Passed => "passed",
            Outcome::Failed(_) => "failed",
            Outcome::Errored(_) => "error",
            Outcome::Skipped(_) => "skipped",
        };
        found.push(format!("{suite} {} {outcome}", case.name));
    })
    .unwrap();
    found
}

#[test]
fn no_two_tests_of_a_suite_have_one_name() {
    let mut results = Results::new("unit");
    for suite in ["a", "b", "b", "b"] {
        results.add(suite, case("works", Outcome::Passed));
    }
    assert_eq!(
        written(&mut results),
        [
            "a works passed",
            "b works passed",
            "b works (2) passed",
            "b works (3) passed"
        ]
    );
}

#[test]
fn suites_with_endless_names_have_no_more_room_than_tests() {
    let mut results = Results::new("unit");
    for number in 0..1000 {
        let suite = format!("{number}{}", "x".repeat(60_000));
        results.add(&suite, case(&number.to_string(), Outcome::Passed));
    }
    assert_eq!(results.counts().passed, 1000);
    let suites = results.suites.iter();
    let names: usize = suites.map(|listed| listed.suite.name.len()).sum();
    assert!(names < ROOM_FOR_SUITES, "{names}");
    assert_eq!(
        results.unlisted() + results.suites.len() as u64,
        1000,
        "what has no room is counted"
    );
}

#[test]
fn all_tests_are_listed_although_not_all_texts_have_room() {
    let mut results = Results::new("unit");
    for number in 0..20_000 {
        results.add("s", case(&number.to_string(), Outcome::Passed));
    }
    let text = "x".repeat(60_000);
    for number in 0..1000 {
        results.add("s", case(&format!("f{number}"), failed(&text)));
    }
    let counts = results.counts();
    assert_eq!((counts.passed, counts.failed), (20_000, 1000));
    let said = |case: &Case| case.outcome.fault().map_or(0, |fault| fault.text.len());
    let texts: usize = results.faults().map(|(_, case)| said(case)).sum();
    assert!(texts < ROOM_FOR_TEXTS + 1000 * NO_ROOM.len());
    let summary = junit::summarize(xml(&mut results).as_slice(), "report").unwrap();
    assert_eq!((summary.tests, summary.failures), (21_000, 1000));
}

#[test]
fn a_report_has_an_end_and_says_how_much_is_missing() {
    let mut results = Results::new("unit");
    results.room.report = 10_000;
    for number in 0..1000 {
        results.add("s", case(&number.to_string(), Outcome::Passed));
    }
    let summary = junit::summarize(xml(&mut results).as_slice(), "report").unwrap();
    assert_eq!(summary.tests + results.unlisted(), 1000);
    assert!(results.unlisted() > 0);
}

#[test]
fn a_failed_test_that_passes_when_run_again_is_flaky_with_both_attempts() {
    let mut results = Results::new("unit");
    for name in ["a", "b", "c"] {
        let id = results.add("s", case(name, failed("")));
        results.select(id, "s", name);
    }
    results.add("s", case("d", Outcome::Passed));
    let picked = results.to_run_again().unwrap();
    assert_eq!(picked.len(), 3);
    results.run_again();
    results.add("s", case("a", Outcome::Passed));
    results.add("s", case("b", failed("again")));
    results.add("s", case("c", Outcome::Skipped(Detail::default())));
    results.add("s", case("d", Outcome::Passed));
    let counts = results.counts();
    assert_eq!((counts.passed, counts.failed, counts.flaky), (1, 2, 1));
    assert_eq!(
        written(&mut results),
        [
            "s a failed",
            "s b failed",
            "s c failed",
            "s d passed",
            "s a passed"
        ]
    );
    let open: Vec<&str> = results.faults().map(|(_, case)| &*case.name).collect();
    assert_eq!(open, ["b", "c"]);
    let flakes: Vec<&str> = results.flakes().map(|(_, case)| &*case.name).collect();
    assert_eq!(flakes, ["a"]);
    // A third attempt knows how to pick what is left.
    let picked = results.to_run_again().unwrap();
    let picked: Vec<&str> = picked.iter().map(|test| &*test.name).collect();
    assert_eq!(picked, ["b", "c"]);
    let summary = junit::summarize(xml(&mut results).as_slice(), "report").unwrap();
    assert_eq!(summary.flaky, 1);
}

#[test]
fn an_error_that_is_no_tests_own_cannot_be_run_away_from() {
    let mut results = Results::new("unit");
    let id = results.add("s", case("a", failed("")));
    results.select(id, "s", "a");
    results.error("build", "does not compile", String::new());
    assert!(results.to_run_again().unwrap_err().contains("build"));
}
