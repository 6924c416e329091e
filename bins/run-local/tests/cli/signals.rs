//! The ends that nobody likes: signals, and a run that is killed.

use std::process::Command;

use e2e::{Running, TestEnvironment, binary, is_running, wait_until};

use crate::support::manifest;

/// Starts a workflow whose only step prints its process id and then ignores SIGTERM.
fn start_stubborn(environment: &TestEnvironment) -> (Running, u32) {
    environment.write(
        "w.yaml",
        manifest(
            "\
onExit: bye
volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]
templates:
- name: main
  container:
    image: b
    command: [sh, -c, 'trap \"\" TERM; setsid sleep 1000 & echo $! $$$$ > /v/new; mv /v/new /v/pids; while :; do sleep 0.1; done']
    volumeMounts: [{name: v, mountPath: /v}]
- name: bye
  container: {image: b, command: [sh, -c, 'echo bye > /v/bye'], volumeMounts: [{name: v, mountPath: /v}]}",
        ),
    );
    let child = Running::start(
        environment
            .command(&binary("run-local"))
            .args(["w.yaml", "--run-dir", "run", "--grace-period", "1s"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null()),
    );
    let pids = environment.path().join("run/volumes/c/pids");
    wait_until("the step runs", || pids.exists());
    let fled = std::fs::read_to_string(pids)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    (child, fled)
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill")
        .args([name, &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[test]
fn sigterm_ends_the_steps_runs_the_exit_handler_and_leaves_nothing() {
    let environment = TestEnvironment::new();
    let (mut child, fled) = start_stubborn(&environment);
    signal("-TERM", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(environment.read("run/volumes/c/bye"), "bye\n");
    wait_until("the process that fled is gone", || !is_running(fled));
    let status = environment.read("run/workflow.yaml");
    assert!(status.contains("Stopped with strategy"), "{status}");
}

#[test]
fn hang_ups_ask_but_do_not_insist() {
    let environment = TestEnvironment::new();
    let (mut child, fled) = start_stubborn(&environment);
    for _ in 0..3 {
        signal("-HUP", child.id());
    }
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(environment.read("run/volumes/c/bye"), "bye\n");
    assert!(!is_running(fled));
}

#[test]
fn a_second_signal_cuts_the_grace_short() {
    let environment = TestEnvironment::new();
    environment.write(
        "w.yaml",
        manifest("templates:\n- {name: main, container: {image: b, command: [sh, -c, 'trap \"\" INT; echo up; while :; do sleep 0.1; done']}}"),
    );
    let mut child = Running::start(
        environment
            .command(&binary("run-local"))
            .args(["w.yaml", "--run-dir", "run", "--grace-period", "1h"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null()),
    );
    let log = environment.path().join("run/steps/w/log.txt");
    wait_until("the step runs", || {
        std::fs::read_to_string(&log).is_ok_and(|log| !log.is_empty())
    });
    signal("-INT", child.id());
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(
        child.try_wait().unwrap().is_none(),
        "one signal leaves the grace time"
    );
    signal("-INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn killed_itself_it_takes_its_step_along() {
    let environment = TestEnvironment::new();
    let (mut child, fled) = start_stubborn(&environment);
    let pids = environment.read("run/volumes/c/pids");
    let step = pids.trim().split(' ').nth(1).unwrap().parse().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the step is gone", || !is_running(step));
    signal("-KILL", fled);
}
