//! The same trees and commits as the commands of Prow's clonerefs make, in the cases in which
//! a merge depends on more than the changed lines.

use std::path::Path;
use std::process::Output;

use crate::fixture::{Fixture, succeed};
use e2e::TestEnvironment;

/// A pull request's head as the job gives it: a commit, or none.
struct Case {
    fixture: Fixture,
    with_sha: bool,
}

impl Case {
    /// `base` and `pull` change the folder `work`, each from the same start.
    fn new(
        start: impl Fn(&TestEnvironment),
        base: impl Fn(&TestEnvironment),
        pull: impl Fn(&TestEnvironment),
    ) -> Case {
        let mut fixture = Fixture::new();
        let env = &fixture.env;
        let commit = |change: &dyn Fn(&TestEnvironment), name: &str| {
            change(env);
            env.git("work", &["add", "--all"]);
            env.git("work", &["commit", "--quiet", "--allow-empty", "-m", name]);
            env.git("work", &["rev-parse", "HEAD"])
        };
        let first = commit(&start, "start");
        let pull = commit(&pull, "pull");
        env.git("work", &["reset", "--quiet", "--hard", &first]);
        let base = commit(&base, "base");
        let served = "../served/kubeflow/testing.git";
        let push = ["push", "--quiet", "--force", served, "main"];
        env.git("work", &push);
        let pulls = format!("+{pull}:refs/pull/1/head");
        env.git("work", &["push", "--quiet", served, &pulls]);
        fixture.base = base;
        fixture.pulls[0] = pull;
        let with_sha = true;
        Case { fixture, with_sha }
    }

    fn spec(&self) -> String {
        let spec = self.fixture.job_spec(&[1]);
        if self.with_sha {
            return spec;
        }
        let sha = format!(",\"sha\":\"{}\"", self.fixture.pulls[0]);
        let without = spec.replace(&sha, "");
        assert_ne!(without, spec);
        without
    }

    fn ours(&self) -> Output {
        let mut command = self.fixture.checkout();
        command.env("JOB_SPEC", self.spec());
        command.output().unwrap()
    }

    /// `pkg/pod-utils/clone`, with the one pull request.
    fn prow(&self) -> (bool, String) {
        let Fixture { env, base, .. } = &self.fixture;
        let url = format!("{}/kubeflow/testing", self.fixture.server.url());
        env.git("", &["init", "--quiet", "prow"]);
        let git = |args: &[&str]| env.git("prow", args);
        git(&["fetch", "--quiet", &url, "--tags", "--prune"]);
        git(&["fetch", "--quiet", &url, base]);
        git(&["checkout", "--quiet", base]);
        git(&["branch", "--force", "main", base]);
        git(&["checkout", "--quiet", "main"]);
        let time = git(&["show", "-s", "--format=format:%ct", "HEAD"]);
        let date = (time.parse::<u64>().unwrap() + 1).to_string();
        let sha = self.fixture.pulls[0].as_str();
        let (fetched, merged) = if self.with_sha {
            (sha, sha)
        } else {
            ("pull/1/head", "FETCH_HEAD")
        };
        git(&["fetch", "--quiet", &url, fetched]);
        let mut merge = env.command(Path::new("git"));
        for who in ["AUTHOR", "COMMITTER"] {
            merge
                .env(format!("GIT_{who}_NAME"), "ci-robot")
                .env(format!("GIT_{who}_EMAIL"), "ci-robot@k8s.io")
                .env(format!("GIT_{who}_DATE"), &date);
        }
        let merge = merge
            .current_dir(env.path().join("prow"))
            .env("TZ", "UTC")
            .args(["merge", "--no-ff", merged])
            .output()
            .unwrap();
        (merge.status.success(), git(&["rev-parse", "HEAD"]))
    }

    /// Checks that both make the same commit, or both refuse.
    fn is_same(&self) {
        let ours = self.ours();
        let (merged, head) = self.prow();
        let stderr = e2e::text(&ours.stderr);
        assert_eq!(ours.status.success(), merged, "{stderr}");
        if merged {
            assert_eq!(self.fixture.head(), head);
            assert_eq!(self.fixture.git(&["status", "--porcelain"]), "");
        } else {
            assert!(stderr.contains("conflicts with main in"), "{stderr}");
        }
    }
}

fn lines(changed: &str) -> String {
    let line = |number: usize| match number {
        10 => changed.to_owned(),
        number => format!("line {number} of a file that is long enough\n"),
    };
    (0..20).map(line).collect()
}

#[test]
fn a_file_that_the_base_renamed_is_followed() {
    Case::new(
        |env| drop(env.write("work/old", lines("here\n"))),
        |env| drop(env.git("work", &["mv", "old", "new"])),
        |env| drop(env.write("work/old", lines("changed\n"))),
    )
    .is_same();
}

#[test]
fn a_folder_that_the_base_renamed_conflicts_with_a_new_file_in_it() {
    Case::new(
        |env| {
            for name in ["a", "b", "c"] {
                env.write(format!("work/old/{name}"), lines(name));
            }
        },
        |env| drop(env.git("work", &["mv", "old", "new"])),
        |env| drop(env.write("work/old/d", "added\n")),
    )
    .is_same();
}

