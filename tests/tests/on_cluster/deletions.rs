//! What somebody else deletes while the job runs.

use std::thread::sleep;
use std::time::Duration;

use e2e::Cluster;

use crate::job::Job;
use crate::manifest::{steps, two_steps};

#[test]
fn a_pod_that_is_deleted_is_told_and_its_step_followed_to_its_end() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &steps(&[("step", "sleep 18")]));
    let mut program = job.start();
    job.namespace.wait_for_pod("step", "Running");
    // For a pod that is gone within 10 s of its start the controller waits.
    sleep(Duration::from_secs(12));
    cluster.api().delete(&job.namespace.path("pods"));
    let code = job.end_of(&mut program);
    let log = job.log();
    assert!(log.contains("ERROR step: Error"), "{log}");
    assert!(log.contains("pod deleted"), "{log}");
    // Whether the step fails or runs again in another pod is the controller's affair: 3.7 does either.
    let workflow = job.namespace.workflow().unwrap();
    if workflow["status"]["phase"] == "Succeeded" {
        assert_eq!(code, 0, "{log}");
        job.assert_result("SUCCESS");
        assert!(log.contains("step: Succeeded"), "{log}");
    } else {
        assert_eq!(code, 1, "{log}");
        job.assert_result("FAILURE");
    }
    // Of the pod that is gone, or of the one that came after it.
    let evidence = job.evidence("step");
    assert!(
        evidence.contains("Killing: Stopping container main"),
        "{evidence}"
    );
}

#[test]
fn a_workflow_that_is_deleted_is_a_failure_that_says_so() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &two_steps());
    let mut program = job.start();
    job.namespace.wait_for_pod("first", "Running");
    cluster.api().delete(&job.namespace.path("workflows"));
    assert_eq!(job.end_of(&mut program), 1, "{}", job.log());
    assert_eq!(job.finished()["result"], "FAILURE");
    assert!(job.log().contains("deleted"), "{}", job.log());
    job.namespace.assert_nothing_runs();
}
