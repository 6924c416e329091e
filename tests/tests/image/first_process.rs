//! A program of the suite as the first process of a container: signals, orphans, zombies.

use std::time::{Duration, Instant};

use e2e::{text, wait_until};

use crate::docker::{Container, docker, printed, succeed};

#[test]
fn a_stop_reaches_the_command_and_ends_the_container_at_once() {
    let trap = "trap 'echo asked to end; exit 3' TERM; echo ready; while :; do sleep 0.1; done";
    let words = [
        "run-tests",
        "--junit=/tmp/junit.xml",
        "--",
        "sh",
        "-c",
        trap,
    ];
    let container = Container::start(&[], &words);
    wait_until("the command runs", || container.logs().contains("ready"));
    let started = Instant::now();
    succeed(&["stop", "--time=60", &container.0]);
    assert!(started.elapsed() < Duration::from_secs(30));
    assert!(
        container.logs().contains("asked to end"),
        "{}",
        container.logs()
    );
    let code = succeed(&["inspect", "--format={{.State.ExitCode}}", &container.0]);
    assert_eq!(code, "143");
}

#[test]
fn every_program_ends_by_a_signal_and_not_by_force() {
    // It would wait for an hour.
    let words = [
        "upload-artifacts",
        "sync",
        "--watch",
        "--until-file=/tmp/never",
    ];
    let flags = [
        "--env=JOB_NAME=j",
        "--env=JOB_TYPE=periodic",
        "--env=BUILD_ID=1",
    ];
    let folder = "--artifacts-dir=/usr/share/doc/test-worker";
    let more = [folder, "--bucket=file:///tmp/bucket"];
    let container = Container::start(&flags, &[&words[..], &more].concat());
    let state = || succeed(&["inspect", "--format={{.State.Status}}", &container.0]);
    wait_until("it runs", || {
        docker(&["exec", &container.0, "test", "-d", "/tmp/bucket"])
            .status
            .success()
            || state() != "running"
    });
    assert_eq!(state(), "running", "{}", container.logs());
    let started = Instant::now();
    succeed(&["stop", "--time=60", &container.0]);
    assert!(started.elapsed() < Duration::from_secs(30));
    let killed = succeed(&["inspect", "--format={{.State.ExitCode}}", &container.0]);
    assert_ne!(killed, "137");
}

#[test]
fn orphans_become_no_zombies() {
    let script = "i=0; while [ $i -lt 40 ]; do (setsid sleep 0.2 &); i=$((i+1)); done; echo left; \
                  while :; do sleep 0.1; done";
    let words = [
        "run-tests",
        "--junit=/tmp/junit.xml",
        "--",
        "sh",
        "-c",
        script,
    ];
    let container = Container::start(&[], &words);
    wait_until("the command runs", || container.logs().contains("left"));
    let count = "cat /proc/[0-9]*/stat 2>/dev/null | grep -c -E ' (Z|X) ' || true";
    let zombies = || text(&docker(&["exec", &container.0, "sh", "-c", count]).stdout);
    let sleeping = "cat /proc/[0-9]*/comm 2>/dev/null | grep -c sleep || true";
    let running = || text(&docker(&["exec", &container.0, "sh", "-c", sleeping]).stdout);
    // One of the loop is always there.
    wait_until("they end", || running().trim().parse::<u32>().unwrap() <= 1);
    wait_until("they are taken note of", || zombies().trim() == "0");
}

#[test]
fn a_command_gets_the_signals_as_they_are_by_default() {
    let words = [
        "run-tests",
        "--junit=/tmp/junit.xml",
        "--",
        "grep",
        "-E",
        "Sig(Blk|Ign)",
    ];
    let said = printed(&[], &[&words[..], &["/proc/self/status"]].concat());
    // The two above 31 are the C library's own: its posix_spawn has every child ignore them.
    for line in said.lines().filter(|line| line.starts_with("Sig")) {
        let mask = line.split_whitespace().last().unwrap();
        let mask = u64::from_str_radix(mask, 16).unwrap();
        assert_eq!(mask & 0x7fff_ffff, 0, "{said}");
    }
    assert!(said.contains("SigIgn"), "{said}");
}
