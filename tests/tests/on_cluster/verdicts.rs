//! From trigger to verdict, when nothing fails but what is tested.

use e2e::{Cluster, text};

use crate::job::{Job, phases};
use crate::manifest::{steps, two_steps, with_exit_handler};

#[test]
fn a_workflow_that_succeeds_is_a_success() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &two_steps());
    let output = job.run();
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{log}");
    job.assert_result("SUCCESS");
    let workflow = job.namespace.workflow().unwrap();
    let name = workflow["metadata"]["name"].as_str().unwrap();
    let left = job.read(&format!("{name}.yaml")).expect("the workflow");
    assert!(left.contains("phase: Succeeded"), "{left}");
    for step in ["first", "second"] {
        assert!(log.contains(step), "{log}");
    }
    // TestGrid's rows: one test case a step.
    let junit = job.read(&format!("artifacts/junit_{name}.xml"));
    let junit = junit.unwrap_or_else(|| panic!("no JUnit: {:?}", job.files()));
    for step in ["first", "second"] {
        assert!(junit.contains(&format!("name=\"e2e/{step}\"")), "{junit}");
    }
}

#[test]
fn a_failed_step_is_a_failure_with_its_log_as_evidence() {
    let cluster = Cluster::connect();
    let bad = "echo about to fail; echo why >&2; exit 3";
    let job = Job::new(
        &cluster,
        &steps(&[("good", "true"), ("bad", bad), ("never", "true")]),
    );
    let output = job.run();
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    job.assert_result("FAILURE");
    let evidence = job.evidence("bad");
    assert!(evidence.contains("about to fail\n"), "{evidence}");
    assert!(evidence.contains("why\n"), "{evidence}");
    let workflow = job.namespace.workflow().unwrap();
    assert_eq!(phases(&workflow, "never"), Vec::<&str>::new());
    let (_, summary) = log.split_once("FAILURE").expect("a summary");
    for part in ["bad", "why", "exit code 3"] {
        assert!(summary.contains(part), "{part} is not in: {summary}");
    }
}

#[test]
fn the_exit_handlers_failure_is_the_workflows() {
    let cluster = Cluster::connect();
    let workflow = with_exit_handler(steps(&[("good", "true")]), "exit 1");
    let job = Job::new(&cluster, &workflow);
    assert_eq!(job.run().status.code(), Some(1));
    job.assert_result("FAILURE");
}

#[test]
fn workflows_of_a_job_run_at_once_and_the_verdict_names_the_bad_one() {
    let cluster = Cluster::connect();
    let [good, bad] = ["sleep 1", "exit 1"].map(|script| steps(&[("step", script)]));
    let job = Job::of(&cluster, &[("good", &good), ("bad", &bad)]);
    let output = job.run();
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    job.assert_result("FAILURE");
    let phases: Vec<_> = (job.namespace.workflows().iter())
        .map(|workflow| workflow["status"]["phase"].clone())
        .collect();
    assert_eq!(phases.len(), 2);
    assert!(phases.contains(&"Succeeded".into()) && phases.contains(&"Failed".into()));
}

#[test]
fn a_workflow_that_argo_rejects_starts_none() {
    let cluster = Cluster::connect();
    let mut bad = two_steps();
    // Kubernetes' own check: a number where a text is meant.
    bad["spec"]["entrypoint"] = 7.into();
    let job = Job::of(&cluster, &[("good", &two_steps()), ("bad", &bad)]);
    let output = job.run();
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{log}");
    assert!(log.contains("entrypoint"), "{log}");
    assert!(job.namespace.workflows().is_empty());
    job.assert_result("FAILURE");
}

#[test]
fn two_starts_at_once_make_one_workflow() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &two_steps());
    let mut first = job.start();
    let mut second = job.start_beside();
    let codes = [job.end_of(&mut first), job.end_of(&mut second)];
    assert_eq!(codes, [0, 0], "{}", job.log());
    assert!(job.namespace.workflow().is_some());
    job.assert_result("SUCCESS");
}

#[test]
fn out_of_time_the_workflow_is_stopped() {
    let cluster = Cluster::connect();
    let workflow = with_exit_handler(steps(&[("long", "sleep 600")]), "true");
    let job = Job::new(&cluster, &workflow);
    let mut program = job.start_with(&["--timeout=12s", "--grace-period=60s"]);
    assert_eq!(job.end_of(&mut program), 124, "{}", job.log());
    job.assert_result("FAILURE");
}
