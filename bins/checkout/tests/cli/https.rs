//! Servers of https, and those that want a cookie.

use crate::fixture::{Fixture, contents, succeed};
use e2e::{GitHttpServer, TlsProxy};

const TOKEN: &str = "ghs_0123456789";

#[test]
fn a_server_of_https_is_known_by_the_authority_that_git_is_told_of() {
    let fixture = Fixture::new();
    let server = fixture.http();
    server.accept_only(&[GitHttpServer::basic("x-access-token", TOKEN)]);
    let proxy = TlsProxy::start(&fixture.env, server.address());
    let job = |src: &str| {
        let mut command = fixture.env.bin("checkout");
        command.args(["--src-dir", src, "--git-base-url", &proxy.url()]);
        command.env("JOB_SPEC", fixture.job_spec(&[1]));
        command.env("GITHUB_TOKEN", TOKEN);
        command
    };
    let output = job("unknown").output().unwrap();
    let stderr = e2e::text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("certificate"), "{stderr}");
    assert!(!stderr.contains("trying again"), "{stderr}");
    // Nothing was asked, and no token shown, before the certificate was known.
    assert_eq!(server.requests().len(), 0);

    let mut by_variable = job("variable");
    by_variable.env("GIT_SSL_CAINFO", proxy.certificate());
    succeed(by_variable);
    let config = format!("[http]\nsslCAInfo = {}\n", proxy.certificate().display());
    fixture.env.write("home/.gitconfig", config);
    succeed(job("settings"));
    for src in ["variable", "settings"] {
        let file = format!("{src}/kubeflow/testing/first");
        assert_eq!(fixture.env.read(file), "1\n");
    }
}

#[test]
fn cookies_of_a_file_reach_their_server_and_no_log() {
    let fixture = Fixture::new();
    let server = fixture.http();
    server.accept_only(&["session=cookie-value-42".to_owned()]);
    let cookies = fixture.env.write(
        "cookies",
        "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tcookie-value-42\n",
    );
    let job = || {
        let mut command = fixture.job(&[1]);
        command.env("GIT_BASE_URL", server.url());
        command.env("LOG_LEVEL", "debug");
        command.args(["--records", "out/records.json"]);
        command
    };
    let refused = job().output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let mut missing = job();
    missing.args(["--cookiefile", "missing"]);
    assert_eq!(missing.output().unwrap().status.code(), Some(2));
    let mut with_cookies = job();
    with_cookies.arg("--cookiefile").arg(&cookies);
    let output = succeed(with_cookies);
    assert_eq!(fixture.files(), ["README", "first"]);
    std::fs::remove_file(cookies).unwrap();
    for text in [
        e2e::text(&output.stderr),
        contents(&fixture.env, "src"),
        contents(&fixture.env, "out"),
    ] {
        assert!(!text.contains("cookie-value-42"), "{text}");
    }
}

#[test]
fn a_server_that_repeats_a_secret_puts_it_into_no_log() {
    let fixture = Fixture::new();
    let server = fixture.http();
    server.accept_only(&[GitHttpServer::basic("me", "pass-word-37")]);
    server
        .tell_the_refused("remote says: pass-word-37 and ghp_0123456789abcdefghijABCDEFGHIJ012345");
    let mut command = fixture.job(&[1]);
    command.env("GIT_BASE_URL", server.url());
    let login = fixture.env.write("login", "you:pass-word-37");
    let login = format!("{}={}", server.address(), login.display());
    command.args(["--token-file", &login]);
    command.args(["--records", "out/records.json", "--clone-log", "out/log"]);
    let output = command.output().unwrap();
    let stderr = e2e::text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for text in [stderr, contents(&fixture.env, "out")] {
        assert!(text.contains("remote says: XXXX"), "{text}");
        assert!(!text.contains("pass-word-37"), "{text}");
        assert!(!text.contains("ghp_0123"), "{text}");
    }
}
