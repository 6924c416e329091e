//! What is in the folder: pull requests merged as Prow does, their heads, submodules.

use std::path::Path;

use crate::fixture::{Fixture, commit, succeed};
use e2e::TestEnvironment;

/// The commands of Prow's clonerefs; gives the commit that they make.
fn clonerefs(fixture: &Fixture, branch: &str, numbers: &[usize]) -> String {
    let env = &fixture.env;
    let url = format!("{}/kubeflow/testing", fixture.server.url());
    env.git("", &["init", "--quiet", "prow"]);
    let base = fixture.base.as_str();
    env.git("prow", &["fetch", "--quiet", &url, "--tags", "--prune"]);
    env.git("prow", &["fetch", "--quiet", &url, base]);
    env.git("prow", &["checkout", "--quiet", base]);
    env.git("prow", &["branch", "--force", branch, base]);
    env.git("prow", &["checkout", "--quiet", branch]);
    let time = env.git("prow", &["show", "-s", "--format=format:%ct", "HEAD"]);
    let time: u64 = time.parse().unwrap();
    for (number, nth) in numbers.iter().zip(1..) {
        let sha = &fixture.pulls[number - 1];
        env.git("prow", &["fetch", "--quiet", &url, sha]);
        let date = (time + nth).to_string();
        let merged = env
            .command(Path::new("git"))
            .current_dir(env.path().join("prow"))
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "ci-robot")))
            .envs(
                ["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "ci-robot@k8s.io")),
            )
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_DATE"), date.clone())))
            .env("TZ", "UTC")
            .args(["merge", "--quiet", "--no-ff", sha])
            .status()
            .unwrap();
        assert!(merged.success());
    }
    env.git("prow", &["rev-parse", "HEAD"])
}

#[test]
fn a_presubmit_is_the_very_commit_that_clonerefs_makes() {
    let fixture = Fixture::new();
    // A person's settings must not change it.
    fixture.env.write(
        "home/.gitconfig",
        "[merge]\nlog = true\nff = only\n[commit]\ngpgSign = true\n[user]\nname = x\n",
    );
    succeed(fixture.job(&[1]));
    std::fs::remove_file(fixture.env.path().join("home/.gitconfig")).unwrap();
    assert_eq!(fixture.head(), clonerefs(&fixture, "main", &[1]));
    assert_eq!(fixture.files(), ["README", "first"]);
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
    // A person finds origin as after a clone.
    assert_eq!(fixture.git(&["rev-parse", "origin/main"]), fixture.base);
    fixture.git(&["fetch", "--quiet"]);
}

#[test]
fn a_batch_is_the_very_commit_that_clonerefs_makes() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[2, 1]));
    assert_eq!(fixture.head(), clonerefs(&fixture, "main", &[2, 1]));
    assert_eq!(fixture.files(), ["README", "first", "second"]);
}

#[test]
fn a_presubmit_on_another_branch_is_the_very_commit_that_clonerefs_makes() {
    let fixture = Fixture::new();
    let served = "served/kubeflow/testing.git";
    fixture.env.git(served, &["branch", "release-1", "main"]);
    let mut command = fixture.checkout();
    command.env(
        "JOB_SPEC",
        fixture.job_spec(&[1]).replace("\"main\"", "\"release-1\""),
    );
    succeed(command);
    assert_eq!(fixture.head(), clonerefs(&fixture, "release-1", &[1]));
}

#[test]
fn a_branch_may_be_called_as_pull_requests_are() {
    let fixture = Fixture::new();
    let served = "served/kubeflow/testing.git";
    fixture.env.git(served, &["branch", "pull", "main"]);
    let mut command = fixture.checkout();
    let spec = fixture.job_spec(&[1]).replace("\"main\"", "\"pull\"");
    command.env("JOB_SPEC", spec);
    succeed(command);
    assert_eq!(fixture.head(), clonerefs(&fixture, "pull", &[1]));
}

#[test]
fn head_mode_checks_out_the_pull_request_as_it_is() {
    let fixture = Fixture::new();
    let mut command = fixture.job(&[1]);
    command.arg("--pr-mode=head");
    succeed(command);
    assert_eq!(fixture.head(), fixture.pulls[0]);
}

