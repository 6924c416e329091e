//! `--watch` and `--follow-log`: what is written while it runs is in the bucket soon.

use std::fs::File;
use std::io::Write;
use std::process::{Output, Stdio};

use crate::support::{Bucket, assert_code};
use e2e::{Running, TestEnvironment, text, wait_until};
use rustix::process::{Pid, Signal, kill_process};

fn start(bucket: &Bucket, environment: &TestEnvironment, args: &[&str]) -> Running {
    let args = [&["--artifacts-dir=out", "--watch=1s"], args].concat();
    let mut command = bucket.command(environment, &args);
    Running::start(command.stderr(Stdio::piped()))
}

fn terminate(running: Running) -> Output {
    let pid = Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    running.wait_with_output()
}

fn wait_for(bucket: &Bucket, name: &str, content: &str) {
    wait_until(name, || {
        bucket.read(name).as_deref() == Some(content.as_bytes())
    });
}

#[test]
fn what_changes_is_copied_and_sigterm_copies_a_last_time() {
    for kind in [Bucket::folder, |_: &TestEnvironment| Bucket::store()] {
        let environment = TestEnvironment::new();
        let bucket = kind(&environment);
        environment.write("out/a.txt", "one");
        let running = start(&bucket, &environment, &[]);
        wait_for(&bucket, "artifacts/a.txt", "one");
        environment.write("out/a.txt", "two");
        environment.write("out/deep/b.txt", "b");
        wait_for(&bucket, "artifacts/a.txt", "two");
        wait_for(&bucket, "artifacts/deep/b.txt", "b");
        environment.write("out/last.txt", "just before the end");
        let output = terminate(running);
        assert_code(&output, 0);
        let last = bucket.read("artifacts/last.txt").unwrap();
        assert_eq!(text(&last), "just before the end");
        let stderr = text(&output.stderr);
        // A file that changes while it is being copied is copied anew and counts once.
        let counts = ["copied 3 files", "copied 4 files"];
        assert!(
            counts.iter().any(|count| stderr.contains(count)),
            "{stderr}"
        );
    }
}

#[test]
fn a_growing_log_is_followed_and_censored() {
    for kind in [Bucket::folder, |_: &TestEnvironment| Bucket::store()] {
        let environment = TestEnvironment::new();
        let bucket = kind(&environment);
        std::fs::create_dir(environment.path().join("out")).unwrap();
        environment.write("secrets/password", "correct-horse");
        let args = ["--follow-log=build-log.txt", "--secrets-dir=secrets"];
        let running = start(&bucket, &environment, &args);
        let path = environment.write("build-log.txt", "one\n");
        wait_for(&bucket, "build-log.txt", "one\n");
        let mut log = File::options().append(true).open(path).unwrap();
        log.write_all(b"with correct-").unwrap();
        wait_until("the log has grown", || {
            bucket
                .read("build-log.txt")
                .is_some_and(|log| log.len() > 4)
        });
        log.write_all(b"horse\n").unwrap();
        let output = terminate(running);
        assert_code(&output, 0);
        let shown = bucket.read("build-log.txt").unwrap();
        assert_eq!(text(&shown), "one\nwith XXXXXXXXXXXXX\n");
    }
}

#[test]
fn it_waits_for_the_folder_and_ends_with_the_file() {
    for kind in [Bucket::folder, |_: &TestEnvironment| Bucket::store()] {
        let environment = TestEnvironment::new();
        let bucket = kind(&environment);
        let running = start(&bucket, &environment, &["--until-file=done"]);
        environment.write("out/a.txt", "a");
        wait_for(&bucket, "artifacts/a.txt", "a");
        environment.write("out/b.txt", "b");
        environment.write("done", "");
        let output = running.wait_with_output();
        assert_code(&output, 0);
        assert_eq!(bucket.read("artifacts/b.txt").unwrap(), b"b");
    }
}

#[test]
fn a_folder_that_never_came_is_said() {
    let environment = TestEnvironment::new();
    environment.write("done", "");
    for bucket in Bucket::both(&environment) {
        let output = start(&bucket, &environment, &["--until-file=done"]).wait_with_output();
        assert_code(&output, 2);
        assert!(text(&output.stderr).contains("does not exist"));
    }
}

#[test]
fn a_watched_folder_that_vanishes_is_no_wrong_usage_and_may_come_back() {
    let environment = TestEnvironment::new();
    let bucket = Bucket::folder(&environment);
    let running = start(&bucket, &environment, &["--until-file=done"]);
    for (name, object) in [
        ("out/a.txt", "artifacts/a.txt"),
        ("out/b.txt", "artifacts/b.txt"),
    ] {
        environment.write(name, name);
        wait_for(&bucket, object, name);
        std::fs::remove_dir_all(environment.path().join("out")).unwrap();
    }
    environment.write("done", "");
    let output = running.wait_with_output();
    assert_code(&output, 75);
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("ERROR copy a last time: the folder has vanished"),
        "{stderr}"
    );
    assert!(!stderr.contains("does not exist"), "{stderr}");
}

#[test]
fn a_pass_that_fails_is_made_up_for() {
    let environment = TestEnvironment::new();
    let bucket = Bucket::folder(&environment);
    environment.write("out/a.txt", "a");
    // A file where the bucket's folder is to be.
    environment.write("bucket", "");
    let mut running = start(&bucket, &environment, &["--until-file=done"]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(running.try_wait().unwrap().is_none(), "it goes on");
    std::fs::remove_file(environment.path().join("bucket")).unwrap();
    wait_for(&bucket, "artifacts/a.txt", "a");
    environment.write("done", "");
    assert_code(&running.wait_with_output(), 0);
}
