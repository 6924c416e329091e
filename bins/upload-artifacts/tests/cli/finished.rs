//! The verdict, and what is missing when it is written.

use crate::support::{Bucket, assert_code};
use e2e::{Fault, TestEnvironment, text};
use serde_json::Value;

fn verdict(bucket: &Bucket) -> Value {
    let record = bucket.read("finished.json").expect("a verdict");
    serde_json::from_slice(&record).expect("a record")
}

const FINISHED: [&str; 3] = ["finished", "--passed=true", "--artifacts-dir=out"];

#[test]
fn what_is_not_in_the_bucket_yet_comes_first() {
    let environment = TestEnvironment::new();
    environment.write("out/junit_a.xml", "<testsuite/>");
    environment.write("build-log.txt", "log");
    for bucket in Bucket::both(&environment) {
        let args = [&FINISHED[..], &["--job-file=build-log.txt"]].concat();
        assert_code(&bucket.run(&environment, &args), 0);
        assert!(bucket.read("artifacts/junit_a.xml").is_some());
        assert!(bucket.read("build-log.txt").is_some());
        let verdict = verdict(&bucket);
        assert_eq!(verdict["result"], "SUCCESS");
        assert_eq!(verdict["metadata"].get("missing-artifacts"), None);
    }
}

#[test]
fn what_cannot_be_copied_is_named_in_it_and_a_second_try_makes_it_good() {
    let environment = TestEnvironment::new();
    environment.write("out/a.txt", "a");
    environment.write("out/b.txt", "b");
    let bucket = Bucket::store();
    let proxy = bucket.object_store().proxy();
    proxy.on(&["POST /upload/"], [Fault::forbidden()]);
    let output = bucket.run(&environment, &FINISHED);
    assert_code(&output, 2);
    let missing = verdict(&bucket)["metadata"]["missing-artifacts"].clone();
    let missing = missing.as_str().unwrap();
    assert!(
        missing.starts_with("1 file missing in gs://bucket/"),
        "{missing}"
    );
    assert!(missing.contains("/artifacts: "), "{missing}");
    assert!(text(&output.stderr).contains(missing));

    assert_code(&bucket.run(&environment, &FINISHED), 0);
    assert_eq!(verdict(&bucket)["metadata"].get("missing-artifacts"), None);
}

#[test]
fn it_is_written_where_there_is_no_folder() {
    let environment = TestEnvironment::new();
    let bucket = Bucket::folder(&environment);
    let args = ["finished", "--result=FAILURE", "--artifacts-dir=none"];
    assert_code(&bucket.run(&environment, &args), 2);
    let verdict = verdict(&bucket);
    assert_eq!(verdict["result"], "FAILURE");
    let missing = verdict["metadata"]["missing-artifacts"].to_string();
    assert!(
        missing.contains("the folder none does not exist"),
        "{missing}"
    );
}

#[test]
fn without_files_to_look_at_the_environment_adds_none() {
    let environment = TestEnvironment::new();
    environment.write("out/a.txt", "a");
    let bucket = Bucket::folder(&environment);
    let mut command = bucket.command(&environment, &["finished", "--passed=true"]);
    let output = command.env("ARTIFACTS", "out").output().unwrap();
    assert_code(&output, 0);
    assert_eq!(bucket.read("artifacts/a.txt"), None);
    let args = [&FINISHED[..], &["--dry-run"]].concat();
    let output = bucket.run(&environment, &args);
    assert_code(&output, 0);
    let plan = text(&output.stdout);
    assert!(
        plan.contains("a.txt ->") && plan.contains("finished.json:"),
        "{plan}"
    );
    assert_eq!(bucket.read("artifacts/a.txt"), None);
}
