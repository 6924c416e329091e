//! The command line: help, bad input, what is printed and recorded.

use crate::fixture::{Fixture, succeed};
use e2e::TestEnvironment;
use serde_json::Value;

#[test]
fn help_shows_examples_and_every_flag() {
    let env = TestEnvironment::new();
    let output = env.bin("checkout").arg("--help").output().unwrap();
    let help = e2e::text(&output.stdout);
    assert!(output.status.success());
    for text in [
        "EXAMPLES",
        "EXIT CODES",
        "--src-dir",
        "--repos",
        "--extra-repos",
        "--depth",
        "--git-base-url",
        "--pr-mode",
        "--links",
        "--default-repos",
        "--records",
        "--clone-log",
        "--stall-timeout",
        "--github-token-file",
        "--github-app-id",
        "--github-app-private-key-file",
        "--github-api-url",
        "--token-file",
        "--cookiefile",
        "--ssh-key",
        "--known-hosts",
        "--output",
        "--dry-run",
        "SRC_DIR",
    ] {
        assert!(help.contains(text), "{text} is not in\n{help}");
    }
}

#[test]
fn nothing_to_check_out_is_wrong_usage() {
    let env = TestEnvironment::new();
    let output = env.bin("checkout").env("SRC_DIR", "src").output().unwrap();
    insta::assert_snapshot!(env.snapshot(&output), @r"
    status: 2
    ----- stdout
    ----- stderr
    [TIME] ERROR there is nothing to check out
        looked for refs and extra_refs in JOB_SPEC, for REPO_OWNER and REPO_NAME, and for repositories in --repos and --extra-repos (EXTRA_REPOS)
    ");
}

#[test]
fn bad_input_is_refused_before_anything_is_made() {
    let env = TestEnvironment::new();
    let spec = |refs: &str| {
        format!(
            r#"{{"type": "postsubmit", "job": "j", "buildid": "1", "refs": {{"org": "o", "repo": "r", {refs}}}}}"#
        )
    };
    let batch = r#""pulls": [{"number": 1}, {"number": 2}]"#;
    for (spec, args) in [
        (spec(r#""clone_uri": "ext::touch marker""#), vec![]),
        (spec(r#""clone_uri": "--upload-pack=touch marker""#), vec![]),
        (spec(r#""clone_uri": "-u""#), vec![]),
        (spec(r#""base_ref": "--upload-pack=x""#), vec![]),
        (spec(r#""base_ref": "a:b""#), vec![]),
        (spec(r#""base_sha": "main""#), vec![]),
        (spec(r#""path_alias": "../out""#), vec![]),
        (spec(r#""path_alias": "./""#), vec![]),
        (spec(r#""path_alias": "o/.git/r""#), vec![]),
        (spec(r#""path_alias": ".Git""#), vec![]),
        (String::new(), vec!["--repos=o/.git"]),
        (spec(r#""path_alias": "o/r/inside""#), vec!["--repos=o/r"]),
        (spec(batch), vec!["--pr-mode=head"]),
        (spec(r#""base_ref": "main""#), vec!["--repos=o/r@other"]),
        (String::new(), vec!["--repos=../r"]),
        (String::new(), vec!["--repos=o/.."]),
        (String::new(), vec!["--repos=o/r@-x"]),
        (String::new(), vec!["--extra-repos=o/r@HEAD:x"]),
        (String::new(), vec!["--repos=o/r", "--depth=0"]),
        (String::new(), vec!["--repos=o/r", "--depth=some"]),
        (String::new(), vec!["--repos=o/r", "--git-base-url=ftp://h"]),
        (String::new(), vec!["--repos=o/r", "--pr-mode=rebase"]),
        ("{".to_owned(), vec![]),
    ] {
        let output = env
            .bin("checkout")
            .env("JOB_SPEC", &spec)
            .args(["--src-dir", "src"])
            .args(&args)
            .output()
            .unwrap();
        let stderr = e2e::text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{spec} {args:?}: {stderr}");
        assert!(!env.path().join("src").exists(), "{spec} {args:?}");
        assert!(!env.path().join("marker").exists(), "{spec} {args:?}");
    }
}

#[test]
fn dry_run_prints_the_commands_and_makes_nothing() {
    let fixture = Fixture::new();
    let mut command = fixture.job(&[1]);
    command.args(["--dry-run", "--repos=kubeflow/testing,kubeflow/other@v2"]);
    let output = succeed(command);
    assert!(!fixture.env.path().join("src").exists());
    insta::assert_snapshot!(fixture.snapshot(&output), @r#"
    status: 0
    ----- stdout
    # kubeflow/testing@main:[BASE],1:[PULL 1] from [SERVER]/kubeflow/testing
    git -C [ROOT]/src/kubeflow/testing init --quiet '--template='  # in a new folder
    git -C [ROOT]/src/kubeflow/testing config --replace-all testworker.madeByCheckout true  # in a new folder, all settings at once
    git -C [ROOT]/src/kubeflow/testing config --replace-all remote.origin.url [SERVER]/kubeflow/testing  # in a new folder, all settings at once
    git -C [ROOT]/src/kubeflow/testing config --replace-all remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*'  # in a new folder, all settings at once
    git -C [ROOT]/src/kubeflow/testing config --replace-all core.repositoryFormatVersion 1  # in a new folder, all settings at once
    git -C [ROOT]/src/kubeflow/testing config --replace-all extensions.partialClone origin  # in a new folder, all settings at once
    git -C [ROOT]/src/kubeflow/testing config --replace-all remote.origin.promisor true  # in a new folder, all settings at once
    git -C [ROOT]/src/kubeflow/testing config --replace-all remote.origin.partialCloneFilter blob:none  # in a new folder, all settings at once
    git -C [ROOT]/src/kubeflow/testing/.git/test-worker-files fetch --quiet --update-shallow --no-tags --depth 1 --filter 'blob:limit=1024g' origin [BASE] [PULL 1]  # in a new folder, at the same time as the next
    git -C [ROOT]/src/kubeflow/testing fetch --quiet --update-shallow --tags --force --filter tree:0 origin +main:refs/remotes/origin/main +refs/pull/1/head:refs/remotes/pull/1/head
    git -C [ROOT]/src/kubeflow/testing fetch --quiet --update-shallow --no-tags --filter tree:0 origin [BASE]  # if [BASE] is not there yet
    git -C [ROOT]/src/kubeflow/testing fetch --quiet --update-shallow --no-tags --filter tree:0 origin [PULL 1]  # if [PULL 1] is not there yet
    git -C [ROOT]/src/kubeflow/testing fetch --quiet --update-shallow --no-tags --no-write-fetch-head --filter blob:none origin TREES_1  # if they are not there yet
    git -C [ROOT]/src/kubeflow/testing merge-tree --write-tree --name-only --no-messages -z [BASE] [PULL 1]
    git -C [ROOT]/src/kubeflow/testing commit-tree -p [BASE] -p [PULL 1] -m "Merge commit '[PULL 1]'" MERGED_TREE_1
    git -C [ROOT]/src/kubeflow/testing sparse-checkout disable  # if an earlier run wanted some folders
    git -C [ROOT]/src/kubeflow/testing checkout --quiet --detach MERGE_1 --
    git -C [ROOT]/src/kubeflow/testing submodule --quiet sync --recursive  # if an earlier run checked out submodules
    git -C [ROOT]/src/kubeflow/testing submodule update --init --recursive --jobs 8  # if there is a .gitmodules file
    git -C [ROOT]/src/kubeflow/testing lfs install --local --skip-repo --force  # if a .gitattributes file names Git LFS
    git -C [ROOT]/src/kubeflow/testing lfs pull  # if a .gitattributes file names Git LFS
    git -C [ROOT]/src/kubeflow/testing submodule foreach --recursive 'git lfs install --local --skip-repo --force && git lfs pull'  # if a submodule's .gitattributes file names Git LFS

    # kubeflow/other@v2 from [SERVER]/kubeflow/other
    git -C [ROOT]/src/kubeflow/other init --quiet '--template='  # in a new folder
    git -C [ROOT]/src/kubeflow/other config --replace-all testworker.madeByCheckout true  # in a new folder, all settings at once
    git -C [ROOT]/src/kubeflow/other config --replace-all remote.origin.url [SERVER]/kubeflow/other  # in a new folder, all settings at once
    git -C [ROOT]/src/kubeflow/other config --replace-all remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*'  # in a new folder, all settings at once
    git -C [ROOT]/src/kubeflow/other config --replace-all core.repositoryFormatVersion 1  # in a new folder, all settings at once
    git -C [ROOT]/src/kubeflow/other config --replace-all extensions.partialClone origin  # in a new folder, all settings at once
    git -C [ROOT]/src/kubeflow/other config --replace-all remote.origin.promisor true  # in a new folder, all settings at once
    git -C [ROOT]/src/kubeflow/other config --replace-all remote.origin.partialCloneFilter blob:none  # in a new folder, all settings at once
    git -C [ROOT]/src/kubeflow/other/.git/test-worker-files fetch --quiet --update-shallow --no-tags --depth 1 --filter 'blob:limit=1024g' origin v2  # in a new folder, at the same time as the next
    git -C [ROOT]/src/kubeflow/other fetch --quiet --update-shallow --tags --force --filter tree:0 origin +v2:refs/remotes/origin/v2
    git -C [ROOT]/src/kubeflow/other sparse-checkout disable  # if an earlier run wanted some folders
    git -C [ROOT]/src/kubeflow/other checkout --quiet --detach refs/remotes/origin/v2 --
    git -C [ROOT]/src/kubeflow/other submodule --quiet sync --recursive  # if an earlier run checked out submodules
    git -C [ROOT]/src/kubeflow/other submodule update --init --recursive --jobs 8  # if there is a .gitmodules file
    git -C [ROOT]/src/kubeflow/other lfs install --local --skip-repo --force  # if a .gitattributes file names Git LFS
    git -C [ROOT]/src/kubeflow/other lfs pull  # if a .gitattributes file names Git LFS
    git -C [ROOT]/src/kubeflow/other submodule foreach --recursive 'git lfs install --local --skip-repo --force && git lfs pull'  # if a submodule's .gitattributes file names Git LFS
    ----- stderr
    "#);
}

#[test]
fn the_result_is_a_line_or_json() {
    let fixture = Fixture::new();
    let output = succeed(fixture.job(&[]));
    insta::assert_snapshot!(e2e::text(&output.stdout).replace(
        &fixture.env.path().display().to_string(), "[ROOT]"), @r"
    [ROOT]/src/kubeflow/testing is at v1.0-1-gb9d6063
    ");
    let mut command = fixture.job(&[]);
    command.arg("--output=json");
    let output = succeed(command);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        json,
        serde_json::json!([{
            "org": "kubeflow", "repo": "testing", "dir": fixture.folder(),
            "sha": fixture.base, "describe": fixture.git(&["describe", "--tags", "--always"]),
            "submodules": [],
        }])
    );
}

#[test]
fn records_hold_what_was_run_as_prow_writes_it() {
    let fixture = Fixture::new();
    let mut command = fixture.job(&[1]);
    command.args(["--records", "out/clone-records.json"]);
    command.arg("--repos=kubeflow/missing");
    let output = command.output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        e2e::text(&output.stderr)
    );
    let records: Value = serde_json::from_str(&fixture.env.read("out/clone-records.json")).unwrap();
    let [good, bad] = records.as_array().unwrap().as_slice() else {
        panic!("{records}");
    };
    assert_eq!(good["refs"]["pulls"][0]["sha"], fixture.pulls[0].as_str());
    assert_eq!(good["failed"], false);
    assert_eq!(good["final_sha"], fixture.head().as_str());
    assert!(good["duration"].as_u64().unwrap() > 1_000_000);
    let commands = good["commands"].as_array().unwrap();
    let run = |what: &str| {
        let line = |command: &&Value| command["command"].as_str().unwrap().contains(what);
        commands.iter().find(line).unwrap()["output"].as_str()
    };
    assert_eq!(run("commit-tree"), Some(&*format!("{}\n", fixture.head())));
    let last = commands.last().unwrap()["command"].as_str().unwrap();
    assert!(last.contains("checkout --quiet --detach"), "{last}");
    assert_eq!(bad["failed"], true);
    let last = bad["commands"].as_array().unwrap().last().unwrap();
    assert_eq!(last["error"], "exit status 128");
    assert!(last["output"].as_str().unwrap().contains("not exported"));
}

#[test]
fn credentials_in_a_url_are_shown_nowhere() {
    let fixture = Fixture::new();
    let mut command = fixture.checkout();
    // Nothing listens there, so the request ends in an error that git words itself.
    let url = "http://robot:hunter2@127.0.0.1:1";
    command.args([
        "--repos=o/r",
        "--records=records.json",
        "--git-base-url",
        url,
    ]);
    command.env("LOG_LEVEL", "debug");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(75));
    let config = fixture.env.read("src/o/r/.git/config");
    let records = fixture.env.read("records.json");
    for text in [
        e2e::text(&output.stderr),
        e2e::text(&output.stdout),
        config,
        records,
    ] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn lists_name_repositories_by_branch_tag_commit_and_pull_request() {
    let fixture = Fixture::new();
    fixture.env.git("work", &["branch", "release", "v1.0"]);
    let start = fixture.env.git("work", &["rev-parse", "v1.0"]);
    let served = "../served/kubeflow/testing.git";
    fixture
        .env
        .git("work", &["push", "--quiet", served, "release"]);
    let (pull, base) = (&fixture.pulls[0], &fixture.base);
    for (rev, head, parents) in [
        (String::new(), base.as_str(), 1),
        ("@HEAD".into(), base, 1),
        ("@main".into(), base, 1),
        ("@release".into(), &start, 0),
        ("@v1.0".into(), &start, 0),
        (format!("@{start}"), &start, 0),
        (format!("@{}", &start[..10]), &start, 0),
        (format!("@{pull}"), pull, 1),
        ("@HEAD:1".into(), "", 2),
        (format!("@{pull}:1"), "", 2),
        (format!("@{}:1", &pull[..10]), "", 2),
    ] {
        let mut command = fixture.checkout();
        command.env("EXTRA_REPOS", format!("; kubeflow/testing{rev};"));
        succeed(command);
        let commit = fixture.git(&["rev-list", "--parents", "-1", "HEAD"]);
        let commits: Vec<&str> = commit.split(' ').collect();
        assert_eq!(commits.len() - 1, parents, "{rev}");
        if parents == 2 {
            assert_eq!(commits[1..], [base, pull], "{rev}");
        } else {
            assert_eq!(commits[0], head, "{rev}");
        }
    }
}

#[test]
fn several_repositories_and_an_alias_have_folders_of_their_own() {
    let fixture = Fixture::new();
    let served = "served/kubeflow/other.git";
    fixture
        .env
        .git("", &["clone", "--quiet", "--bare", "work", served]);
    let url = format!("{}/kubeflow/testing", fixture.server.url());
    let spec = serde_json::json!({
        "type": "periodic", "job": "nightly", "buildid": "1", "extra_refs": [
            {"org": "o", "repo": "r", "clone_uri": url, "path_alias": "k8s.io/alias"}
        ]
    });
    let mut command = fixture.checkout();
    command.env("JOB_SPEC", spec.to_string());
    command.args(["--repos", "kubeflow/testing,kubeflow/other", "--depth=1"]);
    let output = succeed(command);
    let stdout = e2e::text(&output.stdout);
    let folders: Vec<_> = stdout
        .lines()
        .map(|line| line.split(" is at ").next().unwrap())
        .collect();
    let src = fixture.env.path().join("src").display().to_string();
    assert_eq!(
        folders,
        ["k8s.io/alias", "kubeflow/testing", "kubeflow/other"].map(|name| format!("{src}/{name}"))
    );
    assert_eq!(fixture.git(&["rev-list", "--count", "HEAD"]), "1");
}

#[test]
fn a_git_that_is_too_old_is_refused_before_it_does_anything() {
    use std::os::unix::fs::PermissionsExt;
    let env = TestEnvironment::new();
    let script = "#!/bin/sh\n[ \"$1\" = version ] && echo git version 2.30.2 || : > \"$0.used\"\n";
    let git = env.write("old/git", script);
    std::fs::set_permissions(&git, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = env.bin("checkout");
    command.args(["--repos=o/r", "--src-dir=src"]);
    command.env("PATH", git.parent().unwrap());
    let output = command.output().unwrap();
    let stderr = e2e::text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("2.30.2"), "{stderr}");
    assert!(stderr.contains("git 2.38 or newer is needed"), "{stderr}");
    assert!(!git.with_extension("used").exists());
    assert!(!env.path().join("src").exists());
}
