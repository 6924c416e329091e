//! Parts of the cluster that go away for a while. These tests run alone, as all others would feel it.

use std::time::Duration;

use e2e::Cluster;

use crate::job::{Job, phases};
use crate::manifest::two_steps;

#[test]
fn the_api_server_is_killed_and_comes_back() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &two_steps());
    let mut command = job.command();
    command.env("LOG_LEVEL", "debug");
    let mut program = job.start_command(command);
    job.namespace.wait_for_pod("first", "Running");
    cluster.kill_api_server(Duration::from_secs(10));
    assert_eq!(job.end_of(&mut program), 0, "{}", job.log());
    job.assert_result("SUCCESS");
    // One that starts again does not know what was before: it answers 410 Gone.
    let log = job.log();
    assert!(log.contains("is too old; listing them"), "{log}");
    let workflow = job.namespace.workflow().unwrap();
    assert_eq!(phases(&workflow, "first"), ["Succeeded"]);
}

#[test]
fn the_controller_stops_for_a_minute() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &two_steps());
    let mut program = job.start();
    job.namespace.wait_for_pod("first", "Running");
    cluster.stop_controller(Duration::from_mins(1));
    assert_eq!(job.end_of(&mut program), 0, "{}", job.log());
    job.assert_result("SUCCESS");
}
