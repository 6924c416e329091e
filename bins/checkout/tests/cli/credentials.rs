//! Who checkout is to the servers, and that nobody else learns it.

use std::process::Output;
use std::sync::{Arc, Mutex};

use crate::fixture::{Fixture, contents, processes, succeed};
use e2e::GitHttpServer;

const TOKEN: &str = "ghs_0123456789";

/// A server that serves who has the token.
fn guarded(fixture: &Fixture) -> GitHttpServer {
    let server = fixture.http();
    server.accept_only(&[GitHttpServer::basic("x-access-token", TOKEN)]);
    server
}

/// What was asked for with credentials, and what without.
fn asked(server: &GitHttpServer) -> (usize, usize) {
    let requests = server.requests();
    let with = |request: &&e2e::http::Request| request.header("Authorization").is_some();
    let with = requests.iter().filter(with).count();
    (with, requests.len() - with)
}

fn denied(output: &Output) -> String {
    let stderr = e2e::text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("the server wants other credentials"),
        "{stderr}"
    );
    assert!(!stderr.contains("trying again"), "{stderr}");
    stderr
}

#[test]
fn a_token_of_a_file_reaches_the_server_and_nobody_else() {
    let fixture = Fixture::new();
    let server = guarded(&fixture);
    let file = fixture.env.write("secrets/token", format!("{TOKEN}\n"));
    // A person's helper that would write down whatever it is told to store.
    fixture
        .env
        .write("home/.gitconfig", "[credential]\nhelper = store\n");
    let seen = Arc::new(Mutex::new(String::new()));
    let (all, folder) = (seen.clone(), fixture.env.path().to_owned());
    server.observe(move |_| *all.lock().unwrap() += &processes(&folder));
    let mut command = fixture.job(&[1]);
    command.env("GIT_BASE_URL", server.url());
    command.env("GITHUB_TOKEN_FILE", &file);
    command.env("LOG_LEVEL", "debug");
    command.args(["--records", "out/records.json"]);
    let output = succeed(command);
    assert_eq!(fixture.files(), ["README", "first"]);
    let seen = seen.lock().unwrap().clone();
    assert!(seen.contains("git-remote-http") && seen.contains("CHECKOUT_CREDENTIAL_SOCKET"));
    std::fs::remove_file(&file).unwrap();
    let encoded = GitHttpServer::basic("x-access-token", TOKEN);
    for text in [
        seen,
        e2e::text(&output.stderr),
        e2e::text(&output.stdout),
        contents(&fixture.env, "src"),
        contents(&fixture.env, "out"),
        contents(&fixture.env, "home"),
    ] {
        assert!(!text.contains(TOKEN) && !text.contains(&encoded[6..]));
    }
    assert!(contents(&fixture.env, "src").contains("origin"));
    assert_eq!(
        fixture
            .env
            .read("src/kubeflow/testing/.git/config")
            .find("credential"),
        None
    );
}

#[test]
fn a_token_of_the_variable_works_and_a_wrong_one_is_not_tried_again() {
    let fixture = Fixture::new();
    let server = guarded(&fixture);
    let run = |token: &str| {
        let mut command = fixture.job(&[1]);
        command.env("GIT_BASE_URL", server.url());
        command.env("GITHUB_TOKEN", token);
        // One request at a time, so that they can be counted.
        command.args(["--filter", "blob:none"]);
        command
    };
    let said = denied(&run("ghs_wrong").output().unwrap());
    assert!(said.contains("Authentication failed"), "{said}");
    assert!(!said.contains("ghs_wrong"), "{said}");
    assert_eq!(asked(&server), (1, 1));
    succeed(run(TOKEN));
    let mut without = fixture.checkout();
    without.arg("--repos=kubeflow/testing@v1.0");
    without.env("GIT_BASE_URL", server.url());
    denied(&without.output().unwrap());
}

