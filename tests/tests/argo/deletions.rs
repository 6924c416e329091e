//! What somebody else deletes while the job runs.

use e2e::Cluster;

use crate::job::{Job, phases};
use crate::manifest::{steps, two_steps};

#[test]
fn a_pod_that_is_deleted_fails_its_step() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &steps(&[("step", "sleep 600")]));
    let mut program = job.start();
    let pod = job.namespace.wait_for_pod("step", "Running");
    // Until the controller knows that it runs, it makes another one in its place.
    let runs = |workflow: &serde_json::Value| phases(workflow, "step") == ["Running"];
    job.namespace.wait_for_workflow("the step to run", runs);
    let pods = job.namespace.path("pods");
    cluster.api().delete(&format!("{pods}/{pod}"));
    assert_eq!(job.end_of(&mut program), 1, "{}", job.log());
    job.assert_result("FAILURE");
    assert!(job.log().contains("deleted"), "{}", job.log());
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
