//! Connections to the API server that break.

use std::thread::sleep;
use std::time::Duration;

use e2e::{Cluster, FaultProxy};

use crate::job::Job;
use crate::manifest::two_steps;

#[test]
fn watches_that_are_cut_are_resumed() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &two_steps());
    let proxy = FaultProxy::start(&cluster.address(), []);
    job.reach_cluster_as("submit-e2e", proxy.address());
    let mut program = job.start();
    job.namespace.wait_for_pod("first", "Running");
    let before = proxy.connections();
    let mut cuts = 0;
    while program.try_wait().unwrap().is_none() {
        proxy.cut();
        cuts += 1;
        sleep(Duration::from_secs(1));
    }
    assert_eq!(job.end_of(&mut program), 0, "{}", job.log());
    job.assert_result("SUCCESS");
    // It has come back, and not more often than it was sent away and has work of its own.
    let again = proxy.connections() - before;
    assert!(again >= 3, "{again} connections after {cuts} cuts");
    assert!(
        again <= 3 * cuts + 10,
        "{again} connections after {cuts} cuts"
    );
}
