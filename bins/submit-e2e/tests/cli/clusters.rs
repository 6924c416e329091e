//! Which cluster a job takes, and what goes with none.

use e2e::{Gke, TestEnvironment, text};

use crate::support::{CONFIG, prow, repository};

const OF_GOOGLE: [&str; 3] = ["--project=p-1", "--zone=us-central1-a", "--cluster=c"];

/// The job on a cluster, with these arguments.
fn job(test: &TestEnvironment, google: Option<&Gke>, arguments: &[&str]) -> assert_cmd::Command {
    let mut command = prow(test, "presubmit");
    let bucket = format!("--bucket=file://{}", test.path().join("bucket").display());
    command
        .args(["run", "--engine=argo", &bucket])
        .args(arguments);
    command.envs(google.iter().flat_map(|google| google.variables()));
    command
}

/// Runs it; gives the exit code and the log.
fn run(test: &TestEnvironment, google: Option<&Gke>, arguments: &[&str]) -> (i32, String) {
    let output = job(test, google, arguments).output().unwrap();
    (output.status.code().unwrap(), text(&output.stderr))
}

#[test]
fn what_is_for_steps_on_this_machine_is_refused_for_a_cluster() {
    let test = repository(CONFIG);
    test.write("kubeconfig", "");
    for option in [
        "--runtime=docker",
        "--secret=token=/secrets",
        "--pass-env=HOME",
    ] {
        let (code, log) = run(&test, None, &["--kubeconfig=kubeconfig", option]);
        assert_eq!(code, 2, "{log}");
        assert!(log.contains("is for steps on this machine"), "{log}");
        assert!(log.contains("--engine local"), "{log}");
    }
    assert!(!test.path().join("bucket").exists());
}

#[test]
fn a_cluster_of_google_needs_project_and_zone() {
    let test = repository(CONFIG);
    for (arguments, missing) in [
        (&["--cluster=c"] as &[&str], "--zone"),
        (&["--cluster=c", "--zone=z"], "--project"),
        (&["--zone=z"], "--cluster"),
    ] {
        let (code, log) = run(&test, None, arguments);
        assert_eq!(code, 2, "{log}");
        assert!(log.contains(missing), "{log}");
    }
    let (code, log) = run(&test, None, &[&OF_GOOGLE[..], &["--kubeconfig=k"]].concat());
    assert_eq!(code, 2, "{log}");
    assert!(log.contains("cannot be used with"), "{log}");
}

#[test]
fn a_cluster_that_google_does_not_know_fails_the_job_and_says_how_to_find_it() {
    let test = repository(CONFIG);
    let google = Gke::with(vec![Gke::zonal("other")]);
    let (code, log) = run(&test, Some(&google), &OF_GOOGLE);
    assert_eq!(code, 2, "{log}");
    assert!(
        log.contains("look up cluster c in us-central1-a of project p-1"),
        "{log}"
    );
    assert!(log.contains("gcloud container clusters list"), "{log}");
    let finished = test.read("bucket/pr-logs/pull/o_r/12/job/7/finished.json");
    assert!(finished.contains("\"FAILURE\""), "{finished}");
}

#[test]
fn credentials_that_cannot_be_had_are_told_in_the_plugins_words() {
    let test = repository(CONFIG);
    let google = Gke::with(vec![Gke::zonal("c")]);
    let key = test.write("key.json", "{}");
    let mut command = job(&test, Some(&google), &OF_GOOGLE);
    let output = command.env("GOOGLE_APPLICATION_CREDENTIALS", key).output();
    let output = output.unwrap();
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{log}");
    assert!(
        log.contains("the plugin for credentials gives none: "),
        "{log}"
    );
    assert!(log.contains("key.json"), "{log}");
}

#[test]
fn a_dry_run_names_the_cluster_and_asks_nobody() {
    let test = repository(CONFIG);
    let google = Gke::with(Vec::new());
    let mut command = job(&test, Some(&google), &OF_GOOGLE);
    let plan = text(&command.arg("--dry-run").output().unwrap().stdout);
    let place = "on the cluster of --cluster (c in us-central1-a of project p-1)";
    assert!(plan.contains(place), "{plan}");
    assert!(google.requests().is_empty());
}
