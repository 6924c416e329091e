//! Why a step failed, where its log does not say it.

use e2e::{Cluster, Fault, FaultProxy};
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
fn a_pod_that_is_gone_is_looked_for_in_cloud_logging() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &steps(&[("bad", "sleep 3; exit 3")]));
    let proxy = FaultProxy::start(&cluster.address(), []);
    job.reach_cluster_as("submit-e2e", proxy.address());
    let mut program = job.start();
    job.namespace.wait_for_pod("bad", "Running");
    // Nobody hears of the end before the pod is removed.
    proxy.set(std::iter::repeat_n(Fault::Close, 1000));
    proxy.cut();
    let is_over = |workflow: &serde_json::Value| workflow["status"]["phase"] == "Failed";
    job.namespace.wait_for_workflow("its end", is_over);
    cluster.api().delete(&job.namespace.path("pods"));
    proxy.set([]);
    assert_eq!(job.end_of(&mut program), 1, "{}", job.log());
    job.assert_result("FAILURE");
    let evidence = job.evidence("bad");
    assert!(
        evidence.contains("was gone when this was written"),
        "{evidence}"
    );
    assert!(evidence.contains("resource.labels.pod_name="), "{evidence}");
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
