use std::path::Path;

use clap::Parser;
use common::Error;
use common::junit::Summary;
use serde_json::{Value, json};

use super::*;
use crate::opts::Opts;
use crate::workflows::Workflow;

fn end(status: Value) -> WorkflowEnd {
    WorkflowEnd {
        workflow: Workflow {
            entry: "e2e".to_owned(),
            name: "job-e2e-1".to_owned(),
            document: None,
            manifest: Value::Null,
            teardown: None,
            kind: "manifest",
        },
        object: Value::Null,
        status: serde_json::from_value(status).unwrap(),
        took: Duration::from_millis(72_345),
        problem: None,
    }
}

fn told(evidence: &Evidence) -> String {
    let engine = Local::new(Path::new("/run"), &Opts::parse_from(["submit-e2e"]).run);
    let (outcome, _) = evidence.verdict();
    summary(outcome, evidence, &engine, "file:///b/logs/e2e/7")
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
    let node = |id: &str, node_type: &str, phase: &str, started: &str, children: &[&str]| {
        json!({"id": id, "name": id, "displayName": id, "type": node_type, "phase": phase,
            "message": "exit code 1", "startedAt": started, "children": children})
    };
    let status = json!({"phase": "Failed", "message": "child failed", "nodes": {
        "a": node("a", "DAG", "Failed", "1", &[]),
        "b": node("b", "Pod", "Failed", "3", &[]),
        "c": node("c", "Retry", "Failed", "2", &["d"]),
        "d": node("d", "Pod", "Failed", "2", &[]),
        "e": node("e", "Pod", "Succeeded", "1", &[]),
    }});
    let evidence = Evidence {
        workflows: vec![end(status)],
        ..Evidence::default()
    };
    assert_eq!(
        told(&evidence),
        "FAILURE: 1 of 1 workflows did not succeed: e2e
workflow e2e: Failed after 1m 12s
  step c: Failed: exit code 1
    to run it again: run-local --step c /run/job-e2e-1/workflow.json --run-dir /run/job-e2e-1
  step b: Failed: exit code 1
    to run it again: run-local --step b /run/job-e2e-1/workflow.json --run-dir /run/job-e2e-1
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
        workflows: vec![end(json!({"phase": "Succeeded"}))],
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