#[test]
fn a_conflict_names_the_pull_request_and_the_files_and_leaves_a_clean_folder() {
    let fixture = Fixture::new();
    let output = fixture.job(&[3]).output().unwrap();
    insta::assert_snapshot!(fixture.snapshot(&output), @r"
    status: 1
    ----- stdout
    ----- stderr
    [TIME] INFO  kubeflow/testing: fetching from [SERVER]/kubeflow/testing
    [TIME] ERROR kubeflow/testing: pull request 3 ([PULL 3]) conflicts with main in README
        rebase the pull request onto main
    ");
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
    succeed(fixture.job(&[1]));
    assert_eq!(fixture.files(), ["README", "first"]);
}

#[test]
fn a_conflict_within_a_batch_names_what_was_merged_before() {
    let fixture = Fixture::new();
    let output = fixture.job(&[1, 4]).output().unwrap();
    insta::assert_snapshot!(fixture.snapshot(&output), @r"
    status: 1
    ----- stdout
    ----- stderr
    [TIME] INFO  kubeflow/testing: fetching from [SERVER]/kubeflow/testing
    [TIME] ERROR kubeflow/testing: pull request 4 ([PULL 4]) conflicts with main (with pull request 1 merged) in first
        rebase the pull request onto main
    ");
}

#[test]
fn a_commit_that_is_gone_may_have_been_force_pushed() {
    let fixture = Fixture::new();
    let gone = "0123456789abcdef0123456789abcdef01234567";
    let mut command = fixture.checkout();
    command.env(
        "JOB_SPEC",
        fixture.job_spec(&[1]).replace(&fixture.pulls[0], gone),
    );
    let output = command.output().unwrap();
    insta::assert_snapshot!(fixture.snapshot(&output), @r"
    status: 1
    ----- stdout
    ----- stderr
    [TIME] INFO  kubeflow/testing: fetching from [SERVER]/kubeflow/testing
    [TIME] ERROR kubeflow/testing: commit 0123456789abcdef0123456789abcdef01234567 of pull request 1 is not to be had from [SERVER]/kubeflow/testing: fatal: remote error: upload-pack: not our ref 0123456789abcdef0123456789abcdef01234567
        it may have been force-pushed since the job started: run the job again on the new commit
    ");
}

#[test]
fn a_commit_that_no_ref_leads_to_any_more_is_asked_for_by_its_id() {
    let fixture = Fixture::new();
    let served = "served/kubeflow/testing.git";
    fixture
        .env
        .git(served, &["update-ref", "-d", "refs/pull/1/head"]);
    let output = succeed(fixture.job(&[1]));
    assert_eq!(fixture.files(), ["README", "first"]);
    // Nobody knows whether it was ever of this pull request.
    let stderr = e2e::text(&output.stderr);
    let said = "has no refs/pull/1/head of pull request 1: commit ";
    assert_eq!(stderr.matches(said).count(), 1, "{stderr}");
}

#[test]
fn a_missing_repository_branch_or_pull_request_is_not_tried_again() {
    let fixture = Fixture::new();
    for (repository, message) in [
        ("kubeflow/none", "is the repository's name right"),
        ("kubeflow/testing@none", "there is no ref none in"),
        ("kubeflow/testing@HEAD:99", "there is no pull request 99 in"),
    ] {
        let mut command = fixture.checkout();
        let output = command.args(["--repos", repository]).output().unwrap();
        let stderr = e2e::text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
        assert!(!stderr.contains("trying again"), "{stderr}");
    }
}

#[test]
fn a_shallow_checkout_gets_the_history_that_a_merge_needs() {
    let fixture = Fixture::new();
    for file in ["a", "b", "c"] {
        commit(&fixture.env, file, file);
    }
    let served = "../served/kubeflow/testing.git";
    fixture
        .env
        .git("work", &["push", "--quiet", served, "main"]);
    let base = fixture.env.git("work", &["rev-parse", "HEAD"]);
    let mut command = fixture.checkout();
    command.env(
        "JOB_SPEC",
        fixture.job_spec(&[1]).replace(&fixture.base, &base),
    );
    command.arg("--depth=1");
    succeed(command);
    assert_eq!(fixture.files(), ["README", "a", "b", "c", "first"]);
}

/// A repository with a submodule, served from a server or from this machine.
fn with_submodule(fixture: &Fixture, url: &str) {
    let env = &fixture.env;
    env.git("", &["init", "--quiet", "--initial-branch=main", "library"]);
    env.write("library/code", "x");
    env.git("library", &["add", "--all"]);
    env.git("library", &["commit", "--quiet", "--message=library"]);
    env.git(
        "",
        &[
            "clone",
            "--quiet",
            "--bare",
            "library",
            "served/kubeflow/library.git",
        ],
    );
    let local = ["-c", "protocol.file.allow=always"];
    let add = [
        "submodule",
        "--quiet",
        "add",
        "../served/kubeflow/library.git",
        "library",
    ];
    env.git("work", &[&local[..], &add[..]].concat());
    env.git(
        "work",
        &["config", "--file=.gitmodules", "submodule.library.url", url],
    );
    env.git("work", &["add", "--all"]);
    env.git("work", &["commit", "--quiet", "--message=submodule"]);
    env.git(
        "work",
        &["push", "--quiet", "../served/kubeflow/testing.git", "main"],
    );
}

#[test]
fn submodules_are_checked_out_unless_skipped() {
    let fixture = Fixture::new();
    with_submodule(&fixture, "../library");
    let mut command = fixture.checkout();
    command.args(["--repos", "kubeflow/testing"]);
    succeed(command);
    assert_eq!(fixture.env.read("src/kubeflow/testing/library/code"), "x");
    // The settings that git itself gives a submodule are no trap to the next run.
    let note = "src/kubeflow/testing/.git/test-worker-checkout";
    fixture.env.write(note, "unfinished\n");
    let mut command = fixture.checkout();
    command.args(["--repos", "kubeflow/testing"]);
    succeed(command);
    let spec = r#"{"type": "periodic", "job": "j", "buildid": "1", "refs":
        {"org": "kubeflow", "repo": "testing", "path_alias": "skipped", "skip_submodules": true}}"#;
    let mut command = fixture.checkout();
    command.env("JOB_SPEC", spec);
    succeed(command);
    assert!(!fixture.env.path().join("src/skipped/library/code").exists());
}

#[test]
fn a_submodule_on_this_machine_is_for_a_repository_on_this_machine_only() {
    let fixture = Fixture::new();
    let served = fixture.env.path().join("served").display().to_string();
    with_submodule(&fixture, &format!("{served}/kubeflow/library.git"));
    let mut command = fixture.checkout();
    let output = command
        .args(["--repos", "kubeflow/testing"])
        .output()
        .unwrap();
    let stderr = e2e::text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("transport 'file' not allowed"), "{stderr}");
    std::fs::remove_dir_all(fixture.folder()).unwrap();
    let mut command = fixture.checkout();
    command.args(["--repos=kubeflow/testing", "--git-base-url", &served]);
    succeed(command);
    assert_eq!(fixture.env.read("src/kubeflow/testing/library/code"), "x");
}

#[test]
fn a_local_snapshot_with_alternates_is_a_source() {
    let env = TestEnvironment::new();
    env.git("", &["init", "--quiet", "--initial-branch=main", "work"]);
    let base = commit(&env, "a", "a");
    let pull = commit(&env, "b", "b");
    env.git("", &["init", "--quiet", "--bare", "snapshot"]);
    let objects = env.path().join("work/.git/objects").display().to_string();
    env.write("snapshot/objects/info/alternates", objects + "\n");
    env.git("snapshot", &["update-ref", "refs/heads/main", &base]);
    env.git("snapshot", &["update-ref", "refs/pull/0/head", &pull]);
    let url = env.path().join("snapshot");
    let spec = serde_json::json!({
        "type": "presubmit", "job": "own", "buildid": "1", "refs": {
            "org": "o", "repo": "r", "base_ref": "main", "base_sha": base, "clone_uri": url,
            "pulls": [{"number": 0, "sha": pull}]
        }
    });
    let mut command = env.bin("checkout");
    command
        .args(["--src-dir", "src"])
        .env("JOB_SPEC", spec.to_string());
    succeed(command);
    assert_eq!(env.read("src/o/r/b"), "b");
}
