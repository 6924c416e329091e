//! upload-artifacts through the built binary.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute only, not their helpers"
)]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use e2e::{Running, TestEnvironment, binary, text, wait_until};

const NAME: &str = "upload-artifacts";

/// The folder of the job's artifacts, below the bucket.
const ARTIFACTS: &str = "pr-logs/pull/o_r/12/e2e/7/artifacts";

const PRESUBMIT: [(&str, &str); 9] = [
    ("JOB_NAME", "e2e"),
    ("JOB_TYPE", "presubmit"),
    ("BUILD_ID", "7"),
    ("REPO_OWNER", "o"),
    ("REPO_NAME", "r"),
    ("PULL_BASE_REF", "main"),
    ("PULL_BASE_SHA", "aaaa"),
    ("PULL_NUMBER", "12"),
    ("PULL_PULL_SHA", "bbbb"),
];

fn bucket_url(environment: &TestEnvironment) -> String {
    format!("file://{}/bucket", environment.path().display())
}

/// The binary in the environment of a presubmit.
fn command(environment: &TestEnvironment, args: &[&str]) -> Command {
    let mut command = environment.command(&binary(NAME));
    command.envs(PRESUBMIT).args(args);
    command
}

/// Syncs the folder `out` to the bucket `bucket`, both in the test's folder.
fn sync(environment: &TestEnvironment, args: &[&str]) -> Output {
    let url = bucket_url(environment);
    let mut command = command(environment, &["--artifacts-dir", "out", "--bucket", &url]);
    command.args(args).output().unwrap()
}

fn artifacts(environment: &TestEnvironment) -> PathBuf {
    environment.path().join("bucket").join(ARTIFACTS)
}

/// All files below a folder, as paths below it, sorted.
fn tree(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(folder).unwrap();
                names.push(below.to_str().unwrap().to_owned());
            }
        }
    }
    names.sort();
    names
}

fn last_line(output: &Output) -> String {
    let stderr = text(&output.stderr);
    stderr.lines().last().unwrap_or_default().to_owned()
}

#[track_caller]
fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
}

#[test]
fn help_has_examples() {
    let environment = TestEnvironment::new();
    for args in [&["--help"][..], &["sync", "--help"]] {
        let output = command(&environment, args).output().unwrap();
        assert_code(&output, 0);
        assert!(text(&output.stdout).contains("EXAMPLES:"));
    }
    let output = command(&environment, &["--version"]).output().unwrap();
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
        environment.read(format!("bucket/{ARTIFACTS}/deep/er/log.txt")),
        "log"
    );
    let second = sync(&environment, &[]);
    assert!(last_line(&second).contains("copied 0 files (0 bytes), 3 unchanged"));
    // The same size: only the content tells.
    environment.write("out/deep/er/log.txt", "LOG");
    let third = sync(&environment, &[]);
    assert!(last_line(&third).contains("copied 1 file (3 bytes), 2 unchanged"));
    assert_eq!(
        environment.read(format!("bucket/{ARTIFACTS}/deep/er/log.txt")),
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
    let explicit = command(&environment, &["sync", "--bucket", &url])
        .env("ARTIFACTS", "out")
        .output()
        .unwrap();
    assert_code(&explicit, 0);
    let implicit = command(&environment, &["--bucket", &url])
        .env("ARTIFACTS", "out")
        .output()
        .unwrap();
    assert!(last_line(&implicit).contains("1 unchanged"));
    // The flag of the default subcommand must not stand in the way of the others.
    let other = command(&environment, &["latest-build", "--bucket", &url])
        .env("ARTIFACTS", "out")
        .output()
        .unwrap();
    assert_code(&other, 0);
    let snake_case = command(
        &environment,
        &["--artifacts_dir=out", "--sub_dir=s", "--bucket", &url],
    )
    .output()
    .unwrap();
    assert_code(&snake_case, 0);
    assert_eq!(tree(&artifacts(&environment)), ["a", "s/a"]);
}

