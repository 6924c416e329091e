//! What networks and overloaded servers do, done on the wire, with real git at both ends.

use std::process::Output;

use crate::fixture::{Fixture, commit};
use e2e::{Fault, FaultProxy, GitHttpServer, GitServer, Serving};

/// A repository whose last commit takes 300 kB on the wire.
fn with_bulk() -> Fixture {
    let mut fixture = Fixture::new();
    let mut state = 1_u64;
    let noise = (0..300_000).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
    });
    let noise = noise.collect::<String>();
    fixture.env.write("work/bulk", noise);
    fixture.base = commit(&fixture.env, "README", "three\n");
    let served = "../served/kubeflow/testing.git";
    fixture
        .env
        .git("work", &["push", "--quiet", served, "main"]);
    fixture
}

fn run(fixture: &Fixture, url: &str) -> Output {
    let _ = std::fs::remove_dir_all(fixture.env.path().join("src"));
    let mut command = fixture.job(&[1]);
    command.env("GIT_BASE_URL", url);
    // One transfer, so that it is known which one the fault hits.
    command.args(["--stall-timeout=1s", "--filter=none"]);
    command.output().unwrap()
}

/// Checks that it worked in the end, after so many further tries.
fn came_through(fixture: &Fixture, what: &str, output: &Output, tries: usize) {
    let stderr = e2e::text(&output.stderr);
    assert!(output.status.success(), "{what}: {stderr}");
    assert_eq!(
        stderr.matches("trying again in").count(),
        tries,
        "{what}: {stderr}"
    );
    assert_eq!(fixture.files(), ["README", "bulk", "first"], "{what}");
    fixture.git(&["fsck", "--connectivity-only"]);
}

#[test]
fn a_transfer_that_is_cut_is_tried_again() {
    let fixture = with_bulk();
    let http = fixture.http();
    for (scheme, address, bytes) in [
        ("git", fixture.server.address(), 0),
        ("git", fixture.server.address(), 40),
        ("git", fixture.server.address(), 150),
        ("git", fixture.server.address(), 100_000),
        ("http", http.address().to_owned(), 0),
        ("http", http.address().to_owned(), 330),
    ] {
        let proxy = FaultProxy::start(&address, [Fault::CutAfter(bytes)]);
        let output = run(&fixture, &proxy.url(scheme));
        came_through(
            &fixture,
            &format!("{scheme} after {bytes} bytes"),
            &output,
            1,
        );
    }
    // Over http the pack is the third answer.
    let pack = [Fault::Pass, Fault::Pass, Fault::CutAfter(100_000)];
    let proxy = FaultProxy::start(http.address(), pack);
    let output = run(&fixture, &proxy.url("http"));
    came_through(&fixture, "http in the pack", &output, 1);
}

#[test]
fn a_transfer_that_stalls_is_cut_and_tried_again() {
    let fixture = with_bulk();
    let http = fixture.http();
    for (scheme, address, bytes) in [
        ("git", fixture.server.address(), 10_000),
        ("git", fixture.server.address(), 0),
        ("http", http.address().to_owned(), 0),
    ] {
        let proxy = FaultProxy::start(&address, [Fault::StallAfter(bytes)]);
        let output = run(&fixture, &proxy.url(scheme));
        came_through(
            &fixture,
            &format!("{scheme} after {bytes} bytes"),
            &output,
            1,
        );
    }
}

#[test]
fn either_of_two_transfers_at_once_may_be_cut() {
    let fixture = with_bulk();
    for cut in [
        [Fault::CutAfter(0), Fault::Pass],
        [Fault::Pass, Fault::CutAfter(0)],
    ] {
        let proxy = FaultProxy::start(&fixture.server.address(), cut);
        let _ = std::fs::remove_dir_all(fixture.env.path().join("src"));
        let mut command = fixture.job(&[1]);
        command.env("GIT_BASE_URL", proxy.url("git"));
        let output = command.output().unwrap();
        let stderr = e2e::text(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert!(stderr.matches("trying again in").count() <= 1, "{stderr}");
        assert_eq!(fixture.files(), ["README", "bulk", "first"]);
        fixture.git(&["fsck", "--connectivity-only"]);
    }
}

#[test]
fn a_slow_transfer_is_left_alone() {
    let fixture = with_bulk();
    let proxy = FaultProxy::always(&fixture.server.address(), Fault::Slow(1500));
    let output = run(&fixture, &proxy.url("git"));
    came_through(&fixture, "slow", &output, 0);
}

#[test]
fn an_overloaded_server_is_asked_again() {
    let fixture = with_bulk();
    let http = fixture.http();
    for fault in [Fault::unavailable(), Fault::too_many_requests(1)] {
        let proxy = FaultProxy::start(http.address(), [fault]);
        let output = run(&fixture, &proxy.url("http"));
        came_through(&fixture, "once", &output, 1);
    }
    let proxy = FaultProxy::always(http.address(), Fault::unavailable());
    let output = run(&fixture, &proxy.url("http"));
    let stderr = e2e::text(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{stderr}");
    assert!(stderr.contains("503"), "{stderr}");
}

#[test]
fn what_is_not_there_is_asked_for_once() {
    let fixture = Fixture::new();
    let http = fixture.http();
    for repository in ["kubeflow/missing", "kubeflow/testing@missing"] {
        let proxy = FaultProxy::start(http.address(), [Fault::Pass; 0]);
        let mut command = fixture.checkout();
        command.args(["--repos", repository, "--git-base-url", &proxy.url("http")]);
        let output = command.output().unwrap();
        let stderr = e2e::text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(!stderr.contains("trying again"), "{stderr}");
    }
}

#[test]
fn a_server_that_can_do_less_serves_all_the_same() {
    let fixture = with_bulk();
    let served = fixture.env.path().join("served");
    let less = Serving {
        partial_clone: false,
        any_commit: false,
    };
    let git = GitServer::start_with(&fixture.env, &served, less);
    let http = GitHttpServer::start_with(&fixture.env, &served, less);
    for url in [git.url(), http.url()] {
        let output = run(&fixture, &url);
        came_through(&fixture, &url, &output, 0);
        assert_eq!(fixture.git(&["rev-list", "--count", "HEAD"]), "5");
    }
}
