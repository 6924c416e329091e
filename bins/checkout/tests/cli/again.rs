//! A second run that asks for something else than the first one, in one folder: it leaves what a run
//! in a new folder would.

use std::fs;

use crate::fixture::served::{add_submodule, commit_submodules, serve};
use crate::fixture::{Fixture, commit, succeed};

const SERVED: &str = "../served/kubeflow/testing.git";

fn run(fixture: &Fixture, args: &[&str]) -> String {
    let mut command = fixture.job(&[1]);
    command.args(args);
    e2e::text(&succeed(command).stderr)
}

#[test]
fn all_folders_after_some() {
    let mut fixture = Fixture::new();
    fixture.env.write("work/docs/a", "a\n");
    fixture.env.write("work/code/b", "b\n");
    fixture.base = commit(&fixture.env, "top", "t\n");
    fixture
        .env
        .git("work", &["push", "--quiet", SERVED, "main"]);
    let told = run(&fixture, &["--sparse", "docs"]);
    assert!(told.contains(": 4 files"), "{told}");
    assert!(!fixture.folder().join("code").exists());
    let told = run(&fixture, &[]);
    assert!(told.contains(": 5 files"), "{told}");
    assert_eq!(fixture.files(), ["README", "code", "docs", "first", "top"]);
    run(&fixture, &["--sparse", "code"]);
    assert!(!fixture.folder().join("docs").exists());
}

#[test]
fn all_commits_after_a_few() {
    let fixture = Fixture::new();
    let mut command = fixture.checkout();
    command.args(["--repos=kubeflow/testing", "--depth=1"]);
    succeed(command);
    assert_eq!(fixture.git(&["rev-list", "--count", "HEAD"]), "1");
    let mut command = fixture.checkout();
    command.args(["--repos=kubeflow/testing", "--depth=all"]);
    succeed(command);
    assert_eq!(fixture.git(&["rev-list", "--count", "HEAD"]), "2");
    assert!(!fixture.folder().join(".git/shallow").exists());
}

#[test]
fn all_objects_after_those_that_are_needed() {
    let fixture = Fixture::new();
    run(&fixture, &["--filter=blob:none"]);
    assert!(fixture.missing() > 0);
    run(&fixture, &["--filter=none"]);
    assert_eq!(fixture.missing(), 0);
    let promisor = ["config", "--default=", "remote.origin.promisor"];
    assert_eq!(fixture.git(&promisor), "");
}

#[test]
fn another_branch_with_the_same_commits() {
    let fixture = Fixture::new();
    let served = "served/kubeflow/testing.git";
    fixture.env.git(served, &["branch", "release", "main"]);
    run(&fixture, &[]);
    let mut command = fixture.checkout();
    let spec = fixture.job_spec(&[1]).replace("\"main\"", "\"release\"");
    command.env("JOB_SPEC", spec);
    succeed(command);
    let message = fixture.git(&["log", "-1", "--format=%s"]);
    assert!(message.ends_with("into release"), "{message}");
}

#[test]
fn a_branch_and_a_tag_that_became_folders_of_such() {
    let fixture = Fixture::new();
    let served = "served/kubeflow/testing.git";
    let names = |before: Option<&str>, now: &str| {
        for kind in ["heads", "tags"] {
            if let Some(before) = before {
                let name = format!("refs/{kind}/{before}");
                fixture.env.git(served, &["update-ref", "-d", &name]);
            }
            let name = format!("refs/{kind}/{now}");
            fixture.env.git(served, &["update-ref", &name, "main"]);
        }
        let mut command = fixture.checkout();
        command.arg(format!("--repos=kubeflow/testing@{now}"));
        succeed(command);
    };
    names(None, "rel");
    names(Some("rel"), "rel/1");
    names(Some("rel/1"), "rel");
}

/// A repository with two submodules, at `lib` and `tool`.
fn with_submodules(fixture: &Fixture) {
    for name in ["one", "two", "three", "top"] {
        serve(fixture, &format!("o/{name}"), name, name);
    }
    set_submodules(fixture, &[("lib", "one"), ("tool", "two")]);
}

/// Commits that `o/top` has these submodules and no others.
fn set_submodules(fixture: &Fixture, submodules: &[(&str, &str)]) {
    let folder = "repos/o/top";
    fixture.env.write(format!("{folder}/.gitmodules"), "");
    let before = ["lib", "tool"];
    let remove = ["update-index", "--force-remove"];
    fixture.env.git(folder, &[&remove[..], &before].concat());
    for (path, name) in submodules {
        let of = format!("o/{name}");
        add_submodule(fixture, "o/top", path, &format!("../{name}"), &of);
    }
    commit_submodules(fixture, "o/top");
}

fn check_out_top(fixture: &Fixture) -> assert_cmd::Command {
    let mut command = fixture.checkout();
    command.args(["--repos", "o/top"]);
    command
}

fn top(fixture: &Fixture, file: &str) -> bool {
    fixture.env.path().join("src/o/top").join(file).exists()
}

#[test]
fn submodules_that_moved_or_went() {
    let fixture = Fixture::new();
    with_submodules(&fixture);
    succeed(check_out_top(&fixture));
    assert!(top(&fixture, "lib/one") && top(&fixture, "tool/two"));
    // One comes from elsewhere, the other is gone.
    set_submodules(&fixture, &[("lib", "three")]);
    succeed(check_out_top(&fixture));
    assert!(top(&fixture, "lib/three") && !top(&fixture, "lib/one"));
    assert!(!top(&fixture, "tool"));
    let status = fixture.env.git("src/o/top", &["status", "--porcelain"]);
    assert_eq!(status, "");
}

#[test]
fn no_submodules_any_more() {
    let fixture = Fixture::new();
    with_submodules(&fixture);
    let job = |skip: bool| {
        let spec = format!(
            r#"{{"type": "periodic", "job": "j", "buildid": "1", "refs":
            {{"org": "o", "repo": "top", "base_ref": "main", "skip_submodules": {skip}}}}}"#
        );
        let mut command = fixture.checkout();
        command.env("JOB_SPEC", spec);
        succeed(command);
    };
    job(false);
    assert!(top(&fixture, "lib/one"));
    job(true);
    assert!(!top(&fixture, "lib/one"));
    job(false);
    assert!(top(&fixture, "lib/one"));
}

#[test]
fn submodules_that_somebody_emptied_or_changed() {
    let fixture = Fixture::new();
    with_submodules(&fixture);
    let sha = fixture.env.git("repos/o/top", &["rev-parse", "HEAD"]);
    let job = || {
        let mut command = fixture.checkout();
        let spec = format!(
            r#"{{"type": "postsubmit", "job": "j", "buildid": "1", "refs":
            {{"org": "o", "repo": "top", "base_ref": "main", "base_sha": "{sha}"}}}}"#
        );
        command.env("JOB_SPEC", spec);
        command
    };
    succeed(job());
    let told = e2e::text(&succeed(job()).stderr);
    assert!(told.contains("checked out already"), "{told}");
    let lib = fixture.env.path().join("src/o/top/lib");
    fs::remove_dir_all(&lib).unwrap();
    fs::create_dir(&lib).unwrap();
    succeed(job());
    assert!(top(&fixture, "lib/one"));
    let commit = ["commit", "--quiet", "--allow-empty", "--message=mine"];
    fixture.env.git("src/o/top/lib", &commit);
    let told = e2e::text(&succeed(job()).stdout);
    assert!(told.contains("-dirty\n+"), "{told}");
}
