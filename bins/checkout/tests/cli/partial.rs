//! What a checkout has of the history, and what a person can do in it.

use crate::fixture::{Fixture, commit, succeed};
use e2e::{GitServer, Serving};

/// What a person expects to work in a checkout of pull request 1 onto the third commit.
fn people_find_their_way(fixture: &Fixture, how: &str) {
    let git = |args: &[&str]| fixture.git(args);
    assert_eq!(git(&["status", "--porcelain"]), "", "{how}");
    let base = &fixture.base;
    assert_eq!(git(&["merge-base", "HEAD", "origin/main"]), *base, "{how}");
    let changed = git(&["diff", "--name-only", "origin/main..."]);
    assert_eq!(changed, "first", "{how}");
    let name = git(&["describe", "--tags"]);
    assert!(name.starts_with("v1.0-4-g"), "{how}: {name}");
    let log = git(&["log", "--format=%s", "--", "README"]);
    assert_eq!(log, "three\ntwo\none", "{how}");
    let log = git(&["log", "-p", "README"]);
    assert!(
        log.contains("-one\n+two") && log.contains("-two\n+three"),
        "{how}: {log}"
    );
    let blame = git(&["blame", "-s", "README"]);
    assert!(blame.ends_with("1) three"), "{how}: {blame}");
    assert_eq!(git(&["show", "v1.0:README"]), "one", "{how}");
}

/// One more commit on main that changes README.
fn move_on(fixture: &mut Fixture, content: &str) {
    fixture.base = commit(&fixture.env, "README", content);
    let served = "../served/kubeflow/testing.git";
    fixture
        .env
        .git("work", &["push", "--quiet", served, "main"]);
}

#[test]
fn the_history_comes_without_its_bulk_and_the_rest_on_demand() {
    let mut fixture = Fixture::new();
    // A commit between the base and what it is merged with: of no use to the merge.
    move_on(&mut fixture, "three\n");
    succeed(fixture.job(&[1]));
    // Its tree; what is in that cannot be seen.
    assert_eq!(fixture.missing(), 1);
    people_find_their_way(&fixture, "on demand");
    fixture.git(&["fetch", "--quiet"]);
    fixture.git(&["fsck"]);
}

#[test]
fn people_find_their_way_however_the_history_came() {
    let mut fixture = Fixture::new();
    move_on(&mut fixture, "three\n");
    let server = fixture.http();
    let folder = fixture.env.path().join("served");
    let local = folder.display().to_string();
    let (http, git) = (server.url(), fixture.server.url());
    let cache = ["--cache", "cache"].as_slice();
    for (how, url, args) in [
        ("by http", &http, [].as_slice()),
        ("without files", &git, &["--filter=blob:none"]),
        ("whole", &git, &["--filter=none"]),
        ("from this machine", &local, &[]),
        ("into the cache", &git, cache),
        ("from the cache", &git, cache),
        // The merge needs what the depth leaves out.
        ("a few commits", &git, &["--depth=1"]),
        ("some folders", &git, &["--sparse=docs"]),
    ] {
        let _ = std::fs::remove_dir_all(fixture.env.path().join("src"));
        let mut command = fixture.job(&[1]);
        command.env("GIT_BASE_URL", url).args(args);
        succeed(command);
        people_find_their_way(&fixture, how);
    }
}

#[test]
fn a_presubmit_takes_few_connections() {
    let fixture = Fixture::new();
    let proxy = e2e::FaultProxy::start(&fixture.server.address(), []);
    let mut command = fixture.job(&[1, 2]);
    command.env("GIT_BASE_URL", proxy.url("git"));
    succeed(command);
    // The commits, the files of the three commits, the tree of what they all come from.
    assert_eq!(proxy.connections(), 3);
}

