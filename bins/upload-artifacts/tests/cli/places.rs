//! Single files, and where they and all else lie.

use crate::support::{Bucket, assert_code};
use e2e::{TestEnvironment, text};

#[test]
fn single_files_go_to_the_artifacts_or_beside_them() {
    let environment = TestEnvironment::new();
    environment.write("here/junit_a.xml", "<testsuite/>");
    environment.write("build-log.txt", "log");
    let args = [
        "--file=here/junit_a.xml",
        "--job-file=build-log.txt",
        "--suffix=-x",
        "--sub-dir=s",
    ];
    for bucket in Bucket::both(&environment) {
        assert_code(&bucket.run(&environment, &args), 0);
        assert_eq!(
            bucket.read("artifacts/s/junit_a-x.xml").unwrap(),
            b"<testsuite/>"
        );
        assert_eq!(bucket.read("build-log.txt").unwrap(), b"log");
    }
    let bucket = Bucket::folder(&environment);
    let missing = bucket.run(&environment, &["--file=gone.txt,build-log.txt"]);
    assert_code(&missing, 75);
    let stderr = text(&missing.stderr);
    assert!(
        stderr.lines().last().unwrap().contains("1 file missing"),
        "{stderr}"
    );
    assert!(bucket.read("artifacts/build-log.txt").is_some());
}

#[test]
fn a_fifo_in_place_of_a_file_is_not_waited_for() {
    let environment = TestEnvironment::new();
    let fifo = environment.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
    let bucket = Bucket::folder(&environment);
    assert_code(&bucket.run(&environment, &["--file=fifo"]), 75);
}

#[test]
fn repositories_are_named_as_the_path_strategy_has_it() {
    for (args, folder) in [
        (
            &["--path-strategy=explicit"][..],
            "pr-logs/pull/o_r/12/e2e/7",
        ),
        (
            &[
                "--path-strategy=single",
                "--default-org=o",
                "--default-repo=r",
            ],
            "pr-logs/pull/12/e2e/7",
        ),
        (
            &[
                "--path_strategy=legacy",
                "--default_org=o",
                "--default_repo=x",
            ],
            "pr-logs/pull/r/12/e2e/7",
        ),
    ] {
        let environment = TestEnvironment::new();
        environment.write("a.txt", "a");
        let bucket = Bucket::folder(&environment);
        let sync = [&["--file=a.txt"], args].concat();
        assert_code(&bucket.run(&environment, &sync), 0);
        let artifact = format!("{folder}/artifacts/a.txt");
        assert!(bucket.read_at(&artifact).is_some(), "{artifact}");
        for command in ["started", "finished", "pr-symlink", "latest-build"] {
            let mut args = [&[command], args].concat();
            if command == "finished" {
                args.push("--passed=true");
            }
            assert_code(&bucket.run(&environment, &args), 0);
        }
        for name in ["started.json", "finished.json"] {
            assert!(bucket.read_at(&format!("{folder}/{name}")).is_some());
        }
        let alias = bucket.read_at("pr-logs/directory/e2e/7.txt").unwrap();
        assert!(text(&alias).ends_with(&format!("/{folder}")));
        let builds = folder.strip_suffix("/7").unwrap();
        let latest = bucket
            .read_at(&format!("{builds}/latest-build.txt"))
            .unwrap();
        assert_eq!(latest, b"7");
    }
    let environment = TestEnvironment::new();
    let bucket = Bucket::folder(&environment);
    let args = ["started", "--path-strategy=single"];
    let output = bucket.run(&environment, &args);
    assert_code(&output, 2);
    assert!(text(&output.stderr).contains("--default-repo"));
}

#[test]
fn the_log_ends_with_counts_and_links() {
    let environment = TestEnvironment::new();
    environment.write("out/a.log", "a line\n".repeat(1000));
    let bucket = Bucket::store();
    let args = [
        "--artifacts-dir=out",
        "--view-url=https://prow/view/{bucket}/{path}",
    ];
    let output = bucket.run(&environment, &args);
    assert_code(&output, 0);
    let stderr = text(&output.stderr);
    for expected in [
        "the slowest: a.log, 7000 bytes in",
        "the job's folder: gs://bucket/pr-logs/pull/o_r/12/e2e/7",
        "https://console.cloud.google.com/storage/browser/bucket/pr-logs/pull/o_r/12/e2e/7",
        "the job's page: https://prow/view/bucket/pr-logs/pull/o_r/12/e2e/7",
        "copied 1 file (7000 bytes, ",
        " compressed), 0 unchanged",
    ] {
        assert!(stderr.contains(expected), "{expected}: {stderr}");
    }
}
