//! Second runs, interrupted runs, other people's folders, servers that fail.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::fixture::{Fixture, commit, succeed};
use e2e::{Fault, FaultProxy, Running, TestEnvironment, wait_until};

#[test]
fn a_second_run_changes_nothing_and_asks_no_server() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[1]));
    let head = fixture.head();
    fixture.env.write("src/kubeflow/testing/README", "edited\n");
    let mut command = fixture.job(&[1]);
    command.env("GIT_BASE_URL", "git://127.0.0.1:1");
    let output = succeed(command);
    let stdout = e2e::text(&output.stdout);
    assert!(stdout.trim_end().ends_with("-dirty"), "{stdout}");
    assert_eq!(fixture.head(), head);
    assert_eq!(fixture.env.read("src/kubeflow/testing/README"), "edited\n");
}

#[test]
fn a_run_for_another_commit_moves_a_clean_folder() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[1]));
    fixture.env.write("src/kubeflow/testing/untracked", "mine");
    succeed(fixture.job(&[2]));
    assert_eq!(fixture.files(), ["README", "second", "untracked"]);
}

#[test]
fn a_folder_of_its_own_follows_its_repository_to_another_place() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[1]));
    let served = fixture.env.path().join("served");
    let mut command = fixture.job(&[2]);
    command.env("GIT_BASE_URL", &served);
    succeed(command);
    assert_eq!(fixture.files(), ["README", "second"]);
    let origin = fixture.git(&["config", "remote.origin.url"]);
    assert_eq!(Path::new(&origin), served.join("kubeflow/testing"));
}

#[test]
fn uncommitted_changes_are_never_lost() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[1]));
    let head = fixture.head();
    fixture.env.write("src/kubeflow/testing/README", "edited\n");
    fixture.env.write("src/kubeflow/testing/first", "edited\n");
    let output = fixture.job(&[2]).output().unwrap();
    insta::assert_snapshot!(fixture.snapshot(&output), @r"
    status: 1
    ----- stdout
    ----- stderr
    [TIME] INFO  kubeflow/testing: fetching from [SERVER]/kubeflow/testing
    [TIME] ERROR [ROOT]/src/kubeflow/testing has uncommitted changes that a checkout would lose: README, first
        commit or remove them, give another --src-dir, or --clean to have them removed
    ");
    assert_eq!(fixture.head(), head);
    assert_eq!(fixture.env.read("src/kubeflow/testing/README"), "edited\n");
    // Twice, so that the first refusal is seen not to have opened the door.
    assert_eq!(fixture.job(&[2]).output().unwrap().status.code(), Some(1));
}

#[test]
fn a_failed_fetch_does_not_make_later_changes_checkouts_own() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[1]));
    let mut command = fixture.checkout();
    command.env(
        "JOB_SPEC",
        fixture.job_spec(&[]).replace("\"main\"", "\"none\""),
    );
    assert_eq!(command.output().unwrap().status.code(), Some(1));
    fixture.env.write("src/kubeflow/testing/README", "edited\n");
    assert_eq!(fixture.job(&[2]).output().unwrap().status.code(), Some(1));
    assert_eq!(fixture.env.read("src/kubeflow/testing/README"), "edited\n");
}

#[test]
fn foreign_folders_are_left_alone() {
    let fixture = Fixture::new();
    let run = || fixture.job(&[]).output().unwrap();
    let refused = |message: &str| {
        let output = run();
        let stderr = e2e::text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
    };
    fixture.env.write("src/kubeflow/testing/file", "mine");
    refused("is not a git repository");
    // A repository around the folder is not the folder's own.
    fixture.env.git("src", &["init", "--quiet"]);
    refused("is not a git repository");
    fixture.git(&["init", "--quiet"]);
    refused("has no origin");
    fixture.git(&["remote", "add", "origin", "https://u:secret@example.com/x"]);
    refused("is a clone of \"https://***@example.com/x\"");
    assert_eq!(fixture.files(), ["file"]);
    assert_eq!(fixture.env.read("src/kubeflow/testing/file"), "mine");
}

