//! Signals end the build, and not only us.

use std::process::Stdio;
use std::time::{Duration, Instant};

use e2e::{Fault, Look, Running, text, wait_until};
use rustix::process::{Pid, Signal, kill_process};

use crate::site::Site;

fn start(site: &Site, args: &[&str]) -> Running {
    let mut command = site.build_command(args);
    Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
}

fn terminate(running: &Running) {
    let pid = Pid::from_raw(running.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

/// A build that works for as long as anybody looks.
fn endless() -> Vec<Look> {
    vec![Look::working("at work\n")]
}

#[test]
fn sigterm_cancels_the_build() {
    let site = Site::new([endless()]);
    let running = start(&site, &[]);
    wait_until("the build works", || site.cloud.statuses() == ["WORKING"]);
    terminate(&running);
    let output = running.wait_with_output();
    assert_eq!(output.status.code(), Some(143));
    assert_eq!(site.cloud.statuses(), ["CANCELLED"]);
    let log = text(&output.stderr);
    assert!(
        log.contains("build 00000000-0000-0000-0000-000000000001 was cancelled"),
        "{log}"
    );
}

/// A signal meets a start that the server has heard of and whose answer this fault holds up.
fn a_signal_during_the_start_cancels_it(fault: Fault) {
    let site = Site::new([endless()]);
    site.cloud.proxy().on(&["POST", "/builds HTTP"], [fault]);
    let running = start(&site, &[]);
    wait_until("the build is started", || site.cloud.started().len() == 1);
    terminate(&running);
    let output = running.wait_with_output();
    assert_eq!(output.status.code(), Some(143), "{}", text(&output.stderr));
    assert_eq!(site.cloud.statuses(), ["CANCELLED"]);
}

#[test]
fn a_build_that_is_just_being_started_is_cancelled_too() {
    // The answer comes, slowly.
    a_signal_during_the_start_cancels_it(Fault::Slow(3));
}

#[test]
fn a_start_whose_answer_does_not_come_is_looked_for_and_cancelled() {
    a_signal_during_the_start_cancels_it(Fault::StallAfter(1));
}

#[test]
fn a_signal_while_the_start_is_tried_again_starts_nothing() {
    let site = Site::new([endless()]);
    site.cloud.proxy().on(
        &["POST", "/builds HTTP"],
        std::iter::repeat_with(Fault::unavailable),
    );
    let running = start(&site, &[]);
    wait_until("it was tried", || {
        let asked = site.cloud.proxy().requests();
        asked.iter().any(|line| line.starts_with("POST"))
    });
    let asked = Instant::now();
    terminate(&running);
    let output = running.wait_with_output();
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(143), "{log}");
    assert!(asked.elapsed() < Duration::from_secs(15), "{log}");
    assert!(log.contains("interrupted: no build was started"), "{log}");
    assert!(site.cloud.started().is_empty());
}

#[test]
fn a_connection_that_is_refused_leaves_no_doubt() {
    let site = Site::new([]);
    site.env.write("c.yaml", "steps: [{name: a}]\n");
    let mut command = site.command(&["--config", "c.yaml", "--no-source", "--tag", "v1"]);
    command.env(
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD",
        "http://127.0.0.1:9",
    );
    let mut running = Running::start(command.stderr(Stdio::piped()));
    std::thread::sleep(Duration::from_secs(2));
    assert!(running.try_wait().unwrap().is_none(), "it goes on trying");
    terminate(&running);
    let output = running.wait_with_output();
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(143), "{log}");
    assert!(log.contains("interrupted: no build was started"), "{log}");
}

#[test]
fn a_cancellation_that_fails_says_that_the_build_may_go_on() {
    let site = Site::new([endless()]);
    site.cloud.proxy().on(
        &["POST", ":cancel"],
        std::iter::repeat_with(Fault::forbidden),
    );
    let running = start(&site, &[]);
    wait_until("the build works", || site.cloud.statuses() == ["WORKING"]);
    terminate(&running);
    let output = running.wait_with_output();
    assert_eq!(output.status.code(), Some(143));
    let log = text(&output.stderr);
    assert!(
        log.contains("may go on") && log.contains("https://console.cloud.google.com/"),
        "{log}"
    );
}

#[test]
fn a_signal_while_the_source_is_sent_starts_nothing() {
    let site = Site::new([]);
    site.store
        .proxy()
        .on(&["PUT", "upload"], [Fault::StallUploadAfter(10)]);
    let running = start(&site, &[]);
    wait_until("the upload is under way", || {
        site.store
            .proxy()
            .requests()
            .iter()
            .any(|line| line.starts_with("PUT"))
    });
    terminate(&running);
    let output = running.wait_with_output();
    assert_eq!(output.status.code(), Some(143));
    assert!(site.cloud.asked().is_empty());
}
