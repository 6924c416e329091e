//! The changed files, in clones that lack a part of the history.

use e2e::TestEnvironment;

use crate::support::{CONFIG, commit, decisions, plan, prow, repository, run};

/// A clone of the repository as `clone/o/r`, at the branch `change`.
fn clone(test: &TestEnvironment, how: &[&str]) {
    for setting in ["uploadpack.allowAnySHA1InWant", "uploadpack.allowFilter"] {
        test.git("src/o/r", &["config", setting, "true"]);
    }
    let url = format!("file://{}", test.path().join("src/o/r").display());
    let whole = ["clone", "--quiet", "--branch=change"];
    test.git("", &[&whole[..], how, &[&url, "clone/o/r"]].concat());
}

/// submit-e2e in the clone, as a job of this type.
fn in_clone(test: &TestEnvironment, job_type: &str) -> assert_cmd::Command {
    let mut command = prow(test, job_type);
    command.env("SRC_DIR", test.path().join("clone"));
    command
}

/// That the clone's job knows what the change touches.
fn assert_known(command: &mut assert_cmd::Command, what: &str) {
    let [e2e, docs, _] = decisions(plan(command));
    assert_eq!(e2e, run("src/a.c matches src/*"), "{what}");
    assert_eq!(docs, run("docs/old.txt matches docs/*"), "{what}");
}

#[test]
fn a_shallow_clone_gets_the_history_that_it_lacks() {
    for job_type in ["presubmit", "batch", "postsubmit"] {
        let test = repository(CONFIG);
        clone(&test, &["--depth=1", "--no-single-branch"]);
        assert_known(&mut in_clone(&test, job_type), job_type);
    }
}

#[test]
fn a_shallow_clone_without_its_origin_runs_everything() {
    for job_type in ["presubmit", "postsubmit"] {
        let test = repository(CONFIG);
        clone(&test, &["--depth=1"]);
        test.git("clone/o/r", &["remote", "set-url", "origin", "/nowhere"]);
        let [e2e, _, _] = decisions(plan(&mut in_clone(&test, job_type)));
        assert!(
            e2e.0 && e2e.1.starts_with("the changed files are not known"),
            "{job_type}: {e2e:?}"
        );
    }
}

#[test]
fn a_partial_clone_needs_no_contents() {
    for filter in ["--filter=blob:none", "--filter=tree:0"] {
        let test = repository(CONFIG);
        clone(&test, &[filter]);
        assert_known(&mut in_clone(&test, "presubmit"), filter);
    }
}

#[test]
fn a_base_that_was_never_fetched_is_fetched_even_if_its_branch_is_gone() {
    let test = repository(CONFIG);
    clone(&test, &["--single-branch"]);
    // The base moves on to a commit that the clone has not seen.
    test.git("src/o/r", &["checkout", "--quiet", "main"]);
    test.write("src/o/r/later.txt", "later\n");
    commit(&test, "later");
    let mut command = in_clone(&test, "presubmit");
    assert_known(command.env("PULL_BASE_REF", "gone"), "a base that is gone");
}

#[test]
fn a_merge_commit_changes_what_it_brings_to_its_branch() {
    let test = repository(CONFIG);
    test.git("src/o/r", &["checkout", "--quiet", "main"]);
    test.write("src/o/r/src/0.c", "on the base\n");
    commit(&test, "later");
    test.git(
        "src/o/r",
        &["merge", "--quiet", "--no-ff", "--no-edit", "change"],
    );
    let mut command = prow(&test, "postsubmit");
    let merge = test.git("src/o/r", &["rev-parse", "main"]);
    // From the change: src/0.c, which comes first, was on the branch already.
    assert_known(command.env("PULL_BASE_SHA", merge), "a merge");
}