#[test]
fn a_suffix_changes_the_objects_and_not_the_files() {
    let environment = TestEnvironment::new();
    environment.write("out/junit_x.xml", "<testsuite/>");
    environment.write("out/d/log.txt.gz", "");
    let args = ["--suffix", "-a", "--sub-dir", "gke/x"];
    assert_code(&sync(&environment, &args), 0);
    let expected = ["gke/x/d/log-a.txt.gz", "gke/x/junit_x-a.xml"];
    assert_eq!(tree(&artifacts(&environment)), expected);
    let second = sync(&environment, &args);
    assert!(last_line(&second).contains("copied 0 files (0 bytes), 2 unchanged"));
    assert_eq!(tree(&artifacts(&environment)), expected);
    assert_eq!(
        tree(&environment.path().join("out")),
        ["d/log.txt.gz", "junit_x.xml"]
    );
}

#[test]
fn files_of_any_name_are_copied() {
    use std::os::unix::ffi::OsStrExt;
    let environment = TestEnvironment::new();
    for name in [
        "a b",
        "c#d",
        "ü…",
        "new\nline",
        "-rf",
        "back\\slash",
        "'\"$(x)",
    ] {
        environment.write(format!("out/{name}"), name);
    }
    environment.write(
        Path::new("out").join(std::ffi::OsStr::from_bytes(b"\xff")),
        "",
    );
    assert_code(&sync(&environment, &[]), 0);
    let mut expected = [
        "a b",
        "c%23d",
        "ü…",
        "new%0Aline",
        "-rf",
        "back\\slash",
        "'\"$(x)",
        "%FF",
    ];
    expected.sort_unstable();
    assert_eq!(tree(&artifacts(&environment)), expected);
    let second = sync(&environment, &[]);
    assert!(last_line(&second).contains("copied 0 files (0 bytes), 8 unchanged"));
}

#[test]
fn two_files_that_would_become_one_object_are_not_mixed_up() {
    let environment = TestEnvironment::new();
    environment.write("out/c#d", "1");
    environment.write("out/c%23d", "2");
    let output = sync(&environment, &[]);
    assert_code(&output, 75);
    assert!(text(&output.stderr).contains("another file is already file:///"));
}

#[test]
fn links_are_followed_within_the_folder_only() {
    let environment = TestEnvironment::new();
    environment.write("secret/key", "secret");
    environment.write("out/runs/1.log", "log");
    let out = environment.path().join("out");
    symlink("runs/1.log", out.join("latest.log")).unwrap();
    symlink(out.join("runs/1.log"), out.join("absolute.log")).unwrap();
    symlink("runs", out.join("folder")).unwrap();
    symlink("../secret/key", out.join("stolen")).unwrap();
    symlink("../secret", out.join("stolen-folder")).unwrap();
    symlink("/proc/self/environ", out.join("environ")).unwrap();
    symlink("nowhere", out.join("dangling")).unwrap();
    symlink(".", out.join("loop")).unwrap();
    let output = sync(&environment, &[]);
    assert_code(&output, 0);
    assert_eq!(
        tree(&artifacts(&environment)),
        ["absolute.log", "latest.log", "runs/1.log"]
    );
    let stderr = text(&output.stderr);
    for line in [
        "stolen is not copied: it is a symbolic link that leaves the folder",
        "stolen-folder is not copied: it is a symbolic link that leaves the folder",
        "environ is not copied: it is a symbolic link that leaves the folder",
        "folder is not copied: it is a symbolic link, and not to a file",
        "dangling is not copied: it is a symbolic link to nothing",
        "copied 3 files (9 bytes), 0 unchanged, 6 skipped",
    ] {
        assert!(stderr.contains(line), "{line}\n{stderr}");
    }
}

