//! The servers of the harness do what they are for.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot do its work fails by a panic"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use e2e::http::{self, HttpServer};
use e2e::{Fault, FaultProxy, GitHttpServer, Serving, TestEnvironment};

fn repository(env: &TestEnvironment) {
    env.git("", &["init", "--quiet", "work"]);
    env.write("work/file", "content\n".repeat(1000));
    env.git("work", &["add", "file"]);
    env.git("work", &["commit", "--quiet", "--message=one"]);
    env.git(
        "",
        &["clone", "--quiet", "--bare", "work", "served/o/r.git"],
    );
}

/// Whether git can clone; with what it said.
fn clone(env: &TestEnvironment, url: &str, args: &[&str]) -> (bool, String) {
    let _ = std::fs::remove_dir_all(env.path().join("clone"));
    let output = env
        .command(Path::new("git"))
        .env("GIT_TERMINAL_PROMPT", "0")
        .args(["clone", "--bare"])
        .args(args)
        .args([&format!("{url}/o/r"), "clone"])
        .output()
        .unwrap();
    (output.status.success(), e2e::text(&output.stderr))
}

#[test]
fn git_clones_over_http_in_part_where_the_server_allows_it() {
    let env = TestEnvironment::new();
    repository(&env);
    let served = env.path().join("served");
    let partial = GitHttpServer::start(&env, &served);
    let whole = GitHttpServer::start_with(
        &env,
        &served,
        Serving {
            partial_clone: false,
            any_commit: false,
        },
    );
    for (server, blobs) in [(&partial, 0), (&whole, 1)] {
        let (cloned, said) = clone(&env, &server.url(), &["--filter=blob:none"]);
        assert!(cloned, "{said}");
        let types = [
            "cat-file",
            "--batch-all-objects",
            "--batch-check=%(objecttype)",
        ];
        let types = env.git("clone", &types);
        assert_eq!(types.matches("blob").count(), blobs, "{types}");
    }
}

#[test]
fn a_git_server_with_passwords_serves_only_who_has_one() {
    let env = TestEnvironment::new();
    repository(&env);
    let server = GitHttpServer::start(&env, &env.path().join("served"));
    server.accept_only(&[GitHttpServer::basic("me", "secret"), "Bearer t".to_owned()]);
    assert!(!clone(&env, &server.url(), &[]).0);
    let with_user = server.url().replace("//", "//me:secret@");
    assert!(clone(&env, &with_user, &[]).0);
    let bearer = ["--config", "http.extraHeader=Authorization: Bearer t"];
    assert!(clone(&env, &server.url(), &bearer).0);
    assert!(server.requests()[0].header("Authorization").is_none());
}

/// What arrives of an answer, and whether the connection ended within 300 ms.
fn get(address: &str) -> (String, bool) {
    let mut connection = TcpStream::connect(address).unwrap();
    let request = "GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n";
    let _ = connection.write_all(request.as_bytes());
    connection
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut arrived = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        match connection.read(&mut buffer) {
            Ok(0) => return (e2e::text(&arrived), true),
            Ok(read) => arrived.extend_from_slice(&buffer[..read]),
            Err(error) => {
                let open = error.kind() == std::io::ErrorKind::WouldBlock;
                return (e2e::text(&arrived), !open);
            }
        }
    }
}

#[test]
fn each_connection_meets_its_fault() {
    let server = HttpServer::start(std::sync::Arc::new(|request, connection| {
        http::answer(connection, "200 OK", &[], request.query.as_bytes())
    }));
    let proxy = FaultProxy::start(
        server.address(),
        [
            Fault::Close,
            Fault::unavailable(),
            Fault::too_many_requests(7),
            Fault::CutAfter(15),
            Fault::StallAfter(15),
            Fault::Slow(4),
        ],
    );
    let next = || get(proxy.address());
    assert_eq!(next(), (String::new(), true));
    assert!(next().0.starts_with("HTTP/1.1 503 "));
    assert!(next().0.contains("Retry-After: 7\r\n"));
    assert_eq!(next(), ("HTTP/1.1 200 OK".to_owned(), true));
    assert_eq!(next(), ("HTTP/1.1 200 OK".to_owned(), false));
    for _ in 0..2 {
        assert!(next().0.ends_with("\r\n\r\nb"));
    }
    assert_eq!(proxy.connections(), 7);
    // One that was cut or stalled had reached the server; an answered one had not.
    assert_eq!(server.requests().len(), 4);
    proxy.set([Fault::Close]);
    assert_eq!(get(proxy.address()), (String::new(), true));
    assert!(get(proxy.address()).0.ends_with('b'));
}
