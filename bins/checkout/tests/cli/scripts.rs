//! The scripts that checkout stands in for, and the lists of repositories.

use std::os::unix::fs::symlink;

use crate::fixture::{Fixture, commit, succeed};

/// The program under the name of a script, with the git server of the fixture.
fn script(fixture: &Fixture, name: &str) -> assert_cmd::Command {
    let link = fixture.env.path().join(name);
    if !link.exists() {
        symlink(e2e::binary("checkout"), &link).unwrap();
    }
    let mut command = assert_cmd::Command::from_std(fixture.env.command(&link));
    command.env("GIT_BASE_URL", fixture.server.url());
    command
}

/// Serves the fixture's repository under another name too.
fn serve_as(fixture: &Fixture, name: &str) {
    let served = format!("served/{name}.git");
    fixture.env.git(
        "",
        &[
            "clone",
            "--quiet",
            "--mirror",
            "served/kubeflow/testing.git",
            &served,
        ],
    );
}

#[test]
fn checkout_sh_takes_the_jobs_variables_and_tests_the_head_of_a_pull_request() {
    let fixture = Fixture::new();
    serve_as(&fixture, "kubeflow/other");
    let mut command = script(&fixture, "checkout.sh");
    command.arg("src").envs([
        ("REPO_OWNER", "kubeflow"),
        ("REPO_NAME", "testing"),
        ("JOB_NAME", "e2e"),
        ("PULL_NUMBER", "1"),
        ("PULL_PULL_SHA", &fixture.pulls[0]),
        ("PULL_BASE_SHA", &fixture.base),
        ("EXTRA_REPOS", "kubeflow/other@HEAD:2;kubeflow/testing@v1.0"),
    ]);
    let output = succeed(command);
    assert_eq!(fixture.head(), fixture.pulls[0]);
    let other = fixture
        .env
        .git("src/kubeflow/other", &["rev-parse", "HEAD"]);
    assert_eq!(other, fixture.pulls[1]);
    let stdout = e2e::text(&output.stdout);
    assert_eq!(stdout.matches(" is at v1.0-1-g").count(), 2, "{stdout}");
    let stderr = e2e::text(&output.stderr);
    assert!(
        stderr.contains("not at v1.0 as EXTRA_REPOS says"),
        "{stderr}"
    );
}

#[test]
fn checkout_sh_without_a_pull_request_takes_the_base_and_else_the_default_branch() {
    let fixture = Fixture::new();
    let start = fixture.env.git("work", &["rev-parse", "v1.0"]);
    for (sha, expected) in [(start.as_str(), &start), ("", &fixture.base)] {
        let mut command = script(&fixture, "checkout.sh");
        command.arg("src").envs([
            ("REPO_OWNER", "kubeflow"),
            ("REPO_NAME", "testing"),
            ("PULL_BASE_SHA", sha),
        ]);
        succeed(command);
        assert_eq!(fixture.head(), *expected);
    }
}

#[test]
fn checkout_repos_sh_takes_its_arguments_and_nothing_of_the_job() {
    let fixture = Fixture::new();
    serve_as(&fixture, "me/testing");
    serve_as(&fixture, "kubeflow/other");
    let mut command = script(&fixture, "checkout_repos.sh");
    let repos = format!(
        "--repos=me/testing@{}:1,kubeflow/other@v1.0",
        fixture.pulls[0]
    );
    command.args([&repos, "--src_dir=src", "--depth=2"]);
    command.arg("--links=me/testing=kubeflow/testing");
    command.envs([
        ("REPO_OWNER", "kubeflow"),
        ("REPO_NAME", "missing"),
        ("EXTRA_REPOS", "kubeflow/missing"),
    ]);
    succeed(command);
    let fork = |args: &[&str]| fixture.env.git("src/me/testing", args);
    assert_eq!(fork(&["rev-parse", "HEAD"]), fixture.pulls[0]);
    let link = std::fs::read_link(fixture.folder()).unwrap();
    assert_eq!(link, std::path::Path::new("../me/testing"));
    assert_eq!(fixture.head(), fixture.pulls[0]);
}

#[test]
fn scripts_refuse_what_they_do_not_know() {
    let fixture = Fixture::new();
    for (name, args) in [
        ("checkout.sh", &[][..]),
        ("checkout.sh", &["src", "more"]),
        ("checkout_repos.sh", &["--src_dir=src"]),
        ("checkout_repos.sh", &["--repos=o/r"]),
        (
            "checkout_repos.sh",
            &["--repos=o/r", "--src_dir=src", "--pr-mode=merge"],
        ),
    ] {
        let output = script(&fixture, name).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name} {args:?}");
        assert!(
            e2e::text(&output.stderr).contains("Usage: "),
            "{name} {args:?}"
        );
    }
}