#[test]
fn what_is_no_file_is_skipped_without_waiting_for_it() {
    let environment = TestEnvironment::new();
    environment.write("out/a", "a");
    let out = environment.path().join("out");
    let kind = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, out.join("fifo"), kind, mode, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(out.join("socket")).unwrap();
    let output = sync(&environment, &[]);
    assert_code(&output, 0);
    assert!(last_line(&output).contains("copied 1 file (1 byte), 0 unchanged, 2 skipped"));
    assert!(text(&output.stderr).contains("fifo is not copied: it is a device, a socket"));
    assert_eq!(tree(&artifacts(&environment)), ["a"]);
}

#[test]
fn a_link_in_the_bucket_leads_nowhere() {
    let environment = TestEnvironment::new();
    environment.write("out/d/a", "a");
    environment.write("elsewhere/kept", "kept");
    fs::create_dir_all(artifacts(&environment)).unwrap();
    let elsewhere = environment.path().join("elsewhere");
    symlink(&elsewhere, artifacts(&environment).join("d")).unwrap();
    let output = sync(&environment, &[]);
    assert_code(&output, 75);
    assert!(text(&output.stderr).contains("artifacts/d is a symbolic link"));
    assert_eq!(tree(&elsewhere), ["kept"]);
}

#[test]
fn one_files_failure_does_not_stop_the_others() {
    let environment = TestEnvironment::new();
    for name in ["a", "b", "c\n", "d"] {
        environment.write(format!("out/{name}"), name);
    }
    fs::create_dir_all(artifacts(&environment).join("b")).unwrap();
    fs::create_dir_all(artifacts(&environment).join("c%0A")).unwrap();
    let output = sync(&environment, &[]);
    assert_code(&output, 75);
    assert_eq!(tree(&artifacts(&environment)), ["a", "d"]);
    let last = last_line(&output);
    let root = environment.path().display();
    assert!(
        last.contains(&format!(
            "2 files missing in file://{root}/bucket/{ARTIFACTS}: "
        )),
        "{last}"
    );
    assert!(
        last.ends_with("b, c\\n") || last.ends_with("c\\n, b"),
        "{last}"
    );
}

#[test]
fn a_bucket_that_cannot_be_written_is_unavailable() {
    let environment = TestEnvironment::new();
    environment.write("out/a", "a");
    environment.write("file", "");
    let url = format!("file://{}/file/bucket", environment.path().display());
    for args in [
        &["--artifacts-dir", "out"][..],
        &["pr-symlink"],
        &["latest-build"],
        &["started"],
        &["finished", "--passed", "true"],
    ] {
        let output = command(&environment, args)
            .args(["--bucket", &url])
            .output()
            .unwrap();
        assert_code(&output, 75);
        assert!(text(&output.stderr).contains(&url), "{args:?}");
    }
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
            "is not a bucket",
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
        let output = command(&environment, &args).output().unwrap();
        assert_code(&output, 2);
        let stderr = text(&output.stderr);
        assert!(stderr.contains(reason), "{args:?}\n{stderr}");
    }
    assert!(!environment.path().join("bucket").exists());
}

#[test]
fn a_run_without_a_job_is_wrong_usage() {
    let environment = TestEnvironment::new();
    environment.write("out/a", "a");
    let url = bucket_url(&environment);
    let args = ["--artifacts-dir", "out", "--bucket", &url];
    let output = command(&environment, &args)
        .env("JOB_TYPE", "")
        .output()
        .unwrap();
    assert_code(&output, 2);
    assert!(text(&output.stderr).contains("JOB_SPEC"));
    let output = command(&environment, &args)
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
        let output = command(&test, &["started"])
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
    let output = command(&test, &["started", "--nope"])
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
fn an_empty_folder_is_a_success_and_said() {
    let environment = TestEnvironment::new();
    fs::create_dir(environment.path().join("out")).unwrap();
    let output = sync(&environment, &[]);
    assert_code(&output, 0);
    assert!(last_line(&output).contains("the folder is empty: nothing to copy to file:///"));
}

#[test]
fn malformed_junit_is_copied_and_named() {
    let environment = TestEnvironment::new();
    environment.write("out/junit_good.xml", "<testsuite/>");
    environment.write("out/junit_bad.xml", "<testsuite><testcase></testsuite>");
    let output = sync(&environment, &[]);
    assert_code(&output, 0);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("it will count as a failure: read junit_bad.xml as JUnit"));
    let mut told = stderr.lines().filter(|line| line.contains(" WARN "));
    assert!(!told.any(|line| line.contains("junit_good")));
    assert_eq!(
        tree(&artifacts(&environment)),
        ["junit_bad.xml", "junit_good.xml"]
    );
}

