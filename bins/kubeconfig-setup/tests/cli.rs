//! The command line: help, bad input, plans.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute only, not their helpers"
)]

mod support;

use std::process::Output;

use e2e::{TestEnvironment, text};
use support::{Google, command, zonal};

fn run(environment: &TestEnvironment, args: &[&str]) -> Output {
    command(environment).args(args).output().unwrap()
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let environment = TestEnvironment::new();
    for args in [&["--help"][..], &["get", "--help"]] {
        let output = run(&environment, args);
        assert!(output.status.success());
        let help = text(&output.stdout);
        for part in [
            "EXAMPLES:",
            "--pool 'kf-vmaster-n??' --lease",
            "EXIT CODES:",
        ] {
            assert!(help.contains(part), "{part:?} in {help}");
        }
    }
    let help = text(&run(&environment, &["get", "--help"]).stdout);
    assert!(help.contains("[aliases: --zone, --region]"), "{help}");
}

#[test]
fn wrong_usage_is_2_and_writes_nothing() {
    let environment = TestEnvironment::new();
    for (args, said) in [
        (&["get"][..], "--kubeconfig"),
        (&["get", "--kubeconfig=k"], "which project"),
        (&["get", "--kubeconfig=k", "--project=p"], "which cluster"),
        (
            &["get", "--kubeconfig=k", "--cluster=c", "--pool=p"],
            "cannot be used with",
        ),
        (
            &["get", "--kubeconfig=k", "--in-cluster"],
            "no pod of a cluster",
        ),
        (
            &[
                "get",
                "--kubeconfig=k",
                "--server=http://h",
                "--token-file=t",
            ],
            "no https:// URL",
        ),
        (
            &["get", "--kubeconfig=k", "--from-kubeconfig=none"],
            "none: No such file",
        ),
        (
            &[
                "get",
                "--kubeconfig=k",
                "--project=p",
                "--cluster=c",
                "--lease",
            ],
            "name them with --pool",
        ),
        (&["check", "--kubeconfig=none"], "none"),
        (&["check", "--kubeconfig=k", "--can=pods"], "VERB RESOURCE"),
        (&["token", "--user=x"], "--from-kubeconfig"),
        (&["token", "--lease=none"], "read the lease in none"),
        (&["list"], "which project"),
        (&["frobnicate"], "unrecognized subcommand"),
    ] {
        let output = run(&environment, args);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(said), "{args:?}: {said:?} in {error}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
    }
    assert!(!environment.path().join("k").exists());
}

#[test]
fn a_dry_run_says_what_it_would_do_and_asks_nobody() {
    let environment = TestEnvironment::new();
    let google = Google::with(vec![zonal("c")]);
    let plan = |args: &[&str]| {
        let mut command = google.command(&environment);
        let output = command
            .args(["get", "--dry-run", "--kubeconfig=/k"])
            .args(args)
            .output();
        text(&output.unwrap().stdout)
    };
    assert_eq!(
        plan(&["--project=p-1", "--zone=z", "--cluster=c", "--namespace=ci"]),
        "look up cluster c in z of project p-1\nuse namespace ci\nwrite its entry to /k\n"
    );
    let leased = plan(&[
        "--project=p-1",
        "--pool=kf-n??",
        "--lease",
        "--lease-at=kubernetes://ci",
        "--wait=1h",
        "--hold",
        "--holder=job",
    ]);
    let mut lines = leased.lines();
    let pool = "take the newest healthy cluster \"kf-n??\" of project p-1";
    assert_eq!(lines.next(), Some(pool));
    let lease = lines.next().unwrap();
    assert!(
        lease.starts_with("lease it at kubernetes://ci for 1m as job-"),
        "{lease}"
    );
    assert!(lease.ends_with(", waiting 1h for it"), "{lease}");
    assert!(google.requests().is_empty());
    assert!(!environment.path().join("k").exists());
}

#[test]
fn nothing_to_release_is_no_error() {
    let environment = TestEnvironment::new();
    let output = run(&environment, &["release", "--kubeconfig=k"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("no lease is noted beside k"));
}
