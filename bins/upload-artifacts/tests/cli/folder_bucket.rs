//! upload-artifacts through the built binary: its command line, and where things go.

use std::fs;
use std::process::Command;

use crate::support::folder::{artifacts, bucket_url, last_line, sync, tree};
use crate::support::{JOB, assert_code};
use e2e::{TestEnvironment, text};

/// The binary in the environment of a presubmit.
fn command_with(environment: &TestEnvironment, args: &[&str]) -> Command {
    let mut command = crate::support::command(environment);
    command.args(args);
    command
}

#[test]
fn help_has_examples() {
    let environment = TestEnvironment::new();
    for args in [&["--help"][..], &["sync", "--help"]] {
        let output = command_with(&environment, args).output().unwrap();
        assert_code(&output, 0);
        assert!(text(&output.stdout).contains("EXAMPLES:"));
    }
    let output = command_with(&environment, &["--version"]).output().unwrap();
    assert!(text(&output.stdout).starts_with("upload-artifacts "));
}

#[test]
fn a_sync_copies_the_folder_and_a_second_one_finds_nothing_to_do() {
    let environment = TestEnvironment::new();
    environment.write("out/junit_x.xml", "<testsuite/>");
    environment.write("out/deep/er/log.txt", "log");
    environment.write("out/empty", "");
    let first = sync(&environment, &[]);
    let shown = environment.snapshot(&first);
    let (slowest, others): (Vec<_>, Vec<_>) = shown
        .lines()
        .partition(|line| line.contains("the slowest: "));
    assert_eq!(slowest.len(), 1, "{shown}");
    insta::assert_snapshot!(others.join("\n"), @r"
    status: 0
    ----- stdout
    ----- stderr
    [TIME] INFO  copied 3 files (15 bytes), 0 unchanged, 0 skipped to file://[ROOT]/bucket/pr-logs/pull/o_r/12/e2e/7/artifacts
    ");
    let expected = ["deep/er/log.txt", "empty", "junit_x.xml"];
    assert_eq!(tree(&artifacts(&environment)), expected);
    assert_eq!(
        environment.read(format!("bucket/{JOB}/artifacts/deep/er/log.txt")),
        "log"
    );
    let second = sync(&environment, &[]);
    assert!(last_line(&second).contains("copied 0 files (0 bytes), 3 unchanged"));
    // The same size: only the content tells.
    environment.write("out/deep/er/log.txt", "LOG");
    let third = sync(&environment, &[]);
    assert!(last_line(&third).contains("copied 1 file (3 bytes), 2 unchanged"));
    assert_eq!(
        environment.read(format!("bucket/{JOB}/artifacts/deep/er/log.txt")),
        "LOG"
    );
}

#[test]
fn the_record_of_the_checkout_goes_beside_the_artifacts() {
    let environment = TestEnvironment::new();
    environment.write("out/a.txt", "a");
    environment.write("records.json", "[]");
    let output = sync(&environment, &["--records", "records.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let record = artifacts(&environment).with_file_name("clone-records.json");
    assert_eq!(fs::read_to_string(record).unwrap(), "[]");
    assert_eq!(tree(&artifacts(&environment)), ["a.txt"]);

    fs::remove_dir_all(artifacts(&environment).parent().unwrap()).unwrap();
    fs::rename(
        environment.path().join("out"),
        environment.path().join("gone"),
    )
    .unwrap();
    let no_artifacts = sync(&environment, &["--records", "records.json"]);
    assert_eq!(no_artifacts.status.code(), Some(2));
    let record = artifacts(&environment).with_file_name("clone-records.json");
    assert!(record.exists(), "a failed checkout leaves its record");

    environment.write("out/a.txt", "a");
    let missing = sync(&environment, &["--records", "nothing.json"]);
    assert_eq!(missing.status.code(), Some(75));
    assert!(
        last_line(&missing).contains("nothing.json"),
        "{}",
        last_line(&missing)
    );
}

#[test]
fn sync_is_the_default_subcommand_and_the_folder_can_come_from_the_environment() {
    let environment = TestEnvironment::new();
    environment.write("out/a", "a");
    let url = bucket_url(&environment);
    let explicit = command_with(&environment, &["sync", "--bucket", &url])
        .env("ARTIFACTS", "out")
        .output()
        .unwrap();
    assert_code(&explicit, 0);
    let implicit = command_with(&environment, &["--bucket", &url])
        .env("ARTIFACTS", "out")
        .output()
        .unwrap();
    assert!(last_line(&implicit).contains("1 unchanged"));
    // The flag of the default subcommand must not stand in the way of the others.
    let other = command_with(&environment, &["latest-build", "--bucket", &url])
        .env("ARTIFACTS", "out")
        .output()
        .unwrap();
    assert_code(&other, 0);
    let snake_case = command_with(
        &environment,
        &["--artifacts_dir=out", "--sub_dir=s", "--bucket", &url],
    )
    .output()
    .unwrap();
    assert_code(&snake_case, 0);
    assert_eq!(tree(&artifacts(&environment)), ["a", "s/a"]);
}

#[test]
fn wrong_usage_is_told_apart() {
    let environment = TestEnvironment::new();
    environment.write("out/a", "a");
    environment.write("file", "");
    let url = bucket_url(&environment);
    let inside = format!("file://{}/out/bucket", environment.path().display());
    for (args, reason) in [
        (
            vec!["--artifacts-dir", "ou", "--bucket", &url],
            "does not exist",
        ),
        (
            vec!["--artifacts-dir", "file", "--bucket", &url],
            "is not a folder",
        ),
        (
            vec!["--artifacts-dir", "out", "--bucket", &inside],
            "itself",
        ),
        (vec!["--artifacts-dir", "out"], "--bucket"),
        (vec!["--bucket", &url], "--artifacts-dir"),
        (
            vec!["--artifacts-dir", "out", "--bucket", "gs://b"],
            "3 to 222 characters",
        ),
        (
            vec!["--artifacts-dir", "out", "--bucket", "gs://bucket/logs"],
            "the name only",
        ),
        (
            vec!["--artifacts-dir", "out", "--bucket", "bucket"],
            "is not a bucket's URL",
        ),
        (
            vec!["--artifacts-dir", "out", "--bucket", &url, "--suffix", "/x"],
            "--suffix",
        ),
        (
            vec![
                "--artifacts-dir",
                "out",
                "--bucket",
                &url,
                "--sub-dir",
                "../x",
            ],
            "leaves its folder",
        ),
        (vec!["finished", "--bucket", &url], "--result"),
        (
            vec!["finished", "--bucket", &url, "--result", "GOOD"],
            "GOOD",
        ),
    ] {
        let output = command_with(&environment, &args).output().unwrap();
        assert_code(&output, 2);
        let stderr = text(&output.stderr);
        assert!(stderr.contains(reason), "{args:?}\n{stderr}");
    }
    assert!(!environment.path().join("bucket").exists());
}

#[test]
fn a_commit_that_is_none_is_told_with_its_variable() {
    let environment = TestEnvironment::new();
    let output = command_with(&environment, &["started", "--bucket", "gs://bucket"])
        .env("PULL_BASE_SHA", "aaa")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = text(&output.stderr);
    let expected = "PULL_BASE_SHA (in JOB_SPEC: base_sha) \"aaa\" is not a commit id";
    assert!(stderr.contains(expected), "{stderr}");
}

#[test]
fn a_run_without_a_job_is_wrong_usage() {
    let environment = TestEnvironment::new();
    environment.write("out/a", "a");
    let url = bucket_url(&environment);
    let args = ["--artifacts-dir", "out", "--bucket", &url];
    let output = command_with(&environment, &args)
        .env("JOB_TYPE", "")
        .output()
        .unwrap();
    assert_code(&output, 2);
    assert!(text(&output.stderr).contains("JOB_SPEC"));
    let output = command_with(&environment, &args)
        .env("BUILD_ID", "")
        .output()
        .unwrap();
    assert_code(&output, 2);
    assert!(text(&output.stderr).contains("BUILD_ID"));
}

#[test]
fn a_log_setting_that_there_is_not_is_told_and_does_not_end_the_program_in_silence() {
    let test = TestEnvironment::new();
    for (variable, expected) in [
        ("LOG_FORMAT", "LOG_FORMAT is \"loud\": use text or json"),
        (
            "LOG_LEVEL",
            "LOG_LEVEL is \"loud\": use error, warn, info or debug",
        ),
    ] {
        let output = command_with(&test, &["started"])
            .env(variable, "loud")
            .output()
            .unwrap();
        assert_code(&output, 2);
        assert!(text(&output.stderr).contains(expected), "{output:?}");
    }
}

#[test]
fn a_wrong_command_line_is_json_where_the_log_is() {
    let test = TestEnvironment::new();
    let output = command_with(&test, &["started", "--nope"])
        .env("LOG_FORMAT", "json")
        .output()
        .unwrap();
    assert_code(&output, 2);
    let line: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(line["severity"], "ERROR");
    let message = line["message"].as_str().unwrap();
    assert!(message.starts_with("unexpected argument '--nope' found"));
}

#[test]
fn the_records_have_their_place_and_shape() {
    let environment = TestEnvironment::new();
    let url = bucket_url(&environment);
    let folder = "bucket/pr-logs/pull/o_r/12/e2e/7";
    for args in [
        &["pr-symlink"][..],
        &["latest-build"],
        &["started"],
        &["finished", "--result", "aborted"],
    ] {
        let mut command = command_with(&environment, args);
        assert_code(&command.args(["--bucket", &url]).output().unwrap(), 0);
    }
    assert_eq!(
        tree(&environment.path().join("bucket")),
        [
            "pr-logs/directory/e2e/7.txt",
            "pr-logs/directory/e2e/latest-build.txt",
            "pr-logs/pull/o_r/12/e2e/7/finished.json",
            "pr-logs/pull/o_r/12/e2e/7/started.json",
            "pr-logs/pull/o_r/12/e2e/latest-build.txt",
        ]
    );
    let link = environment.read("bucket/pr-logs/directory/e2e/7.txt");
    assert_eq!(link, format!("{url}/pr-logs/pull/o_r/12/e2e/7"));
    let latest = environment.read("bucket/pr-logs/directory/e2e/latest-build.txt");
    assert_eq!(latest, "7");
    let record = |name: &str| -> serde_json::Value {
        serde_json::from_str(&environment.read(format!("{folder}/{name}"))).unwrap()
    };
    let started = record("started.json");
    assert!(started["timestamp"].as_u64().unwrap() > 1_700_000_000);
    assert_eq!(started["pull"], "12");
    assert_eq!(started["repos"]["o/r"], "main:aaaa,12:bbbb");
    assert_eq!(started["repo-commit"], "bbbb");
    let finished = record("finished.json");
    assert_eq!(finished["result"], "ABORTED");
    assert_eq!(finished["passed"], false);
    let args = ["finished", "--passed=true", "--bucket", &url];
    assert_code(&command_with(&environment, &args).output().unwrap(), 0);
    assert_eq!(record("finished.json")["result"], "SUCCESS");
}

#[test]
fn a_job_without_pull_request_has_no_link_to_write() {
    let environment = TestEnvironment::new();
    let url = bucket_url(&environment);
    let output = command_with(&environment, &["pr-symlink", "--bucket", &url])
        .env("JOB_TYPE", "postsubmit")
        .output()
        .unwrap();
    assert_code(&output, 0);
    assert!(last_line(&output).contains("nothing to write"));
    assert!(!environment.path().join("bucket").exists());
}

#[test]
fn a_postsubmit_lies_where_the_layout_says() {
    let environment = TestEnvironment::new();
    environment.write("out/a", "a");
    let url = bucket_url(&environment);
    for layout in ["prow", "kubeflow"] {
        let args = ["--artifacts-dir=out", "--bucket", &url, "--layout", layout];
        let output = command_with(&environment, &args)
            .env("JOB_TYPE", "postsubmit")
            .output()
            .unwrap();
        assert_code(&output, 0);
    }
    assert_eq!(
        tree(&environment.path().join("bucket")),
        ["logs/e2e/7/artifacts/a", "logs/o_r/e2e/7/artifacts/a"]
    );
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let environment = TestEnvironment::new();
    environment.write("out/junit\n.xml", "");
    let output = sync(&environment, &["--dry-run", "--suffix=-a"]);
    insta::assert_snapshot!(environment.snapshot(&output), @r"
    status: 0
    ----- stdout
    copy what changed in out to file://[ROOT]/bucket/pr-logs/pull/o_r/12/e2e/7/artifacts
    junit\n.xml -> pr-logs/pull/o_r/12/e2e/7/artifacts/junit%0A-a.xml
    ----- stderr
    ");
    let url = bucket_url(&environment);
    let dry_run = |args: &[&str]| {
        let output = command_with(&environment, args)
            .args(["--dry-run", "--bucket", &url])
            .output()
            .unwrap();
        environment.snapshot(&output)
    };
    insta::assert_snapshot!(dry_run(&["pr-symlink"]), @r"
    status: 0
    ----- stdout
    write file://[ROOT]/bucket/pr-logs/directory/e2e/7.txt:
        file://[ROOT]/bucket/pr-logs/pull/o_r/12/e2e/7
    ----- stderr
    ");
    insta::assert_snapshot!(dry_run(&["latest-build"]), @r"
    status: 0
    ----- stdout
    write file://[ROOT]/bucket/pr-logs/directory/e2e/latest-build.txt:
        7
    write file://[ROOT]/bucket/pr-logs/pull/o_r/12/e2e/latest-build.txt:
        7
    ----- stderr
    ");
    assert!(dry_run(&["started"]).contains("/7/started.json:\n    {\n      \"timestamp\": "));
    assert!(dry_run(&["finished", "--passed=false"]).contains("\"result\": \"FAILURE\""));
    assert!(!environment.path().join("bucket").exists());
}

#[test]
fn a_dry_run_refuses_what_the_run_would() {
    let environment = TestEnvironment::new();
    environment.write("out/a", "a");
    let inside = format!("file://{}/out/bucket", environment.path().display());
    for args in [
        ["--artifacts-dir", "out", "--bucket", &inside, "--dry-run"],
        [
            "--artifacts-dir",
            "ou",
            "--bucket",
            "file:///b",
            "--dry-run",
        ],
    ] {
        assert_code(&command_with(&environment, &args).output().unwrap(), 2);
    }
}