#[test]
fn a_killed_checkout_is_finished_by_the_next() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[1]));
    let head = fixture.head();
    // As SIGKILL leaves it in the middle of the merge: files half written, locks in place.
    let git = "src/kubeflow/testing/.git";
    fixture.git(&["checkout", "--quiet", "--detach", &fixture.base]);
    let url = format!("{}/kubeflow/testing", fixture.server.url());
    fixture.git(&["fetch", "--quiet", &url, "refs/pull/2/head"]);
    fixture.git(&[
        "merge",
        "--quiet",
        "--no-ff",
        "--no-commit",
        &fixture.pulls[1],
    ]);
    fixture
        .env
        .write(format!("{git}/test-worker-checkout"), "unfinished\n");
    fixture.env.write(format!("{git}/index.lock"), "");
    fixture
        .env
        .write(format!("{git}/refs/remotes/origin/main.lock"), "");
    fixture.env.write("src/kubeflow/testing/README", "tw");
    fixture.env.write("src/kubeflow/testing/first", "half");
    succeed(fixture.job(&[1]));
    assert_eq!(fixture.head(), head);
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
    assert_eq!(fixture.files(), ["README", "first"]);
}

#[test]
fn a_checkout_killed_before_it_had_a_commit_is_finished_by_the_next() {
    let fixture = Fixture::new();
    for (file, content) in [
        ("src/kubeflow/testing/README", "tw"),
        (
            "src/kubeflow/testing/.git/test-worker-checkout",
            "unfinished\n",
        ),
    ] {
        fixture.env.write(file, content);
    }
    succeed(fixture.job(&[1]));
    std::fs::remove_dir_all(fixture.folder()).unwrap();
    std::fs::create_dir_all(fixture.folder().join(".git")).unwrap();
    succeed(fixture.job(&[1]));
    assert_eq!(fixture.files(), ["README", "first"]);
}

#[test]
fn an_unreachable_server_is_tried_again_and_then_unavailable() {
    let fixture = Fixture::new();
    let mut command = fixture.job(&[1]);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    command.env("GIT_BASE_URL", format!("git://{address}"));
    let output = command.output().unwrap();
    let stderr = e2e::text(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{stderr}");
    assert_eq!(stderr.matches("trying again in").count(), 3, "{stderr}");
    assert!(stderr.contains("Connection refused"), "{stderr}");
}

#[test]
fn a_connection_that_is_cut_is_tried_again() {
    let fixture = Fixture::new();
    let mut command = fixture.job(&[1]);
    let proxy = FaultProxy::start(&fixture.server.address(), [Fault::Close]);
    command.env("GIT_BASE_URL", proxy.url("git"));
    // One transfer, so that it is known which one the fault hits.
    command.arg("--filter=none");
    let output = succeed(command);
    let stderr = e2e::text(&output.stderr);
    assert_eq!(stderr.matches("trying again in").count(), 1, "{stderr}");
    assert_eq!(fixture.files(), ["README", "first"]);
}

/// The processes of this test, found by its folder on their command line.
fn processes(env: &TestEnvironment) -> Vec<u32> {
    // The server is in the folder beside.
    let folder = env.path().join("src").display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if let Ok(pid) = entry.file_name().to_string_lossy().parse()
            && e2e::text(&line).contains(&folder)
            && e2e::is_running(pid)
        {
            found.push(pid);
        }
    }
    found
}

/// A checkout that waits for a server which takes its connections and says nothing, as long as what
/// comes with it is there.
fn stalled(env: &TestEnvironment) -> (Running, (TcpListener, TcpStream)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("git://{}", listener.local_addr().unwrap());
    let child = Running::start(
        env.command(&e2e::binary("checkout"))
            .args(["--repos=kubeflow/testing", "--records=records.json"])
            .args(["--git-base-url", &url, "--src-dir"])
            .arg(env.path().join("src"))
            .stderr(Stdio::piped())
            .stdout(Stdio::piped()),
    );
    let (connection, _) = listener.accept().unwrap();
    (child, (listener, connection))
}