#[test]
fn a_large_file_is_copied_and_compared_in_little_memory() {
    let environment = TestEnvironment::new();
    let path = environment.write("out/big", "");
    let file = File::create(&path).unwrap();
    file.set_len(200 << 20).unwrap();
    let url = bucket_url(&environment);
    for expected in ["copied 1 file (209715200 bytes)", "1 unchanged"] {
        // 64 MiB of data, stacks and buffers included.
        let output = environment
            .command(Path::new("sh"))
            .envs(PRESUBMIT)
            .args(["-c", "ulimit -d 65536 && exec \"$@\"", "sh"])
            .arg(binary(NAME))
            .args(["--artifacts-dir", "out", "--bucket", &url])
            .output()
            .unwrap();
        assert_code(&output, 0);
        assert!(last_line(&output).contains(expected), "{expected}");
    }
    let copy = fs::metadata(artifacts(&environment).join("big")).unwrap();
    assert_eq!(copy.len(), 200 << 20);
}

#[test]
fn a_file_that_grows_is_copied_as_it_was_and_named() {
    let environment = TestEnvironment::new();
    let path = environment.write("out/growing.log", "");
    let mut file = File::options().append(true).open(&path).unwrap();
    file.set_len(100 << 20).unwrap();
    let over = AtomicBool::new(false);
    let output = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                file.write_all(b"x").unwrap();
            }
        });
        let output = sync(&environment, &[]);
        over.store(true, Ordering::Relaxed);
        output
    });
    assert_code(&output, 0);
    assert!(text(&output.stderr).contains("growing.log changed while it was copied"));
    let copy = fs::metadata(artifacts(&environment).join("growing.log")).unwrap();
    assert!(copy.len() >= 100 << 20);
}

#[test]
fn sigterm_names_what_is_missing_and_leaves_no_half_object() {
    let environment = TestEnvironment::new();
    let path = environment.write("out/huge", "");
    // More than can be copied while this test runs; no block of it is on the disk.
    File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let url = bucket_url(&environment);
    let mut child = Running::start(
        command(&environment, &["--artifacts-dir", "out", "--bucket", &url]).stderr(Stdio::piped()),
    );
    wait_until("the copy has begun", || {
        !tree(&artifacts(&environment)).is_empty()
    });
    let id = i32::try_from(child.id()).unwrap();
    let id = rustix::process::Pid::from_raw(id).unwrap();
    // The second signal cuts the grace short; the kernel merges those that come too close.
    wait_until("the end", || {
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        child.try_wait().unwrap().is_some()
    });
    let output = child.wait_with_output();
    assert_code(&output, 143);
    let last = last_line(&output);
    assert!(
        last.contains("interrupted; 1 file missing in file:///"),
        "{last}"
    );
    assert!(last.ends_with(": huge"), "{last}");
    assert_eq!(tree(&artifacts(&environment)), Vec::<String>::new());
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
        let mut command = command(&environment, args);
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
    assert_code(&command(&environment, &args).output().unwrap(), 0);
    assert_eq!(record("finished.json")["result"], "SUCCESS");
}

#[test]
fn a_job_without_pull_request_has_no_link_to_write() {
    let environment = TestEnvironment::new();
    let url = bucket_url(&environment);
    let output = command(&environment, &["pr-symlink", "--bucket", &url])
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
        let output = command(&environment, &args)
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
        let output = command(&environment, args)
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
        assert_code(&command(&environment, &args).output().unwrap(), 2);
    }
}
