//! What Google refuses, and what the reader of the error is told.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute only, not their helpers"
)]

mod support;

use std::process::Output;
use std::time::{Duration, Instant};

use e2e::{TestEnvironment, text};
use serde_json::json;
use support::{Google, zonal};

fn get(environment: &TestEnvironment, google: &Google, cluster: &str) -> Output {
    let mut command = google.command(environment);
    command.args([
        "get",
        "--project=p-1",
        "--zone=us-central1-a",
        "--kubeconfig=k",
    ]);
    command
        .arg(format!("--cluster={cluster}"))
        .output()
        .unwrap()
}

fn told(output: &Output, code: i32, said: &[&str]) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    for said in said {
        assert!(error.contains(said), "{said:?} in {error}");
    }
}

#[test]
fn a_cluster_that_is_not_there() {
    let (environment, google) = (TestEnvironment::new(), Google::with(vec![zonal("c")]));
    let output = get(&environment, &google, "x");
    told(
        &output,
        2,
        &[
            "look up cluster x in us-central1-a of project p-1",
            "Not found: projects/p-1/zones/us-central1-a/clusters/x.",
            "gcloud container clusters list --project=p-1, and may anonymous see it?",
        ],
    );
    assert!(!environment.path().join("k").exists());
}

#[test]
fn a_missing_role() {
    let (environment, google) = (TestEnvironment::new(), Google::with(vec![zonal("c")]));
    google.refuse(
        "403 Forbidden",
        &json!({
            "code": 403, "status": "PERMISSION_DENIED",
            "message": "Required \"container.clusters.get\" permission(s) for \
                \"projects/p-1/locations/us-central1-a/clusters/c\".",
            "details": [{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "IAM_PERMISSION_DENIED", "domain": "container.googleapis.com",
            }],
        }),
    );
    told(
        &get(&environment, &google, "c"),
        2,
        &[
            "container.clusters.get",
            "needs roles/container.clusterViewer on project p-1",
        ],
    );
}

#[test]
fn an_api_that_is_off() {
    let (environment, google) = (TestEnvironment::new(), Google::with(vec![zonal("c")]));
    google.refuse(
        "403 Forbidden",
        &json!({
            "code": 403, "status": "PERMISSION_DENIED",
            "message": "Kubernetes Engine API has not been used in project 77 before or it is disabled.",
            "details": [{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "SERVICE_DISABLED", "domain": "googleapis.com",
                "metadata": {"service": "container.googleapis.com", "consumer": "projects/77"},
            }],
        }),
    );
    told(
        &get(&environment, &google, "c"),
        2,
        &["gcloud services enable container.googleapis.com --project=77"],
    );
}

#[test]
fn a_quota_is_waited_for_as_long_as_the_server_asks() {
    let (environment, google) = (TestEnvironment::new(), Google::with(vec![zonal("c")]));
    google.refuse(
        "429 Too Many Requests",
        &json!({
            "code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded",
            "details": [
                {"@type": "type.googleapis.com/google.rpc.ErrorInfo",
                 "reason": "RATE_LIMIT_EXCEEDED", "domain": "googleapis.com"},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.2s"},
            ],
        }),
    );
    google.refuse(
        "503 Service Unavailable",
        &json!({"code": 503, "message": "later"}),
    );
    let begun = Instant::now();
    told(&get(&environment, &google, "c"), 0, &["wrote context"]);
    assert!(begun.elapsed() >= Duration::from_millis(1200));
    assert_eq!(google.requests().len(), 3);
}

#[test]
fn a_cluster_without_an_address_writes_nothing() {
    let environment = TestEnvironment::new();
    let mut starting = zonal("c");
    starting["status"] = json!("PROVISIONING");
    starting["endpoint"] = json!("");
    let google = Google::with(vec![starting]);
    environment.write("k", "current-context: mine\n");
    told(
        &get(&environment, &google, "c"),
        2,
        &["PROVISIONING", "has no such address"],
    );
    assert_eq!(environment.read("k"), "current-context: mine\n");
}

#[test]
fn a_pool_without_a_healthy_cluster() {
    let environment = TestEnvironment::new();
    let google = Google::with(vec![support::of_pool(
        "kf-1",
        "2026-05-01T10:00:00Z",
        "ERROR",
    )]);
    let mut command = google.command(&environment);
    command.args(["get", "--project=p-1", "--kubeconfig=k", "--pool=kf-*"]);
    told(
        &command.output().unwrap(),
        75,
        &["\"kf-*\"", "kf-1 is ERROR"],
    );
    let mut command = google.command(&environment);
    command.args(["get", "--project=p-1", "--kubeconfig=k", "--pool=xx-*"]);
    told(&command.output().unwrap(), 2, &["kubeconfig-setup list"]);
}
