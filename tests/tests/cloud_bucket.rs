//! A job whose results go to Google Cloud Storage: what submit-e2e writes, and reads again for the
//! verdict.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute only, not their helpers"
)]

use std::process::Output;

use e2e::{Fault, ObjectStore, TestEnvironment, text};

const FOLDER: &str = "logs/e2e/7";

/// A repository whose one step leaves this JUnit file in the bucket by upload-artifacts.
fn repository(junit: &str) -> TestEnvironment {
    let test = TestEnvironment::new();
    let manifest = format!(
        "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {{generateName: e2e-}}
spec:
  entrypoint: unit
  templates:
  - name: unit
    script:
      image: alpine
      command: [sh]
      source: |
        mkdir out && echo '{junit}' > out/junit_unit.xml
        {} --artifacts-dir out --bucket gs://bucket
",
        e2e::binary("upload-artifacts").display()
    );
    test.write("src/o/r/test/e2e.yaml", manifest);
    let config = "workflows:\n- name: e2e\n  manifest: test/e2e.yaml\n";
    test.write("src/o/r/prow_config.yaml", config);
    test.git("src/o/r", &["init", "--quiet", "--initial-branch=main"]);
    test.git("src/o/r", &["add", "--all"]);
    test.git("src/o/r", &["commit", "--quiet", "-m", "base"]);
    test
}

fn submit(test: &TestEnvironment, store: &ObjectStore) -> Output {
    let variables = ["STORAGE_EMULATOR_HOST", "JOB_TYPE", "JOB_NAME", "BUILD_ID"];
    let pass = variables.map(|name| format!("--pass-env={name}"));
    let mut command = test.bin("submit-e2e");
    command
        .envs([("JOB_TYPE", "periodic"), ("JOB_NAME", "e2e")])
        .envs([("BUILD_ID", "7"), ("REPO_OWNER", "o"), ("REPO_NAME", "r")])
        .env("STORAGE_EMULATOR_HOST", store.url())
        .args(["run", "--engine=local", "--bucket=gs://bucket"])
        .args(pass)
        .arg("--repos-dir")
        .arg(test.path().join("src"))
        .arg("--run-dir")
        .arg(test.path().join("run"));
    command.output().unwrap()
}

fn read(store: &ObjectStore, name: &str) -> String {
    let content = store.read("bucket", &format!("{FOLDER}/{name}"));
    text(&content.unwrap())
}

#[test]
fn a_job_leaves_its_records_log_and_results_in_the_cloud() {
    let store = ObjectStore::start();
    store.make_bucket("bucket");
    store
        .proxy()
        .on(&["/upload/"], [Fault::unavailable(), Fault::lost_answer()]);
    let good = r#"<testsuite name="unit"><testcase name="adds"/></testsuite>"#;
    let output = submit(&repository(good), &store);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(read(&store, "started.json").contains("timestamp"));
    assert!(read(&store, "finished.json").contains("\"SUCCESS\""));
    assert!(read(&store, "artifacts/junit_unit.xml").contains("adds"));
    assert!(read(&store, "build-log.txt").contains("junit_unit.xml"));
    let latest = store.read("bucket", "logs/e2e/latest-build.txt");
    assert_eq!(latest.unwrap(), b"7");
}

#[test]
fn a_failure_in_the_clouds_junit_is_the_verdict() {
    let store = ObjectStore::start();
    store.make_bucket("bucket");
    // Longer than 1 KiB: stored compressed.
    let filler = "text ".repeat(500);
    let bad = format!(
        r#"<testsuite name="unit"><testcase name="adds"><failure>{filler}</failure></testcase></testsuite>"#
    );
    let output = submit(&repository(&bad), &store);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(read(&store, "finished.json").contains("\"FAILURE\""));
    assert!(text(&output.stderr).contains("adds"));
}
