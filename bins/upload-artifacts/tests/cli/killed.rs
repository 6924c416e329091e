//! What another run makes of what a killed one left in the bucket.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::support::{BUCKET, Bucket, JOB, assert_code};
use e2e::{Fault, Running, TestEnvironment, text, wait_until};

const SYNC: [&str; 3] = ["sync", "--artifacts-dir", "out"];

/// From here on files are sent in parts.
const LARGE: u64 = 256 * 1024 * 1024;

/// All of it is a hole, which takes no room on this machine's disk.
fn grow(file: &Path, size: u64) {
    let file = File::options().write(true).open(file).unwrap();
    file.set_len(size).unwrap();
}

fn objects(bucket: &Bucket) -> Vec<String> {
    let objects = bucket.object_store().objects(BUCKET, JOB);
    let names = objects.iter().map(|object| object.name().to_owned());
    names.collect()
}

/// Kills a run when all parts of its file are there.
fn kill_before_the_composition(bucket: &Bucket, environment: &TestEnvironment) {
    let proxy = bucket.object_store().proxy();
    let compositions = || {
        let requests = proxy.requests();
        requests
            .iter()
            .filter(|line| line.contains("/compose"))
            .count()
    };
    let before = compositions();
    proxy.on(&["/compose"], [Fault::StallUploadAfter(0)]);
    let mut running = Running::start(&mut bucket.command(environment, &SYNC));
    // Each is a wait of its own: a busy machine takes its time for so many bytes.
    for count in 1..=5 {
        let parts = || {
            objects(bucket)
                .iter()
                .filter(|name| name.contains("/.being-written-"))
                .count()
        };
        wait_until("the next part", || parts() >= count);
    }
    wait_until("the composition", || compositions() > before);
    running.kill().unwrap();
    running.wait().unwrap();
}

#[test]
fn parts_of_a_killed_upload_are_not_sent_again_and_none_of_them_stays() {
    let environment = TestEnvironment::new();
    let file = environment.write("out/core", "");
    grow(&file, LARGE + 1);
    let bucket = Bucket::store();
    kill_before_the_composition(&bucket, &environment);
    let parts = objects(&bucket);
    assert_eq!(parts.len(), 5, "{parts:?}");
    // One of what the file held before, which is of no use to anybody, and one of another file.
    let (of_object, _) = parts[0].rsplit_once('-').unwrap();
    let (of_object, _) = of_object.rsplit_once('-').unwrap();
    let (of_object, _) = of_object.rsplit_once('-').unwrap();
    let earlier = format!("{of_object}-00000000-7-00.part");
    let other = format!("{JOB}/artifacts/.being-written-00000000-00000000-7-00.part");
    for name in [&earlier, &other] {
        bucket.object_store().write(BUCKET, name, b"content");
    }

    let proxy = bucket.object_store().proxy();
    let seen = proxy.requests().len();
    assert_code(&bucket.run(&environment, &SYNC), 0);
    let requests = proxy.requests().split_off(seen);
    let sent = requests.iter().filter(|line| line.contains("/upload/"));
    assert_eq!(sent.count(), 0, "{requests:#?}");
    let whole = format!("{JOB}/artifacts/core");
    assert_eq!(objects(&bucket), [other, whole]);
    let size = bucket.object_store().objects(BUCKET, JOB)[1].size();
    assert_eq!(size, LARGE + 1);
}

#[test]
fn what_was_left_behind_a_day_ago_is_removed() {
    let environment = TestEnvironment::new();
    environment.write("out/a/b.txt", "b");
    let bucket = Bucket::folder(&environment);
    let folder = format!("bucket/{JOB}/artifacts/a");
    let new = environment.write(format!("{folder}/.being-written-1"), "new");
    let old = environment.write(format!("{folder}/.being-written-2"), "old");
    let day = Duration::from_hours(24);
    let file = File::options().write(true).open(&old).unwrap();
    file.set_modified(SystemTime::now() - day - day / 24)
        .unwrap();
    let output = bucket.run(&environment, &SYNC);
    assert_code(&output, 0);
    assert!(text(&output.stderr).contains("removed 1 leftovers"));
    assert!(new.exists());
    assert!(!old.exists());
}

#[test]
fn who_may_make_objects_only_copies_single_files_that_are_not_there() {
    let environment = TestEnvironment::new();
    environment.write("log", "a log");
    let bucket = Bucket::store();
    let proxy = bucket.object_store().proxy();
    // `roles/storage.objectCreator`: no look at objects, no other object in place of one.
    proxy.on(&["GET /storage/"], std::iter::repeat(Fault::forbidden()));
    let args = ["--job-file", "log"];
    assert_code(&bucket.run(&environment, &args), 0);
    assert_eq!(bucket.read("log").unwrap(), b"a log");
    let large = environment.write("large", "");
    grow(&large, LARGE);
    assert_code(&bucket.run(&environment, &["--job-file", "large"]), 0);
    assert_eq!(objects(&bucket).len(), 2);
    environment.write("log", "another log");
    let output = bucket.run(&environment, &args);
    assert_code(&output, 2);
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("needs roles/storage.objectUser"),
        "{stderr}"
    );
    assert_eq!(bucket.read("log").unwrap(), b"a log");
}
