//! What is in a work tree besides plain files: submodules, large files, modes, links, names.

use std::os::unix::fs::{PermissionsExt, symlink};

use crate::fixture::served::{add_submodule, commit_submodules, publish, serve};
use crate::fixture::{Fixture, succeed};
use e2e::GitHttpServer;
use serde_json::Value;

#[test]
fn submodules_are_fetched_recursively_by_relative_urls_and_with_the_same_credentials() {
    let fixture = Fixture::new();
    serve(&fixture, "o/deep", "deep", "deep\n");
    serve(&fixture, "o/sub", "sub", "sub\n");
    add_submodule(&fixture, "o/sub", "inner", "../deep.git", "o/deep");
    commit_submodules(&fixture, "o/sub");
    serve(&fixture, "o/top", "top", "top\n");
    add_submodule(&fixture, "o/top", "lib/one", "../sub.git", "o/sub");
    add_submodule(&fixture, "o/top", "lib/two", "../../o/deep", "o/deep");
    commit_submodules(&fixture, "o/top");
    let server = fixture.http();
    server.accept_only(&[GitHttpServer::basic("x-access-token", "ghs_secret")]);
    let run = |output: &str| {
        let mut command = fixture.checkout();
        command.args(["--repos=o/top", "--output", output]);
        command.env("GIT_BASE_URL", server.url());
        command.env("GITHUB_TOKEN", "ghs_secret");
        e2e::text(&succeed(command).stdout)
    };
    let text = run("text");
    for (file, content) in [
        ("top", "top\n"),
        ("lib/one/sub", "sub\n"),
        ("lib/one/inner/deep", "deep\n"),
        ("lib/two/deep", "deep\n"),
    ] {
        assert_eq!(fixture.env.read(format!("src/o/top/{file}")), content);
    }
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0].starts_with(' ') && lines[0].contains(" lib/one (heads/main)"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&run("json")).unwrap();
    let paths: Vec<_> = json[0]["submodules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["path"])
        .collect();
    assert_eq!(paths, ["lib/one", "lib/one/inner", "lib/two"]);
}

#[test]
fn a_submodule_from_a_place_that_a_pull_request_chose_runs_nothing_and_reads_no_file() {
    let fixture = Fixture::new();
    serve(&fixture, "o/deep", "deep", "deep\n");
    let marker = fixture.env.path().join("marker");
    let local = fixture.env.path().join("served/o/deep.git");
    for (nth, url) in [
        format!("ext::touch {}", marker.display()),
        format!("file://{}", local.display()),
        local.display().to_string(),
        "-u./touch".to_owned(),
        "ssh://-oProxyCommand=touch/x".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let name = format!("o/top{nth}");
        serve(&fixture, &name, "top", "top\n");
        add_submodule(&fixture, &name, "lib", url, "o/deep");
        commit_submodules(&fixture, &name);
        let mut command = fixture.checkout();
        command.args(["--repos", &name]);
        let output = command.output().unwrap();
        assert_ne!(output.status.code(), Some(0), "{url}");
        assert!(!marker.exists(), "{url}");
        assert!(
            !fixture
                .env
                .path()
                .join(format!("src/{name}/lib/deep"))
                .exists(),
            "{url}"
        );
    }
}

#[test]
fn credentials_are_not_shown_to_the_host_of_a_submodule() {
    let fixture = Fixture::new();
    let (ours, theirs) = (fixture.http(), fixture.http());
    ours.accept_only(&[GitHttpServer::basic("x-access-token", "ghs_secret")]);
    theirs.accept_only(&["nobody".to_owned()]);
    serve(&fixture, "o/deep", "deep", "deep\n");
    serve(&fixture, "o/top", "top", "top\n");
    let url = format!("{}/o/deep.git", theirs.url());
    add_submodule(&fixture, "o/top", "lib", &url, "o/deep");
    commit_submodules(&fixture, "o/top");
    let mut command = fixture.checkout();
    command.arg("--repos=o/top");
    command.env("GIT_BASE_URL", ours.url());
    command.env("GITHUB_TOKEN", "ghs_secret");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!theirs.requests().is_empty());
    for request in theirs.requests() {
        assert_eq!(request.header("Authorization"), None);
    }
}

/// A repository with a large file; gives the server that has it.
fn with_large_file(fixture: &Fixture) -> GitHttpServer {
    let server = fixture.http();
    let pointer = server.keep_large(&fixture.env, b"large content\n");
    serve(fixture, "o/large", "data.bin", &pointer);
    fixture.env.write(
        "repos/o/large/.gitattributes",
        "*.bin filter=lfs diff=lfs merge=lfs -text\n",
    );
    // The pointer itself is what is committed.
    publish(fixture, "o/large");
    server
}

