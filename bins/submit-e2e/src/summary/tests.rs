use common::Error;
use common::exec::Command;
use common::junit::Summary;

use super::*;
use crate::engine::WorkflowEnd;

fn end(phase: Phase, message: &str, failed: Vec<StepEnd>) -> WorkflowEnd {
    WorkflowEnd {
        entry: "e2e".to_owned(),
        name: "job-e2e-1".to_owned(),
        phase,
        message: message.to_owned(),
        failed,
        took: Duration::from_millis(72_345),
        ..WorkflowEnd::default()
    }
}

fn told(evidence: &Evidence) -> String {
    let (outcome, _) = evidence.verdict();
    summary(outcome, evidence, "file:///b/logs/e2e/7")
}

#[test]
fn nothing_called_for_is_said_so() {
    assert_eq!(
        told(&Evidence::default()),
        "SUCCESS: no workflow is called for by this change\nresults: file:///b/logs/e2e/7"
    );
}

#[test]
fn failed_steps_come_with_the_command_that_runs_them_again() {
    let step = |name: &str| StepEnd {
        name: name.to_owned(),
        phase: Phase::Failed,
        message: "exit code 1".to_owned(),
        again: Some(Command::new("run-local").args(["--step", name])),
        ..StepEnd::default()
    };
    let failed = vec![step("c"), step("b")];
    let evidence = Evidence {
        workflows: vec![end(Phase::Failed, "child failed", failed)],
        ..Evidence::default()
    };
    assert_eq!(
        told(&evidence),
        "FAILURE: 1 of 1 workflows did not succeed: e2e
workflow e2e: Failed after 1m 12s
  step c: Failed: exit code 1
    to run it again: run-local --step c
  step b: Failed: exit code 1
    to run it again: run-local --step b
results: file:///b/logs/e2e/7"
    );
}

#[test]
fn what_a_cluster_tells_of_a_failed_step_comes_with_it() {
    let step = StepEnd {
        name: "unit".to_owned(),
        phase: Phase::Failed,
        message: "OOMKilled (exit code 137)".to_owned(),
        reasons: vec!["container main: OOMKilled, exit code 137".to_owned()],
        last_lines: vec!["allocating".to_owned(), "\u{1b}[2J".to_owned()],
        logs: Some("gs://b/artifacts/steps/w/unit".to_owned()),
        again: None,
    };
    let end = WorkflowEnd {
        links: vec![("page", "https://argo/w".to_owned())],
        ..end(Phase::Failed, "child failed", vec![step])
    };
    let evidence = Evidence {
        workflows: vec![end],
        ..Evidence::default()
    };
    assert_eq!(
        told(&evidence),
        "FAILURE: 1 of 1 workflows did not succeed: e2e
workflow e2e: Failed after 1m 12s
  step unit: Failed: OOMKilled (exit code 137)
    reason: container main: OOMKilled, exit code 137
    its last lines:
      allocating
      \\u{1b}[2J
    logs: gs://b/artifacts/steps/w/unit
  page: https://argo/w
results: file:///b/logs/e2e/7"
    );
}

#[test]
fn failed_tests_and_errors_are_told_and_cannot_forge_lines() {
    let test = |name: &str| FailedTest {
        suite: "s".to_owned(),
        classname: "s".to_owned(),
        name: name.to_owned(),
        message: "want 1\nhave 2".to_owned(),
    };
    let summary = Summary {
        failures: 25,
        failed: (0..25).map(|n| test(&format!("t{n}\nx"))).collect(),
        ..Summary::default()
    };
    let evidence = Evidence {
        workflows: vec![end(Phase::Succeeded, "", Vec::new())],
        junit: vec![
            JUnitFile {
                name: "artifacts/junit_a.xml".to_owned(),
                summary: Ok(summary),
            },
            JUnitFile {
                name: "artifacts/junit_b.xml".to_owned(),
                summary: Err(
                    Error::failed("read artifacts/junit_b.xml as JUnit").because("cut short")
                ),
            },
        ],
        errors: vec![
            Error::unavailable("write x")
                .because("disk full")
                .hint("make room"),
        ],
    };
    let said = told(&evidence);
    assert!(said.starts_with("FAILURE: the job could not do its work\nworkflow e2e: Succeeded"));
    assert!(said.contains("\ntest s t0\\nx failed: want 1\n"), "{said}");
    assert_eq!(said.matches("\ntest ").count(), 20);
    assert!(
        said.contains("\n5 more failed tests are in the JUnit files\n"),
        "{said}"
    );
    assert!(
        said.contains("\nread artifacts/junit_b.xml as JUnit: cut short\n"),
        "{said}"
    );
    assert!(
        said.contains("\nerror:\n  write x: disk full\n  make room\n"),
        "{said}"
    );
}

#[test]
fn files_that_cannot_be_read_do_not_fill_the_log_however_many_there_are() {
    let file = |number: usize| JUnitFile {
        name: format!("artifacts/junit_{number}.xml"),
        summary: Err(Error::failed(format!("read artifacts/junit_{number}.xml"))),
    };
    let evidence = Evidence {
        junit: (0..1000).map(file).collect(),
        ..Evidence::default()
    };
    let said = told(&evidence);
    assert_eq!(said.matches("\nread artifacts/junit_").count(), 20);
    assert!(
        said.contains("\n980 more JUnit files cannot be read\n"),
        "{said}"
    );
}
