//! What servers and networks do to an upload, and what is left of it.

use std::process::Stdio;

use crate::support::{BUCKET, Bucket, JOB, assert_code};
use e2e::{Fault, Running, TestEnvironment, text, wait_until};
use rustix::process::{Pid, Signal, kill_process};

const SYNC: [&str; 1] = ["--artifacts-dir=out"];

const UPLOAD: &[&str] = &["POST /upload/"];

/// Bytes that do not compress, so that they are sent as they are.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut byte = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::once(0)
        .chain(std::iter::repeat_with(&mut byte))
        .take(size)
        .collect()
}

#[test]
fn what_passes_is_survived() {
    let environment = TestEnvironment::new();
    for number in 0..12 {
        environment.write(format!("out/{number}.txt"), format!("file {number}"));
    }
    let bucket = Bucket::store();
    let proxy = bucket.object_store().proxy();
    proxy.on(
        UPLOAD,
        [
            Fault::unavailable(),
            Fault::too_many_requests(1),
            Fault::Close,
            Fault::lost_answer(),
            Fault::CutUploadAfter(100),
            Fault::SlowUpload(20),
            Fault::CutAfter(40),
            Fault::Slow(10),
        ],
    );
    proxy.on(&["GET "], [Fault::unavailable(), Fault::CutAfter(60)]);
    let output = bucket.run(&environment, &SYNC);
    assert_code(&output, 0);
    for number in 0..12 {
        let content = bucket.read(&format!("artifacts/{number}.txt")).unwrap();
        assert_eq!(text(&content), format!("file {number}"));
    }
    // None was written twice: an answer that is lost is found out about.
    let second = bucket.run(&environment, &SYNC);
    assert!(
        text(&second.stderr).contains("copied 0 files"),
        "{}",
        text(&second.stderr)
    );
}

#[test]
fn a_large_file_goes_on_where_it_was_cut() {
    let environment = TestEnvironment::new();
    let content = noise(12 << 20);
    environment.write("out/large.bin", &content);
    let bucket = Bucket::store();
    let proxy = bucket.object_store().proxy();
    proxy.on(
        &["PUT /upload/"],
        [
            Fault::CutUploadAfter(5 << 20),
            Fault::unavailable(),
            Fault::lost_answer(),
        ],
    );
    let output = bucket.run(&environment, &SYNC);
    assert_code(&output, 0);
    assert!(bucket.read("artifacts/large.bin").unwrap() == content);
}

#[test]
fn an_upload_that_stalls_is_tried_again() {
    let environment = TestEnvironment::new();
    environment.write("out/a.txt", "a");
    let bucket = Bucket::store();
    let proxy = bucket.object_store().proxy();
    proxy.on(UPLOAD, [Fault::StallUploadAfter(1)]);
    let output = bucket.run(&environment, &SYNC);
    assert_code(&output, 0);
    assert_eq!(bucket.read("artifacts/a.txt").unwrap(), b"a");
}

#[test]
fn a_failure_that_stays_names_what_is_missing_and_the_others_are_there() {
    let environment = TestEnvironment::new();
    for name in ["a", "b", "c"] {
        environment.write(format!("out/{name}.txt"), name);
    }
    let bucket = Bucket::store();
    let proxy = bucket.object_store().proxy();
    proxy.on(UPLOAD, [Fault::forbidden()]);
    let output = bucket.run(&environment, &SYNC);
    let stderr = text(&output.stderr);
    assert_ne!(output.status.code(), Some(0), "{stderr}");
    let last = stderr.lines().find(|line| line.contains("missing in"));
    let last = last.expect("a line that says what is missing");
    let store = bucket.object_store();
    let there = store.objects(BUCKET, JOB);
    assert_eq!(there.len(), 2, "{stderr}");
    for name in ["a.txt", "b.txt", "c.txt"] {
        let is_there = there.iter().any(|object| object.name().ends_with(name));
        assert_eq!(last.contains(name), !is_there, "{stderr}");
    }
    assert!(stderr.contains(BUCKET), "{stderr}");
}

#[test]
fn sigterm_ends_a_stalled_upload_and_says_what_is_missing() {
    let environment = TestEnvironment::new();
    environment.write("out/a.txt", "a");
    let bucket = Bucket::store();
    let proxy = bucket.object_store().proxy();
    proxy.on(UPLOAD, std::iter::repeat(Fault::StallUploadAfter(1)));
    let mut command = bucket.command(&environment, &SYNC);
    let running = Running::start(command.arg("--grace-period=3s").stderr(Stdio::piped()));
    wait_until("an upload is under way", || {
        let requests = proxy.requests();
        requests.iter().any(|request| request.contains("/upload/"))
    });
    let pid = Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let output = running.wait_with_output();
    assert_code(&output, 143);
    let stderr = text(&output.stderr);
    let last = stderr.lines().last().unwrap();
    assert!(
        last.contains("1 file missing") && last.contains("a.txt"),
        "{stderr}"
    );
}

#[test]
fn sigterm_leaves_time_for_what_is_not_stuck() {
    let environment = TestEnvironment::new();
    for number in 0..100 {
        environment.write(format!("out/{number}.txt"), "x");
    }
    let bucket = Bucket::store();
    let proxy = bucket.object_store().proxy();
    proxy.on(UPLOAD, std::iter::repeat_n(Fault::StallUploadAfter(1), 8));
    let mut command = bucket.command(&environment, &SYNC);
    let running = Running::start(command.arg("--grace-period=3s").stderr(Stdio::piped()));
    wait_until("all uploads under way are stuck", || {
        let requests = proxy.requests();
        let uploads = requests
            .iter()
            .filter(|request| request.contains("/upload/"));
        uploads.count() >= 8
    });
    let pid = Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let output = running.wait_with_output();
    assert_code(&output, 143);
    let stderr = text(&output.stderr);
    assert!(
        stderr.lines().last().unwrap().contains("8 files missing"),
        "{stderr}"
    );
    assert_eq!(bucket.object_store().objects(BUCKET, JOB).len(), 92);
}

#[test]
fn the_verdict_is_written_after_everything_else_through_faults() {
    let environment = TestEnvironment::new();
    environment.write("out/junit_a.xml", "<testsuite/>");
    for bucket in Bucket::both(&environment) {
        if let Bucket::Store(store) = &bucket {
            store
                .proxy()
                .on(UPLOAD, [Fault::unavailable(), Fault::lost_answer()]);
        }
        assert_code(&bucket.run(&environment, &["started"]), 0);
        assert_code(&bucket.run(&environment, &SYNC), 0);
        assert_code(&bucket.run(&environment, &["finished", "--passed=true"]), 0);
        for name in ["started.json", "artifacts/junit_a.xml", "finished.json"] {
            assert!(bucket.read(name).is_some(), "{name}");
        }
        if let Bucket::Store(store) = &bucket {
            let objects = store.objects(BUCKET, JOB);
            let last = objects
                .iter()
                .max_by_key(|object| object.text("updated").to_owned());
            assert!(last.unwrap().name().ends_with("finished.json"));
        }
    }
}

#[test]
fn a_store_that_is_gone_is_unavailable() {
    let environment = TestEnvironment::new();
    environment.write("out/a.txt", "a");
    let bucket = Bucket::store();
    let proxy = bucket.object_store().proxy();
    proxy.on(
        &["/b/"],
        std::iter::repeat(Fault::Answer(
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
        )),
    );
    let output = bucket.run(&environment, &SYNC);
    assert_ne!(output.status.code(), Some(0));
    assert!(
        text(&output.stderr).contains("gs://bucket"),
        "{}",
        text(&output.stderr)
    );
}