#[test]
fn large_files_are_fetched_with_the_same_credentials() {
    let fixture = Fixture::new();
    let server = with_large_file(&fixture);
    server.accept_only(&[GitHttpServer::basic("x-access-token", "ghs_secret")]);
    let run = |token: &str| {
        let mut command = fixture.checkout();
        command.arg("--repos=o/large");
        command.env("GIT_BASE_URL", server.url());
        command.env("GITHUB_TOKEN", token);
        command
    };
    let output = succeed(run("ghs_secret"));
    assert_eq!(fixture.env.read("src/o/large/data.bin"), "large content\n");
    let stdout = e2e::text(&output.stdout);
    assert!(!stdout.contains("dirty"), "{stdout}");
    assert_eq!(
        fixture.env.git("src/o/large", &["status", "--porcelain"]),
        ""
    );
    assert!(!crate::fixture::contents(&fixture.env, "src").contains("ghs_secret"));
    // A second run over it finds settings that it knows.
    succeed(run("ghs_secret"));
}

/// A folder for PATH with what a checkout takes, and without git-lfs.
fn without_git_lfs(fixture: &Fixture) -> std::path::PathBuf {
    let tools = fixture.env.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    for tool in ["git", "sh"] {
        let path = std::env::var("PATH").unwrap();
        let mut places = path
            .split(':')
            .map(|folder| std::path::Path::new(folder).join(tool));
        symlink(
            places.find(|place| place.exists()).unwrap(),
            tools.join(tool),
        )
        .unwrap();
    }
    tools
}

#[test]
fn large_files_come_once_git_lfs_is_there_and_until_then_a_second_run_has_nothing_to_do() {
    let fixture = Fixture::new();
    let server = with_large_file(&fixture);
    let tools = without_git_lfs(&fixture);
    let sha = fixture.env.git("repos/o/large", &["rev-parse", "HEAD"]);
    let spec = format!(
        r#"{{"type": "postsubmit", "job": "j", "buildid": "1", "refs":
        {{"org": "o", "repo": "large", "base_ref": "main", "base_sha": "{sha}"}}}}"#
    );
    let run = |path: Option<&std::path::Path>| {
        let mut command = fixture.checkout();
        command
            .env("JOB_SPEC", &spec)
            .env("GIT_BASE_URL", server.url());
        if let Some(path) = path {
            command.env("PATH", path);
        }
        e2e::text(&succeed(command).stderr)
    };
    run(Some(&tools));
    let told = run(Some(&tools));
    assert!(told.contains("checked out already"), "{told}");
    assert_ne!(fixture.env.read("src/o/large/data.bin"), "large content\n");
    run(None);
    assert_eq!(fixture.env.read("src/o/large/data.bin"), "large content\n");
    let told = run(None);
    assert!(told.contains("checked out already"), "{told}");
}

#[test]
fn large_files_are_named_where_git_lfs_is_not_there() {
    let fixture = Fixture::new();
    let server = with_large_file(&fixture);
    let tools = without_git_lfs(&fixture);
    // What `git lfs install` leaves in the settings of a person, and does not take along.
    let set_up = "[filter \"lfs\"]\nclean = git-lfs clean -- %f\nsmudge = git-lfs smudge -- %f\n\
                  process = git-lfs filter-process\nrequired = true\n";
    for settings in ["", set_up] {
        let _ = std::fs::remove_dir_all(fixture.env.path().join("src"));
        fixture.env.write("home/.gitconfig", settings);
        let run = || {
            let mut command = fixture.checkout();
            command.arg("--repos=o/large");
            command
                .env("GIT_BASE_URL", server.url())
                .env("PATH", &tools);
            succeed(command)
        };
        let stderr = e2e::text(&run().stderr);
        assert_eq!(
            stderr.matches("git-lfs is not installed here").count(),
            1,
            "{stderr}"
        );
        assert!(
            fixture
                .env
                .read("src/o/large/data.bin")
                .starts_with("version https://git-lfs")
        );
        // A second run looks for changes, through the filter.
        run();
    }
}

#[test]
fn modes_links_and_clashing_names_are_as_they_were_committed() {
    let fixture = Fixture::new();
    serve(&fixture, "o/files", "script", "#!/bin/sh\n");
    let folder = fixture.env.path().join("repos/o/files");
    std::fs::set_permissions(folder.join("script"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("script", folder.join("link")).unwrap();
    symlink("/nonexistent", folder.join("absolute")).unwrap();
    for name in ["Makefile", "makefile", "Docs/a", "docs/b"] {
        fixture.env.write(format!("repos/o/files/{name}"), name);
    }
    publish(&fixture, "o/files");
    let mut command = fixture.checkout();
    command.arg("--repos=o/files");
    let output = succeed(command);
    let made = fixture.env.path().join("src/o/files");
    let bits = std::fs::metadata(made.join("script"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(bits & 0o111, 0o111);
    assert_eq!(
        std::fs::read_link(made.join("link")).unwrap(),
        std::path::Path::new("script")
    );
    assert_eq!(
        std::fs::read_link(made.join("absolute")).unwrap(),
        std::path::Path::new("/nonexistent")
    );
    let stderr = e2e::text(&output.stderr);
    assert!(
        stderr.contains("names that differ in case only: Docs and docs, Makefile and makefile"),
        "{stderr}"
    );
    assert_eq!(
        fixture.env.git("src/o/files", &["status", "--porcelain"]),
        ""
    );
}
