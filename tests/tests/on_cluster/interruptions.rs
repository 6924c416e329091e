//! SIGTERM at different moments, as Prow sends it when a job is aborted or out of time.

use std::time::{Duration, Instant};

use e2e::{Cluster, Running};

use crate::job::{Job, phases, signal};
use crate::manifest::{steps, with_exit_handler};
use crate::moment::Moment;

/// Interrupts; gives the exit code.
fn interrupt(job: &Job<'_>, program: &mut Running) -> i32 {
    signal(program, "TERM");
    job.end_of(program)
}

/// What ran is stopped, its exit handler has run, and the verdict says so.
fn the_workflow_is_stopped(moment: Moment) {
    let cluster = Cluster::connect();
    let (job, mut program) = moment.reach(&cluster);
    assert_eq!(interrupt(&job, &mut program), 143, "{}", job.log());
    job.assert_result("ABORTED");
    let workflow = job.namespace.workflow().unwrap();
    assert_eq!(workflow["status"]["phase"], "Failed");
    let handler = format!("{}.onExit", workflow["metadata"]["name"].as_str().unwrap());
    let context = || format!("{}\n{}", job.namespace.describe(), job.log());
    assert_eq!(phases(&workflow, &handler), ["Succeeded"], "{}", context());
}

#[test]
fn while_started_json_is_written() {
    let cluster = Cluster::connect();
    let (job, mut program) = Moment::Starting.reach(&cluster);
    assert_eq!(interrupt(&job, &mut program), 143, "{}", job.log());
    assert!(job.namespace.workflow().is_none());
    // Where there is a start there is an end.
    if job.read("started.json").is_some() {
        job.assert_result("ABORTED");
    }
}

#[test]
fn when_the_workflow_has_just_been_made() {
    the_workflow_is_stopped(Moment::Created);
}

#[test]
fn during_the_first_step() {
    the_workflow_is_stopped(Moment::FirstStep);
}

#[test]
fn during_the_second_step() {
    the_workflow_is_stopped(Moment::SecondStep);
}

#[test]
fn an_exit_handler_that_takes_too_long_is_terminated_within_the_grace_time() {
    let cluster = Cluster::connect();
    let workflow = with_exit_handler(steps(&[("long", "sleep 600")]), "sleep 600");
    let job = Job::new(&cluster, &workflow);
    let mut program = job.start_with(&["--grace-period=30s"]);
    job.namespace.wait_for_pod("long", "Running");
    let since = Instant::now();
    assert_eq!(interrupt(&job, &mut program), 143, "{}", job.log());
    let took = since.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}: {}", job.log());
    job.assert_result("ABORTED");
}

#[test]
fn while_finished_json_is_written() {
    let cluster = Cluster::connect();
    let (job, mut program) = Moment::Finishing.reach(&cluster);
    let code = interrupt(&job, &mut program);
    // The workflow had succeeded; whether the signal came before the verdict is for submit-e2e to
    // say, in the same words in both places.
    match code {
        0 => job.assert_result("SUCCESS"),
        143 => job.assert_result("ABORTED"),
        code => panic!("{code}: {}", job.log()),
    }
}

#[test]
fn with_on_abort_leave_the_workflow_goes_on() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &crate::manifest::two_steps());
    let mut program = job.start_with(&["--on-abort=leave"]);
    job.namespace.wait_for_pod("first", "Running");
    assert_eq!(interrupt(&job, &mut program), 143, "{}", job.log());
    assert_eq!(job.finished()["result"], "ABORTED");
    let is_over = |workflow: &serde_json::Value| workflow["status"]["phase"] == "Succeeded";
    job.namespace.wait_for_workflow("its own end", is_over);
}
