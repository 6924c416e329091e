//! The entries are those of gcloud: the files in fixtures/gcloud are what `gcloud container
//! clusters get-credentials` (528.0.0) wrote for the same answers of the API.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute only, not their helpers"
)]

mod support;

use std::path::Path;
use std::process::Command;

use e2e::{TestEnvironment, text};
use serde_json::{Value, json};
use support::{Google, dns_only, fixture, regional, yaml, zonal};

fn google() -> Google {
    Google::with(vec![zonal("c"), regional("r"), dns_only("d")])
}

fn get(command: &mut Command, file: &Path, args: &[&str]) {
    let command = command.arg("get").args(args);
    let output = command
        .args(["--project=p-1", "--kubeconfig"])
        .arg(file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{args:?}: {}",
        text(&output.stderr)
    );
    assert_eq!(text(&output.stdout), "");
}

/// What both programs write for the same flags.
const SAME: [(&str, &[&str]); 6] = [
    ("zonal", &["--cluster=c", "--zone=us-central1-a"]),
    ("regional", &["--cluster=r", "--region=us-central1"]),
    (
        "internal",
        &["--cluster=c", "--location=us-central1-a", "--internal-ip"],
    ),
    (
        "dns",
        &["--cluster=c", "--location=us-central1-a", "--dns-endpoint"],
    ),
    ("dns-only", &["--cluster=d", "--location=us-central1-a"]),
    (
        "impersonated",
        &[
            "--cluster=c",
            "--location=us-central1-a",
            "--impersonate-service-account=sa@p-1.iam.gserviceaccount.com",
        ],
    ),
];

#[test]
fn with_the_plugin_of_gcloud_the_file_is_that_of_gcloud() {
    let (environment, google) = (TestEnvironment::new(), google());
    for (name, args) in SAME {
        let file = environment.path().join(name);
        let mut args = args.to_vec();
        args.push("--exec-plugin=gcloud");
        get(&mut google.command(&environment), &file, &args);
        let expected = yaml(&fixture(&format!("gcloud/{name}.yaml")));
        assert_eq!(yaml(&file), expected, "{name}");
    }
}

#[test]
fn with_our_plugin_it_differs_in_the_plugin_alone() {
    let (environment, google) = (TestEnvironment::new(), google());
    for (name, args) in SAME {
        let file = environment.path().join(name);
        get(&mut google.command(&environment), &file, args);
        let mut expected = yaml(&fixture(&format!("gcloud/{name}.yaml")));
        let exec = &mut expected["users"][0]["user"]["exec"];
        let account = exec["args"][0].as_str().map(|flag| flag.replace('_', "-"));
        let written = yaml(&file);
        exec["args"] = json!(["token"]);
        if let (Some(account), Some(args)) = (account, exec["args"].as_array_mut()) {
            args.push(json!(account));
        }
        for own in ["command", "installHint"] {
            exec[own] = written["users"][0]["user"]["exec"][own].clone();
        }
        assert_eq!(written, expected, "{name}");
    }
}

#[test]
fn the_plugin_is_called_by_name_where_the_path_leads_to_it() {
    let (environment, google) = (TestEnvironment::new(), google());
    let command_of = |file: &Path| yaml(file)["users"][0]["user"]["exec"]["command"].clone();
    let args = ["--cluster=c", "--zone=us-central1-a"];
    let file = environment.path().join("k");
    get(&mut google.command(&environment), &file, &args);
    let own = e2e::binary("kubeconfig-setup");
    assert_eq!(command_of(&file), own.display().to_string());
    let mut on_path = google.command(&environment);
    on_path.env("PATH", own.parent().unwrap());
    get(&mut on_path, &file, &args);
    assert_eq!(command_of(&file), "kubeconfig-setup");
}

#[test]
fn a_second_cluster_comes_to_the_first_as_with_gcloud() {
    let (environment, google) = (TestEnvironment::new(), google());
    let file = environment.path().join("k");
    for args in [
        ["--cluster=c", "--zone=us-central1-a"],
        ["--cluster=r", "--region=us-central1"],
    ] {
        let mut args = args.to_vec();
        args.push("--exec-plugin=gcloud");
        get(&mut google.command(&environment), &file, &args);
    }
    assert_eq!(yaml(&file), yaml(&fixture("gcloud/merged.yaml")));
}

#[test]
fn the_request_is_that_of_gcloud() {
    let (environment, google) = (TestEnvironment::new(), google());
    let file = environment.path().join("k");
    get(
        &mut google.command(&environment),
        &file,
        &["--cluster=c", "--zone=us-central1-a"],
    );
    let requests = google.requests();
    let [request] = requests.as_slice() else {
        panic!("{requests:?}");
    };
    // gcloud adds ?alt=json, which is the default.
    assert_eq!(
        request.path,
        "/v1/projects/p-1/locations/us-central1-a/clusters/c"
    );
    assert_eq!(
        (request.method.as_str(), request.query.as_str()),
        ("GET", "")
    );
    let agent = request.header("User-Agent").unwrap();
    assert!(agent.starts_with("test-worker/"), "{agent}");
    assert_eq!(request.header("Authorization"), None);
}

#[test]
fn the_newest_healthy_cluster_of_a_pool_is_taken() {
    let environment = TestEnvironment::new();
    let google = Google::with(vec![
        support::of_pool("kf-n01", "2026-05-01T10:00:00+00:00", "RUNNING"),
        support::of_pool("kf-n03", "2026-05-03T10:00:00+00:00", "RUNNING"),
        support::of_pool("kf-n04", "2026-05-04T10:00:00+00:00", "ERROR"),
        support::of_pool("other", "2026-05-05T10:00:00+00:00", "RUNNING"),
        support::of_pool("kf-n02", "2026-05-02T10:00:00+00:00", "RUNNING"),
    ]);
    let file = environment.path().join("k");
    get(&mut google.command(&environment), &file, &["--pool=kf-n??"]);
    assert_eq!(
        yaml(&file)["current-context"],
        "gke_p-1_us-central1-a_kf-n03"
    );
    let mut list = google.command(&environment);
    let output = list
        .args(["list", "--project=p-1", "--pool=kf-*", "--output=json"])
        .output();
    let listed: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    let names: Vec<&Value> = listed["clusters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["kf-n04", "kf-n03", "kf-n02", "kf-n01"]);
    assert_eq!(listed["clusters"][0]["healthy"], false);
}
