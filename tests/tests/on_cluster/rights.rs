//! Rights that the job's account lacks. That it needs no more than manifests/ give it is what all
//! other tests here show.

use e2e::{Cluster, FaultProxy};
use serde_json::json;

use crate::job::Job;
use crate::manifest::{steps, two_steps};

#[test]
fn an_account_that_may_not_create_workflows_starts_none_and_says_what_it_lacks() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &two_steps());
    job.reach_cluster_as("steps", &cluster.address());
    let mut program = job.start();
    assert_eq!(job.end_of(&mut program), 2, "{}", job.log());
    job.assert_result("FAILURE");
    assert!(job.namespace.workflows().is_empty());
    let log = job.log();
    for part in ["forbidden", "workflows", job.namespace.name()] {
        assert!(log.contains(part), "{part} is not in: {log}");
    }
}

#[test]
fn evidence_that_may_not_be_read_is_named_and_the_verdict_stays() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &steps(&[("bad", "exit 3")]));
    let role = format!("{}/submit-e2e", job.namespace.path("roles"));
    let rules = cluster.api().get(&role)["rules"].take();
    let (only, verbs) = (json!([rules[0].clone()]), &rules[0]["verbs"]);
    assert!(verbs.as_array().unwrap().contains(&"watch".into()));
    cluster.api().merge(&role, &json!({"rules": only}));
    let mut program = job.start();
    assert_eq!(job.end_of(&mut program), 1, "{}", job.log());
    job.assert_result("FAILURE");
    assert!(job.log().contains("forbidden"), "{}", job.log());
}

#[test]
fn rights_that_are_lost_during_the_run_end_it_with_the_truth() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &steps(&[("step", "sleep 10")]));
    let proxy = FaultProxy::start(&cluster.address(), []);
    job.reach_cluster_as("submit-e2e", proxy.address());
    let mut program = job.start_with(&["--timeout=40s"]);
    job.namespace.wait_for_pod("step", "Running");
    let role = format!("{}/submit-e2e", job.namespace.path("roles"));
    cluster.api().merge(&role, &json!({"rules": []}));
    // A watch that is open stays so: rights are looked at when it is opened.
    proxy.cut();
    let code = job.end_of(&mut program);
    assert!(code != 0, "{}", job.log());
    // Nobody saw the workflow's end, so nobody may say that it was good.
    assert_eq!(job.finished()["passed"], false);
    assert!(job.log().contains("forbidden"), "{}", job.log());
}
