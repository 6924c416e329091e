//! submit-e2e killed with -9 and started again, as when its pod's node is lost: the second one goes
//! on with what the first one has made.

use e2e::Cluster;

use crate::job::{phases, signal};
use crate::moment::Moment;

fn the_second_start_goes_on(moment: Moment) {
    let cluster = Cluster::connect();
    let (job, mut first) = moment.reach(&cluster);
    signal(&first, "KILL");
    first.wait().unwrap();
    let made = job.namespace.workflow();
    assert_eq!(made.is_some(), moment != Moment::Starting);

    let mut second = job.start();
    assert_eq!(job.end_of(&mut second), 0, "{}", job.log());
    job.assert_result("SUCCESS");
    let workflow = job.namespace.workflow().unwrap();
    if let Some(made) = made {
        assert_eq!(workflow["metadata"]["uid"], made["metadata"]["uid"]);
    }
    for step in ["first", "second"] {
        assert_eq!(phases(&workflow, step), ["Succeeded"]);
    }
}

#[test]
fn while_started_json_was_written() {
    the_second_start_goes_on(Moment::Starting);
}

#[test]
fn when_the_workflow_had_just_been_made() {
    the_second_start_goes_on(Moment::Created);
}

#[test]
fn during_the_first_step() {
    the_second_start_goes_on(Moment::FirstStep);
}

#[test]
fn during_the_second_step() {
    the_second_start_goes_on(Moment::SecondStep);
}

#[test]
fn when_the_workflow_was_over_and_the_verdict_not_written() {
    the_second_start_goes_on(Moment::Finishing);
}
