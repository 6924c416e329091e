//! What a person asks of a workflow while it runs, with the job's rights and no others.

use e2e::Cluster;
use serde_json::Value;

use crate::job::{Job, phases};
use crate::manifest::{parameter, steps, two_steps, with_exit_handler};

/// The name of the job's workflow.
fn name(job: &Job<'_>) -> String {
    let workflow = job.namespace.workflow().expect("a workflow");
    workflow["metadata"]["name"].as_str().unwrap().to_owned()
}

#[test]
fn one_workflow_with_a_parameter_is_looked_at_and_waited_for() {
    let cluster = Cluster::connect();
    let script = "echo {{workflow.parameters.greeting}}; sleep 8; echo goodbye";
    let workflow = parameter(steps(&[("greet", script)]), "greeting", "none");
    let job = Job::of(&cluster, &[("e2e", &workflow), ("other", &two_steps())]);
    let mut program = job.start_with(&["e2e", "-p", "greeting=ahoy"]);
    job.namespace.wait_for_pod("greet", "Running");
    let name = name(&job);

    let (code, tree, log) = job.by_hand(&["status", &name]);
    assert_eq!(code, 0, "{log}");
    assert!(tree.contains(&format!("{name}: Running")), "{tree}");
    // By the variables of the job. The step's log is followed to its end.
    let (code, printed, log) = job.by_hand(&["logs", "greet", "--follow"]);
    assert_eq!((code, printed.as_str()), (0, "ahoy\ngoodbye\n"), "{log}");
    let (code, _, log) = job.by_hand(&["wait"]);
    assert_eq!(code, 0, "{log}");
    assert!(log.contains(&format!("{name} ends: Succeeded")), "{log}");

    assert_eq!(job.end_of(&mut program), 0, "{}", job.log());
    job.assert_result("SUCCESS");
    let (_, status, _) = job.by_hand(&["status", "--output=json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status[0]["phase"], "Succeeded");
    let steps = status[0]["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["name"] == "greet"), "{status}");
}

#[test]
fn a_workflow_that_is_stopped_by_hand_fails_its_job_and_its_exit_handler_runs() {
    let cluster = Cluster::connect();
    let workflow = with_exit_handler(steps(&[("long", "sleep 600")]), "true");
    let job = Job::new(&cluster, &workflow);
    let mut program = job.start();
    job.namespace.wait_for_pod("long", "Running");
    let name = name(&job);
    let (code, _, log) = job.by_hand(&["stop", &name]);
    assert_eq!(code, 0, "{log}");
    let (code, _, log) = job.by_hand(&["wait", &name]);
    assert_eq!(code, 1, "{log}");
    assert_eq!(job.end_of(&mut program), 1, "{}", job.log());
    job.assert_result("FAILURE");
    let workflow = job.namespace.workflow().unwrap();
    assert_eq!(phases(&workflow, &format!("{name}.onExit")), ["Succeeded"]);
}

#[test]
fn what_is_not_there_is_told() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &two_steps());
    let (code, _, log) = job.by_hand(&["status", "no-such-workflow"]);
    assert_eq!(code, 2, "{log}");
    assert!(log.contains("there is none of this name"), "{log}");
    let (code, _, log) = job.by_hand(&["wait"]);
    assert_eq!(code, 2, "{log}");
    assert!(log.contains("no workflow of this build"), "{log}");
}
