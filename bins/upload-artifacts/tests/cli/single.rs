//! Single files: compared, bounded and named as those of the folder are.

use std::process::Stdio;

use crate::support::{BUCKET, Bucket, JOB, assert_code, terminate};
use e2e::{Fault, Running, TestEnvironment, text, wait_until};

/// How many uploads the store was asked for.
fn uploads(bucket: &Bucket) -> usize {
    let requests = bucket.object_store().proxy().requests();
    let uploads = requests.iter().filter(|line| line.contains("/upload/"));
    uploads.count()
}

#[test]
fn a_second_run_sends_only_what_changed() {
    let environment = TestEnvironment::new();
    for name in [
        "junit_a.xml",
        "build-log.txt",
        "clone-records.json",
        "x.dump",
    ] {
        environment.write(name, name);
    }
    let args = [
        "--file=junit_a.xml,x.dump",
        "--job-file=build-log.txt",
        "--records=clone-records.json",
        "--media-type=dump:application/x-dump",
    ];
    for bucket in Bucket::both(&environment) {
        environment.write("build-log.txt", "build-log.txt");
        assert_code(&bucket.run(&environment, &args), 0);
        let second = bucket.run(&environment, &args);
        assert_code(&second, 0);
        let stderr = text(&second.stderr);
        assert!(
            stderr.contains("copied 0 files (0 bytes), 4 unchanged"),
            "{stderr}"
        );
        environment.write("build-log.txt", "another");
        let third = bucket.run(&environment, &args);
        assert!(text(&third.stderr).contains("copied 1 file (7 bytes), 3 unchanged"));
        assert_eq!(bucket.read("build-log.txt").unwrap(), b"another");
        if let Bucket::Store(store) = &bucket {
            assert_eq!(uploads(&bucket), 5, "an object is replaced by one upload");
            let objects = store.objects(BUCKET, JOB);
            let dump = objects
                .iter()
                .find(|object| object.name().ends_with("x.dump"));
            assert_eq!(dump.unwrap().text("contentType"), "application/x-dump");
        }
    }
}

#[test]
fn a_followed_log_is_sent_once_for_each_time_that_it_grew() {
    let environment = TestEnvironment::new();
    let bucket = Bucket::store();
    let args = [
        "--watch=1s",
        "--follow-log=build-log.txt",
        "--until-file=done",
    ];
    for round in 1..=2 {
        environment.write("build-log.txt", format!("{round}\n"));
        let mut command = bucket.command(&environment, &args);
        let running = Running::start(command.stderr(Stdio::piped()));
        wait_until("the log is there", || {
            bucket.read("build-log.txt") == Some(format!("{round}\n").into_bytes())
        });
        environment.write("done", "");
        assert_code(&running.wait_with_output(), 0);
        std::fs::remove_file(environment.path().join("done")).unwrap();
        assert_eq!(uploads(&bucket), round);
    }
}

#[test]
fn a_followed_log_that_never_came_is_missing() {
    let environment = TestEnvironment::new();
    environment.write("done", "");
    let bucket = Bucket::folder(&environment);
    let args = ["--watch", "--follow-log=build-log.txt", "--until-file=done"];
    let output = bucket.run(&environment, &args);
    assert_code(&output, 75);
    let stderr = text(&output.stderr);
    assert!(
        stderr.lines().last().unwrap().ends_with(": build-log.txt"),
        "{stderr}"
    );
}

#[test]
fn two_files_of_one_name_are_refused() {
    let environment = TestEnvironment::new();
    environment.write("a/x.txt", "a");
    environment.write("b/x.txt", "b");
    environment.write("out/x.txt", "c");
    let bucket = Bucket::folder(&environment);
    let output = bucket.run(&environment, &["--file=a/x.txt,b/x.txt"]);
    assert_code(&output, 2);
    assert!(text(&output.stderr).contains("a/x.txt and b/x.txt would both become"));
    let output = bucket.run(&environment, &["--artifacts-dir=out", "--file=a/x.txt"]);
    assert_code(&output, 75);
    assert!(text(&output.stderr).contains("another file is already"));
    assert_eq!(bucket.read("artifacts/x.txt").unwrap(), b"a");
}

#[test]
fn delete_leaves_them() {
    let environment = TestEnvironment::new();
    environment.write("x.txt", "x");
    environment.write("out/a.txt", "a");
    for bucket in Bucket::both(&environment) {
        let args = ["--artifacts-dir=out", "--file=x.txt", "--delete"];
        for _ in 0..2 {
            assert_code(&bucket.run(&environment, &args), 0);
        }
        assert!(bucket.read("artifacts/x.txt").is_some());
    }
}

#[test]
fn sigterm_ends_one_that_is_stuck() {
    let environment = TestEnvironment::new();
    environment.write("stuck.txt", "x");
    let bucket = Bucket::store();
    let proxy = bucket.object_store().proxy();
    proxy.on(&["/upload/"], std::iter::repeat(Fault::StallUploadAfter(1)));
    let args = ["--file=stuck.txt", "--grace-period=1s"];
    let mut command = bucket.command(&environment, &args);
    let running = Running::start(command.stderr(Stdio::piped()));
    wait_until("the upload is under way", || uploads(&bucket) > 0);
    terminate(&running);
    let output = running.wait_with_output();
    assert_code(&output, 143);
    assert!(text(&output.stderr).trim_end().ends_with(": stuck.txt"));
}
