//! What a pass says while it lasts, and how it ends early.

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Bucket, assert_code, terminate};
use e2e::{Fault, Running, TestEnvironment, text, wait_until};

fn wait_for_uploads(bucket: &Bucket, count: usize) {
    wait_until("uploads are under way", || {
        let requests = bucket.object_store().proxy().requests();
        let uploads = requests.iter().filter(|line| line.contains("/upload/"));
        uploads.count() >= count
    });
}

#[test]
fn a_log_has_a_line_now_and_then_that_counts_the_bytes_of_a_large_file() {
    let environment = TestEnvironment::new();
    let large = environment.write("out/large.bin", "");
    File::options()
        .write(true)
        .open(large)
        .unwrap()
        .set_len(64 << 20)
        .unwrap();
    let bucket = Bucket::store();
    let proxy = bucket.object_store().proxy();
    proxy.on(&["PUT /upload/"], [Fault::SlowUpload(20_000)]);
    let log = environment.write("log", "");
    let mut command = bucket.command(&environment, &["--artifacts-dir=out"]);
    let running = Running::start(command.stderr(File::create(&log).unwrap()));
    let said = || {
        let log = std::fs::read_to_string(&log).unwrap();
        let line = log
            .lines()
            .find(|line| line.contains(" MiB of 64.00 MiB, "));
        line.map(str::to_owned)
    };
    wait_until("a line", || said().is_some());
    let line = said().unwrap();
    assert!(line.contains("0 of 1 file, "), "{line}");
    assert!(
        line.contains("MiB/s, ") && line.ends_with(" left"),
        "{line}"
    );
    drop(running);
}

#[test]
fn a_folder_that_vanishes_as_a_whole_is_no_success() {
    let environment = TestEnvironment::new();
    for number in 0..300 {
        environment.write(format!("out/{number}.txt"), "x");
    }
    let bucket = Bucket::store();
    let proxy = bucket.object_store().proxy();
    proxy.on(&["/upload/"], std::iter::repeat_n(Fault::unavailable(), 16));
    let mut command = bucket.command(&environment, &["--artifacts-dir=out"]);
    let running = Running::start(command.stderr(Stdio::piped()));
    wait_for_uploads(&bucket, 1);
    std::fs::remove_dir_all(environment.path().join("out")).unwrap();
    let output = running.wait_with_output();
    assert_code(&output, 75);
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("the folder out vanished while it was copied"),
        "{stderr}"
    );
}

#[test]
fn no_grace_is_spent_on_looking_at_a_large_folder() {
    let environment = TestEnvironment::new();
    for number in 0..1000 {
        environment.write(format!("out/{number}.txt"), "x");
    }
    let bucket = Bucket::store();
    let proxy = bucket.object_store().proxy();
    proxy.on(&["/upload/"], std::iter::repeat(Fault::StallUploadAfter(1)));
    let args = ["--artifacts-dir=out", "--grace-period=0s"];
    let mut command = bucket.command(&environment, &args);
    let running = Running::start(command.stderr(Stdio::piped()));
    wait_for_uploads(&bucket, 1);
    terminate(&running);
    let output = running.wait_with_output();
    assert_code(&output, 143);
    let stderr = text(&output.stderr);
    let last = stderr.lines().last().unwrap();
    assert!(last.contains("interrupted; at least "), "{last}");
    assert!(last.contains("and not all were looked at"), "{last}");
}

#[test]
fn a_watch_whose_uploads_are_stuck_begins_anew_when_it_is_asked_to_end() {
    let environment = TestEnvironment::new();
    for number in 0..100 {
        environment.write(format!("out/{number}.bin"), "x");
    }
    let bucket = Bucket::store();
    let proxy = bucket.object_store().proxy();
    proxy.on(
        &["/upload/"],
        std::iter::repeat_n(Fault::StallUploadAfter(1), 16),
    );
    let args = ["--artifacts-dir=out", "--watch=1s"];
    let mut command = bucket.command(&environment, &args);
    let running = Running::start(command.stderr(Stdio::piped()));
    wait_for_uploads(&bucket, 16);
    environment.write("out/junit_z.xml", "<testsuite/>");
    terminate(&running);
    let output = running.wait_with_output();
    assert_code(&output, 0);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("copied 101 files"), "{stderr}");
    assert!(bucket.read("artifacts/junit_z.xml").is_some(), "{stderr}");
}

#[test]
fn a_watch_that_stays_stuck_ends_with_the_grace_period_and_names_what_is_missing() {
    let environment = TestEnvironment::new();
    environment.write("out/a.txt", "a");
    let bucket = Bucket::store();
    let proxy = bucket.object_store().proxy();
    proxy.on(&["/upload/"], std::iter::repeat(Fault::StallUploadAfter(1)));
    let args = ["--artifacts-dir=out", "--watch=1s", "--grace-period=1s"];
    let mut command = bucket.command(&environment, &args);
    let running = Running::start(command.stderr(Stdio::piped()));
    wait_for_uploads(&bucket, 1);
    terminate(&running);
    let output = running.wait_with_output();
    assert_code(&output, 143);
    let stderr = text(&output.stderr);
    assert!(
        stderr.trim_end().ends_with(
            "interrupted; 1 file missing in gs://bucket/pr-logs/pull/o_r/12/e2e/7/artifacts: a.txt"
        ),
        "{stderr}"
    );
}

#[test]
fn a_record_that_cannot_be_written_is_given_up_soon_after_sigterm() {
    let environment = TestEnvironment::new();
    for args in [
        &["started"][..],
        &["pr-symlink"],
        &["latest-build"],
        &["finished", "--passed=true", "--grace-period=2s"],
    ] {
        let bucket = Bucket::store();
        let proxy = bucket.object_store().proxy();
        proxy.on(&["/upload/"], std::iter::repeat(Fault::unavailable()));
        let mut command = bucket.command(&environment, args);
        let running = Running::start(command.stderr(Stdio::piped()));
        wait_for_uploads(&bucket, 1);
        let start = Instant::now();
        terminate(&running);
        let output = running.wait_with_output();
        assert!(start.elapsed() < Duration::from_secs(30), "{args:?}");
        assert_code(&output, 143);
        let stderr = text(&output.stderr);
        assert!(stderr.contains("write gs://bucket/"), "{args:?}: {stderr}");
    }
}
