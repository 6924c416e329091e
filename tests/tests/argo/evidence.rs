//! Why a step failed, where its log does not say it.

use e2e::Cluster;
use serde_json::json;

use crate::job::Job;
use crate::manifest::{container, steps};

#[test]
fn a_step_out_of_memory() {
    let cluster = Cluster::connect();
    // tail keeps what it reads until a line ends, and no line does.
    let mut workflow = steps(&[("greedy", "echo greedy; tail /dev/zero")]);
    container(&mut workflow, "greedy")["resources"] = json!({"limits": {"memory": "32Mi"}});
    let job = Job::new(&cluster, &workflow);
    let mut program = job.start();
    assert_eq!(job.end_of(&mut program), 1, "{}", job.log());
    job.assert_result("FAILURE");
    let evidence = job.evidence("greedy");
    assert!(evidence.contains("OOMKilled"), "{evidence}");
    assert!(job.log().contains("OOMKilled"), "{}", job.log());
}

#[test]
fn an_image_that_does_not_exist() {
    let cluster = Cluster::connect();
    let image = "localhost/no-such-image:1";
    let mut workflow = steps(&[("pull", "true")]);
    container(&mut workflow, "pull")["image"] = image.into();
    workflow["spec"]["activeDeadlineSeconds"] = 15.into();
    let job = Job::new(&cluster, &workflow);
    let mut program = job.start();
    assert_eq!(job.end_of(&mut program), 1, "{}", job.log());
    job.assert_result("FAILURE");
    let log = job.log();
    let (_, summary) = log.split_once("FAILURE").expect("a summary");
    assert!(summary.contains(image), "{summary}");
    assert!(summary.contains("pull"), "{summary}");
}

#[test]
fn a_step_that_no_node_has_room_for() {
    let cluster = Cluster::connect();
    let mut workflow = steps(&[("huge", "true")]);
    container(&mut workflow, "huge")["resources"] = json!({"requests": {"cpu": "4000"}});
    let job = Job::new(&cluster, &workflow);
    // A workflow's own deadline does not end it: no kubelet knows the pod, and the controller forgets.
    let mut program = job.start_with(&["--timeout=10s"]);
    assert_eq!(job.end_of(&mut program), 124, "{}", job.log());
    job.assert_result("FAILURE");
    let log = job.log();
    let (_, summary) = log.split_once("FAILURE").expect("a summary");
    assert!(summary.contains("Insufficient cpu"), "{log}");
}