#[test]
fn each_host_gets_its_own_login_and_no_other() {
    let fixture = Fixture::new();
    let (one, other) = (fixture.http(), fixture.http());
    one.accept_only(&[GitHttpServer::basic("x-access-token", TOKEN)]);
    other.accept_only(&[GitHttpServer::basic("me", "pass:word")]);
    let login = fixture.env.write("login", "me:pass:word");
    let refs = |server: &GitHttpServer, alias: &str| {
        serde_json::json!({"org": "o", "repo": alias, "base_ref": "main",
            "clone_uri": format!("{}/kubeflow/testing.git", server.url())})
    };
    let spec = serde_json::json!({"type": "periodic", "job": "j", "buildid": "1",
        "extra_refs": [refs(&one, "one"), refs(&other, "other")]});
    let mut command = fixture.checkout();
    command.env("JOB_SPEC", spec.to_string());
    command.env("GIT_BASE_URL", one.url());
    command.env("GITHUB_TOKEN", TOKEN);
    command.env(
        "TOKEN_FILES",
        format!("{}={}", other.address(), login.display()),
    );
    succeed(command);
    let given = |server: &GitHttpServer| {
        let mut given: Vec<String> = server
            .requests()
            .iter()
            .filter_map(|request| Some(request.header("Authorization")?.to_owned()))
            .collect();
        given.dedup();
        given
    };
    assert_eq!(given(&one), [GitHttpServer::basic("x-access-token", TOKEN)]);
    assert_eq!(given(&other), [GitHttpServer::basic("me", "pass:word")]);
}

#[test]
fn credentials_in_a_url_reach_the_server_and_no_command_line() {
    let fixture = Fixture::new();
    let server = fixture.http();
    server.accept_only(&[GitHttpServer::basic("me", "pass-37@x")]);
    let seen = Arc::new(Mutex::new(String::new()));
    let (all, folder) = (seen.clone(), fixture.env.path().to_owned());
    server.observe(move |_| *all.lock().unwrap() += &processes(&folder));
    let uri = format!(
        "http://me:pass-37%40x@{}/kubeflow/testing",
        server.address()
    );
    let spec = fixture.job_spec(&[1]).replace(
        "\"base_ref\"",
        &format!("\"clone_uri\": \"{uri}\", \"base_ref\""),
    );
    // The job itself is in a variable, which the program and its children have from Prow.
    let mut command = fixture.checkout();
    command.env("JOB_SPEC", &spec);
    command.args(["--records", "out/records.json"]);
    let output = succeed(command);
    let seen = seen.lock().unwrap().replace(&spec, "");
    for text in [
        seen,
        e2e::text(&output.stderr),
        contents(&fixture.env, "src"),
        contents(&fixture.env, "out"),
    ] {
        assert!(!text.contains("pass-37"), "{text}");
    }
    assert!(contents(&fixture.env, "out").contains(server.address()));
}

#[test]
fn tokens_are_not_sent_in_the_open() {
    let fixture = Fixture::new();
    let mut command = fixture.checkout();
    command.args([
        "--repos=kubeflow/testing",
        "--git-base-url=http://example.invalid",
    ]);
    command.env("GITHUB_TOKEN", TOKEN);
    let output = command.output().unwrap();
    let stderr = e2e::text(&output.stderr);
    assert!(
        stderr.contains("GitHub credentials are not used"),
        "{stderr}"
    );
}

#[test]
fn secrets_that_cannot_be_read_are_wrong_usage() {
    let fixture = Fixture::new();
    let empty = fixture.env.write("empty", "\n").display().to_string();
    for args in [
        vec!["--github-token-file=missing"],
        vec!["--github-token-file", &empty],
        vec!["--token-file=no-file"],
        vec!["--token-file=h/x=missing"],
        vec!["--ssh-key=missing"],
        vec!["--known-hosts=missing"],
        vec!["--github-app-id=1"],
        vec!["--github-app-id=1", "--github-app-private-key-file", &empty],
    ] {
        let mut command = fixture.checkout();
        command.args(["--repos=kubeflow/testing"]).args(&args);
        let output = command.output().unwrap();
        let stderr = e2e::text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(!fixture.folder().exists(), "{args:?}");
    }
}

#[test]
fn a_later_step_reads_with_the_helper_of_its_own() {
    let fixture = Fixture::new();
    let server = guarded(&fixture);
    let mut command = fixture.env.command(std::path::Path::new("git"));
    let helper = format!("!{} credential", e2e::binary("checkout").display());
    command
        .args(["-c", &format!("credential.helper={helper}"), "ls-remote"])
        .arg(format!("{}/kubeflow/testing", server.url()))
        .env("GITHUB_TOKEN", TOKEN)
        .env("GIT_BASE_URL", server.url());
    let output = command.output().unwrap();
    assert!(
        e2e::text(&output.stdout).contains("refs/heads/main"),
        "{output:?}"
    );
}