#[test]
fn attributes_say_how_files_are_merged() {
    let case = Case::new(
        |env| {
            env.write("work/docs/.gitattributes", "*.log merge=union\n");
            env.write("work/docs/x.log", "start\n");
        },
        |env| drop(env.write("work/docs/x.log", "start\nbase\n")),
        |env| drop(env.write("work/docs/x.log", "start\npull\n")),
    );
    case.is_same();
    let merged = "src/kubeflow/testing/docs/x.log";
    assert_eq!(case.fixture.env.read(merged), "start\nbase\npull\n");
}

#[test]
fn attributes_that_only_the_pull_request_has_are_not_those_of_the_merge() {
    Case::new(
        |env| drop(env.write("work/x.log", "start\n")),
        |env| drop(env.write("work/x.log", "start\nbase\n")),
        |env| {
            env.write("work/.gitattributes", "*.log merge=union\n");
            env.write("work/x.log", "start\npull\n");
        },
    )
    .is_same();
}

#[test]
fn a_file_that_one_deleted_and_the_other_changed_conflicts() {
    Case::new(
        |env| drop(env.write("work/file", lines("here\n"))),
        |env| drop(env.git("work", &["rm", "--quiet", "file"])),
        |env| drop(env.write("work/file", lines("changed\n"))),
    )
    .is_same();
}

#[test]
fn a_pull_request_on_top_of_its_base_is_merged_all_the_same() {
    let mut case = Case::new(|_| {}, |_| {}, |env| drop(env.write("work/x", "x\n")));
    let parent = format!("{}^", case.fixture.pulls[0]);
    case.fixture.base = case.fixture.env.git("work", &["rev-parse", &parent]);
    case.is_same();
    let parents = case.fixture.git(&["log", "-1", "--format=%P"]);
    assert_eq!(parents.split(' ').count(), 2);
}

#[test]
fn a_pull_request_that_is_merged_already_makes_no_commit() {
    let mut case = Case::new(|_| {}, |env| drop(env.write("work/x", "x\n")), |_| {});
    let merge = [
        "merge",
        "--quiet",
        "--no-ff",
        "-m",
        "m",
        &case.fixture.pulls[0],
    ];
    case.fixture.env.git("work", &merge);
    let served = "../served/kubeflow/testing.git";
    case.fixture
        .env
        .git("work", &["push", "--quiet", served, "main"]);
    case.fixture.base = case.fixture.env.git("work", &["rev-parse", "HEAD"]);
    case.is_same();
    assert_eq!(case.fixture.head(), case.fixture.base);
}

#[test]
fn a_pull_request_without_a_commit_is_merged_at_its_head() {
    let mut case = Case::new(
        |_| {},
        |env| drop(env.write("work/base", "b\n")),
        |env| drop(env.write("work/pull", "p\n")),
    );
    case.with_sha = false;
    case.is_same();
}

#[test]
fn links_modes_and_odd_names_come_out_as_they_are() {
    let case = Case::new(
        |_| {},
        |env| {
            env.write("work/run", "#!/bin/sh\n");
            env.git("work", &["add", "run"]);
            env.git("work", &["update-index", "--chmod=+x", "run"]);
            env.git("work", &["config", "core.fileMode", "false"]);
            std::os::unix::fs::symlink("run", env.path().join("work/link")).unwrap();
            env.write("work/name with\nnewline", "n\n");
        },
        |env| drop(env.write("work/pull", "p\n")),
    );
    case.is_same();
    let link = std::fs::read_link(case.fixture.folder().join("link")).unwrap();
    assert_eq!(link, Path::new("run"));
    let mode = case.fixture.git(&["ls-files", "--stage", "run"]);
    assert!(mode.starts_with("100755"), "{mode}");
}

#[test]
fn a_commit_that_was_pushed_away_is_an_error() {
    let case = Case::new(|_| {}, |_| {}, |env| drop(env.write("work/x", "x\n")));
    let env = &case.fixture.env;
    // The server still gives the old commit away, by its id.
    let served = "served/kubeflow/testing.git";
    env.git(
        served,
        &["update-ref", "refs/keep/1", &case.fixture.pulls[0]],
    );
    env.git(
        served,
        &["update-ref", "refs/pull/1/head", &case.fixture.base],
    );
    let output = case.ours();
    let stderr = e2e::text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let said = format!(
        "commit {} is not in pull request 1 any more",
        case.fixture.pulls[0]
    );
    assert!(
        stderr.contains(&said) && stderr.contains("force-pushed"),
        "{stderr}"
    );
    // One that was only pushed to has the commit in its history.
    let newer = [
        "commit-tree",
        "-p",
        &case.fixture.pulls[0],
        "-m",
        "newer",
        "HEAD^{tree}",
    ];
    let newer = env.git("work", &newer);
    let push = format!("+{newer}:refs/pull/1/head");
    env.git(
        "work",
        &["push", "--quiet", "../served/kubeflow/testing.git", &push],
    );
    let mut command = case.fixture.checkout();
    command.env("JOB_SPEC", case.spec());
    succeed(command);
    case.fixture.git(&[
        "merge-base",
        "--is-ancestor",
        &case.fixture.pulls[0],
        "HEAD",
    ]);
}
