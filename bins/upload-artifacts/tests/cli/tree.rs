//! The folder that is copied: whatever is in it, and whatever becomes of it meanwhile.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::folder::{artifacts, bucket_url, last_line, sync, tree};
use crate::support::{JOB, PRESUBMIT, assert_code};
use e2e::{Running, TestEnvironment, binary, text, wait_until};

/// The binary in the environment of a presubmit.
fn command_with(environment: &TestEnvironment, args: &[&str]) -> Command {
    let mut command = crate::support::command(environment);
    command.args(args);
    command
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
        ".being-written-1",
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
        "%2Ebeing-written-1",
        "%FF",
    ];
    expected.sort_unstable();
    assert_eq!(tree(&artifacts(&environment)), expected);
    let second = sync(&environment, &[]);
    assert!(last_line(&second).contains("copied 0 files (0 bytes), 9 unchanged"));
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
            "2 files missing in file://{root}/bucket/{JOB}/artifacts: "
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
        let output = command_with(&environment, args)
            .args(["--bucket", &url])
            .output()
            .unwrap();
        assert_code(&output, 75);
        assert!(text(&output.stderr).contains(&url), "{args:?}");
    }
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
            .arg(binary("upload-artifacts"))
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
        command_with(&environment, &["--artifacts-dir", "out", "--bucket", &url])
            .stderr(Stdio::piped()),
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