fn signal(child: &Child, name: &str) {
    let env = TestEnvironment::new();
    let sent = env
        .command(Path::new("sh"))
        .args(["-c", "kill -s \"$0\" \"$1\"", name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

#[test]
fn a_signal_during_a_stalled_fetch_leaves_nothing_running() {
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let env = TestEnvironment::new();
        let (child, _connection) = stalled(&env);
        assert!(processes(&env).len() >= 2);
        signal(&child, name);
        let output = child.wait_with_output();
        assert_eq!(output.status.code(), Some(code));
        let stderr = e2e::text(&output.stderr);
        assert!(stderr.contains("interrupted: git -C"), "{stderr}");
        wait_until("all gits have ended", || processes(&env).is_empty());
        assert!(env.read("records.json").contains("\"failed\":true"));
    }
}

#[test]
fn a_checkout_killed_during_its_first_fetch_is_finished_by_the_next() {
    let fixture = Fixture::new();
    let (mut child, connection) = stalled(&fixture.env);
    assert!(processes(&fixture.env).len() >= 2);
    child.kill().unwrap();
    child.wait().unwrap();
    // Although the server holds the connection open and says nothing.
    wait_until("the gits of the killed checkout have ended", || {
        processes(&fixture.env).is_empty()
    });
    drop(connection);
    succeed(fixture.job(&[1]));
    assert_eq!(fixture.files(), ["README", "first"]);
}

#[test]
fn a_killed_fetch_does_not_make_later_changes_checkouts_own() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[1]));
    let (mut child, connection) = stalled(&fixture.env);
    child.kill().unwrap();
    child.wait().unwrap();
    drop(connection);
    fixture.env.write("src/kubeflow/testing/README", "edited\n");
    let lock = "src/kubeflow/testing/.git/shallow.lock";
    fixture.env.write(lock, "");
    assert_eq!(fixture.job(&[2]).output().unwrap().status.code(), Some(1));
    assert_eq!(fixture.env.read("src/kubeflow/testing/README"), "edited\n");
    assert!(!fixture.env.path().join(lock).exists());
    fixture.env.write("src/kubeflow/testing/README", "two\n");
    succeed(fixture.job(&[2]));
    assert_eq!(fixture.files(), ["README", "second"]);
}

#[test]
fn an_edit_right_after_a_checkout_makes_it_dirty() {
    let fixture = Fixture::new();
    let at = |output: std::process::Output| e2e::text(&output.stdout);
    let first = at(succeed(fixture.job(&[1])));
    assert!(!first.contains("dirty"), "{first}");
    assert_eq!(at(succeed(fixture.job(&[1]))), first);
    // As long as it was, in the same file, and perhaps in the same second.
    fixture.env.write("src/kubeflow/testing/README", "owt\n");
    let edited = at(succeed(fixture.job(&[1])));
    assert!(edited.ends_with("-dirty\n"), "{edited}");
    fixture.env.write("src/kubeflow/testing/README", "two\n");
    assert_eq!(at(succeed(fixture.job(&[1]))), first);
    fixture.git(&["rm", "--quiet", "--cached", "README"]);
    let staged = at(succeed(fixture.job(&[1])));
    assert!(staged.ends_with("-dirty\n"), "{staged}");
}

#[test]
fn an_untracked_file_in_the_way_is_not_overwritten() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[]));
    fixture.env.write("src/kubeflow/testing/added", "mine");
    let base = commit(&fixture.env, "added", "theirs");
    let served = "../served/kubeflow/testing.git";
    fixture
        .env
        .git("work", &["push", "--quiet", served, "main"]);
    let mut command = fixture.checkout();
    command.env(
        "JOB_SPEC",
        fixture.job_spec(&[]).replace(&fixture.base, &base),
    );
    for _ in 0..2 {
        let output = command.output().unwrap();
        let stderr = e2e::text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("would be overwritten"), "{stderr}");
        assert_eq!(fixture.env.read("src/kubeflow/testing/added"), "mine");
    }
}

#[test]
fn two_at_once_in_one_folder_take_turns() {
    let fixture = Fixture::new();
    let turn = fixture
        .env
        .write("src/kubeflow/testing/.git/test-worker-checkout.turn", "");
    let turn = std::fs::File::open(turn).unwrap();
    turn.lock().unwrap();
    let spec = fixture.job_spec(&[1]);
    let log = fixture.env.path().join("log");
    let start = || {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log);
        Running::start(
            fixture
                .env
                .command(&e2e::binary("checkout"))
                .args(["--src-dir", "src", "--git-base-url", &fixture.server.url()])
                .env("JOB_SPEC", &spec)
                .stdout(Stdio::null())
                .stderr(log.unwrap()),
        )
    };
    let (one, other, stopped) = (start(), start(), start());
    wait_until("all wait", || {
        fixture.env.read("log").matches("waiting for it").count() == 3
    });
    signal(&stopped, "TERM");
    assert_eq!(stopped.wait_with_output().status.code(), Some(143));
    assert!(!fixture.folder().join(".git/HEAD").exists());
    drop(turn);
    for run in [one, other] {
        let end = run.wait_with_output();
        assert!(end.status.success(), "{}", fixture.env.read("log"));
    }
    assert_eq!(fixture.files(), ["README", "first"]);
    let log = fixture.env.read("log");
    assert_eq!(log.matches("fetching from").count(), 1, "{log}");
}