#[test]
fn a_link_gives_way_to_a_newer_one_and_nothing_else_does() {
    let fixture = Fixture::new();
    let run = |links: &str| {
        let mut command = fixture.job(&[]);
        command.args(["--links", links]);
        command.output().unwrap().status.code()
    };
    symlink("nowhere", fixture.env.path().join("link")).unwrap();
    std::fs::create_dir(fixture.env.path().join("src")).unwrap();
    std::fs::rename(
        fixture.env.path().join("link"),
        fixture.env.path().join("src/a"),
    )
    .unwrap();
    assert_eq!(run("kubeflow/testing=a"), Some(0));
    assert_eq!(run("kubeflow/testing=a"), Some(0));
    assert_eq!(fixture.env.read("src/a/README"), "two\n");
    fixture.env.write("src/mine", "precious");
    assert_eq!(run("kubeflow/testing=mine"), Some(1));
    assert_eq!(fixture.env.read("src/mine"), "precious");
    // A link on the way leads somewhere else.
    assert_eq!(run("kubeflow/testing=a/b"), Some(1));
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_link_of_an_earlier_run_makes_no_repository_of_another() {
    let fixture = Fixture::new();
    for name in ["me/fork", "o/m", "o/last"] {
        serve_as(&fixture, name);
    }
    let run = |args: &[&str]| {
        let mut command = fixture.checkout();
        command.args(args).output().unwrap()
    };
    let link = ["--repos=me/fork", "--links=me/fork=o/m"];
    for _ in 0..2 {
        assert_eq!(run(&link).status.code(), Some(0));
    }
    let origin = fixture
        .env
        .git("src/me/fork", &["remote", "get-url", "origin"]);
    let output = run(&["--repos=o/last,me/fork,o/m"]);
    let stderr = e2e::text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("src/o/m leads to ../me/fork"), "{stderr}");
    let now = fixture
        .env
        .git("src/me/fork", &["remote", "get-url", "origin"]);
    assert_eq!(now, origin);
    assert!(!fixture.env.path().join("src/o/last").exists());
    std::fs::remove_file(fixture.env.path().join("src/o/m")).unwrap();
    assert_eq!(run(&["--repos=me/fork,o/m"]).status.code(), Some(0));
}

#[test]
fn repositories_of_the_default_list_are_added_where_nothing_names_them() {
    let fixture = Fixture::new();
    serve_as(&fixture, "kubeflow/other");
    let mut command = fixture.job(&[1]);
    command.env("DEFAULT_REPOS", "kubeflow/testing@v1.0,kubeflow/other@v1.0");
    succeed(command);
    assert_eq!(fixture.files(), ["README", "first"]);
    assert_eq!(fixture.env.read("src/kubeflow/other/README"), "one\n");
}

#[test]
fn a_branch_whose_name_reads_as_a_commit_is_found() {
    let fixture = Fixture::new();
    let served = "../served/kubeflow/testing.git";
    let push = |name: &str, commit: &str| {
        let refspec = format!("{commit}:refs/heads/{name}");
        fixture
            .env
            .git("work", &["push", "--quiet", served, &refspec]);
    };
    push("20200101", &fixture.base);
    // One that is the start of another commit's id as well.
    let start = fixture.env.git("work", &["rev-parse", "v1.0"]);
    let part = &start[..8];
    for (rev, expected) in [("20200101", &fixture.base), (part, &start)] {
        let mut command = fixture.checkout();
        command.arg(format!("--repos=kubeflow/testing@{rev}"));
        succeed(command);
        assert_eq!(fixture.head(), *expected, "{rev}");
    }
    push(part, &fixture.base);
    let mut command = fixture.checkout();
    command.arg(format!("--repos=kubeflow/testing@{part}"));
    succeed(command);
    assert_eq!(fixture.head(), fixture.base);
}

#[test]
fn a_space_in_the_clone_url_is_no_obstacle() {
    let fixture = Fixture::new();
    serve_as(&fixture, "my org/testing");
    commit(&fixture.env, "unused", "unused\n");
    let http = fixture.http();
    for base in [
        fixture.server.url(),
        http.url(),
        fixture.env.path().join("served").display().to_string(),
        format!("file://{}", fixture.env.path().join("served").display()),
    ] {
        let _ = std::fs::remove_dir_all(fixture.env.path().join("src"));
        let spec = fixture.job_spec(&[1]).replace(
            "\"base_ref\"",
            &format!("\"clone_uri\": \"{base}/my org/testing.git\", \"base_ref\""),
        );
        let mut command = fixture.checkout();
        command.env("JOB_SPEC", spec);
        succeed(command);
        assert_eq!(fixture.files(), ["README", "first"], "{base}");
    }
}