#[test]
fn filters_are_as_asked_for() {
    let fixture = Fixture::new();
    let mut command = fixture.job(&[1]);
    command.arg("--filter=none");
    succeed(command);
    assert_eq!(fixture.missing(), 0);
    let _ = std::fs::remove_dir_all(fixture.folder());
    let mut command = fixture.job(&[1]);
    command.arg("--filter=blob:none");
    succeed(command);
    let listed = fixture.git(&[
        "rev-list",
        "--objects",
        "--all",
        "--missing=print",
        "--filter=blob:none",
    ]);
    assert!(!listed.contains('?'), "{listed}");
    assert!(fixture.missing() > 0);
    let mut command = fixture.job(&[1]);
    let output = command.arg("--filter=--upload-pack=id").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_server_without_partial_clones_is_told_once_and_gives_everything() {
    let fixture = Fixture::new();
    let folder = fixture.env.path().join("served");
    let server = GitServer::start_with(
        &fixture.env,
        &folder,
        Serving {
            partial_clone: false,
            ..Serving::default()
        },
    );
    let run = || {
        let mut command = fixture.job(&[1]);
        command.env("GIT_BASE_URL", server.url());
        e2e::text(&succeed(command).stderr)
    };
    let said = run();
    assert_eq!(said.matches("gives no partial clones").count(), 1, "{said}");
    assert_eq!(fixture.missing(), 0);
    // A later fetch does not ask for it again.
    let said = fixture
        .env
        .command(std::path::Path::new("git"))
        .current_dir(fixture.folder())
        .arg("fetch")
        .output()
        .unwrap();
    assert!(!e2e::text(&said.stderr).contains("filter"));
}

#[test]
fn only_some_folders_are_checked_out() {
    let mut fixture = Fixture::new();
    fixture.env.write("work/docs/deep/a", "a\n");
    fixture.env.write("work/code/b", "b\n");
    fixture.base = commit(&fixture.env, "top", "t\n");
    let served = "../served/kubeflow/testing.git";
    fixture
        .env
        .git("work", &["push", "--quiet", served, "main"]);
    let mut command = fixture.job(&[1]);
    command.args(["--sparse", "docs/deep/"]);
    succeed(command);
    assert_eq!(fixture.files(), ["README", "docs", "first", "top"]);
    assert_eq!(fixture.env.read("src/kubeflow/testing/docs/deep/a"), "a\n");
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
    for folder in ["../up", "-x", "a//b", "a/./b"] {
        let mut command = fixture.job(&[1]);
        command.arg(format!("--sparse={folder}"));
        assert_eq!(command.output().unwrap().status.code(), Some(2), "{folder}");
    }
}

#[test]
fn a_tag_of_what_the_filter_leaves_out_is_there() {
    for (object, filter) in [
        ("main^{tree}", &[][..]),
        ("main^{tree}", &["--cache=cache"]),
        ("main:README", &[]),
        ("main:README", &["--filter=blob:none"]),
    ] {
        let fixture = Fixture::new();
        let run = || {
            let mut command = fixture.job(&[1]);
            command.args(filter);
            succeed(command);
        };
        let tag = |name: &str, object: &str| {
            let served = "served/kubeflow/testing.git";
            fixture.env.git(served, &["tag", name, object]);
            fixture.env.git(served, &["rev-parse", name])
        };
        let id = tag("odd", object);
        run();
        assert_eq!(fixture.git(&["rev-parse", "odd"]), id, "{object}");
        assert_eq!(fixture.files(), ["README", "first"]);
        fixture.git(&["fsck", "--connectivity-only"]);
        fixture.git(&["gc", "--quiet"]);
        assert_eq!(fixture.git(&["show", "v1.0:README"]), "one");
        // A partial clone that gets to know of such a tag later.
        std::fs::remove_dir_all(fixture.folder()).unwrap();
        fixture
            .env
            .git("served/kubeflow/testing.git", &["tag", "--delete", "odd"]);
        run();
        tag("later", &object.replace("main", "v1.0"));
        let mut command = fixture.job(&[2]);
        command.args(filter);
        succeed(command);
        assert_eq!(fixture.files(), ["README", "second"]);
        fixture.git(&["fsck", "--connectivity-only"]);
        fixture.git(&["gc", "--quiet"]);
        assert_eq!(fixture.git(&["show", "v1.0:README"]), "one");
    }
}
