//! Over ssh, with a real sshd.

use std::os::unix::fs::PermissionsExt;

use crate::fixture::{Fixture, contents, succeed};
use e2e::{Fault, FaultProxy, SshServer, make_key};

/// A checkout over ssh from this place.
fn checkout(fixture: &Fixture, server: &str) -> assert_cmd::Command {
    let mut command = fixture.job(&[1]);
    let base = fixture.env.path().join("served");
    command.env("GIT_BASE_URL", format!("{server}{}", base.display()));
    command
}

#[test]
fn a_key_opens_the_server_that_is_known() {
    let fixture = Fixture::new();
    let server = SshServer::start(&fixture.env);
    // As Kubernetes mounts a secret; ssh itself refuses such a key.
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(server.key(), mode).unwrap();
    let mut command = checkout(&fixture, &server.url());
    command.env("SSH_KEY_FILES", server.key());
    command.env("SSH_KNOWN_HOSTS", server.known_hosts());
    succeed(command);
    assert_eq!(fixture.files(), ["README", "first"]);
    // Nothing of it stays in the clone or in the home.
    for folder in ["src", "home"] {
        assert!(
            !contents(&fixture.env, folder).contains("ssh/client"),
            "{folder}"
        );
    }
}

#[test]
fn another_key_and_an_unknown_server_are_refused_at_once() {
    let fixture = Fixture::new();
    let server = SshServer::start(&fixture.env);
    let other = fixture.env.path().join("other");
    make_key(&fixture.env, &other, &["-t", "ed25519"]);
    let nobody = fixture.env.write("nobody", "");
    let known = server.known_hosts();
    for (key, known_hosts, message) in [
        (&other, &known, "Permission denied"),
        (&server.key(), &nobody, "Host key verification failed"),
    ] {
        let mut command = checkout(&fixture, &server.url());
        command.arg("--ssh-key").arg(key);
        command.arg("--known-hosts").arg(known_hosts);
        let output = command.output().unwrap();
        let stderr = e2e::text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
        assert!(!stderr.contains("trying again"), "{stderr}");
    }
}

#[test]
fn a_server_that_says_nothing_more_is_left_and_asked_again() {
    let fixture = Fixture::new();
    let server = SshServer::start(&fixture.env);
    let proxy = FaultProxy::start(&server.address(), [Fault::StallAfter(3000), Fault::Close]);
    let mut command = checkout(
        &fixture,
        &server.url().replace(&server.address(), proxy.address()),
    );
    // The server's key is known by the port of the server itself.
    let known = std::fs::read_to_string(server.known_hosts()).unwrap();
    let port = |address: &str| address.rsplit(':').next().unwrap().to_owned();
    let known = known.replace(&port(&server.address()), &port(proxy.address()));
    command
        .arg("--known-hosts")
        .arg(fixture.env.write("known", known));
    command.arg("--ssh-key").arg(server.key());
    // One transfer, so that it is known which one the fault hits.
    command.args(["--stall-timeout=1s", "--filter=none"]);
    let output = succeed(command);
    let stderr = e2e::text(&output.stderr);
    assert_eq!(stderr.matches("trying again").count(), 2, "{stderr}");
    assert_eq!(fixture.files(), ["README", "first"]);
}
