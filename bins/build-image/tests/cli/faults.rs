//! Builds and services that fail.

use e2e::{Fault, Look, text};
use serde_json::json;

use crate::site::{STAGING, Site, digest, end, said};

fn failure(kind: &str, detail: &str) -> Look {
    Look::of("FAILURE", "Step #0: no luck\nERROR\n").with(
        json!({"failureInfo": {"type": kind, "detail": detail}, "steps": [
            {"name": "gcr.io/cloud-builders/docker", "status": "FAILURE",
                "timing": {"startTime": "2024-05-01T10:00:02Z", "endTime": "2024-05-01T10:00:04Z"}},
            {"name": "gcr.io/cloud-builders/gcloud", "status": "QUEUED"}]}),
    )
}

#[test]
fn a_build_that_fails_says_why_and_leaves_no_digest() {
    let script = vec![
        Look::working("one\n"),
        failure("USER_BUILD_STEP", "build step 0 failed"),
    ];
    let site = Site::new([script]);
    let output = site.build(&[
        "--digest-file",
        "digests.json",
        "--artifacts-dir",
        "out",
        "--target-name",
        "image",
    ]);
    let (code, log) = end(&output);
    assert_eq!(code, Some(1), "{log}");
    assert!(output.stdout.is_empty());
    let told = "build 00000000-0000-0000-0000-000000000001 did not succeed: FAILURE: \
                USER_BUILD_STEP: build step 0 failed";
    assert!(
        log.contains(told) && log.contains("Step #0: no luck"),
        "{log}"
    );
    assert!(!site.env.path().join("digests.json").exists());
    let junit = site.env.read("out/junit_image.xml");
    assert!(
        junit.contains("tests=\"2\" failures=\"1\"") && junit.contains("skipped=\"1\""),
        "{junit}"
    );
    assert!(junit.contains("no luck"), "{junit}");
    assert_eq!(site.cloud.started().len(), 1);
}

#[test]
fn each_end_of_a_build_has_its_exit_code() {
    for (look, code, said) in [
        (Look::of("TIMEOUT", ""), 124, "--timeout gives it more time"),
        (Look::of("CANCELLED", ""), 1, "CANCELLED"),
        (
            Look::of("EXPIRED", "").with(json!({"statusDetail": "no machine"})),
            75,
            "EXPIRED: no machine",
        ),
        (
            failure("PUSH_NOT_AUTHORIZED", "denied"),
            1,
            "PUSH_NOT_AUTHORIZED: denied",
        ),
    ] {
        let site = Site::new([vec![look]]);
        let (got, log) = end(&site.build(&["--retries", "0"]));
        assert_eq!(got, Some(code), "{log}");
        assert!(log.contains(said), "{log}");
    }
}

#[test]
fn what_is_cloud_builds_own_fault_is_tried_again() {
    let registry = e2e::ImageRegistry::start();
    let image = format!("{}/team/app:v1", registry.name());
    let good = Look::of("SUCCESS", "DONE\n")
        .with(json!({"results": {"images": [{"name": image, "digest": digest("0a")}]}}));
    let bad = Look::of("INTERNAL_ERROR", "");
    let site = Site::with_registry(registry, [vec![bad.clone()], vec![good]]);
    let output = site.build(&["--retries", "1"]);
    assert_eq!(
        said(&output),
        format!("{}@{}\n", site.image(), digest("0a"))
    );
    assert_eq!(site.cloud.statuses(), ["INTERNAL_ERROR", "SUCCESS"]);
    // The source is sent once.
    assert_eq!(site.store.objects(STAGING, "").len(), 1);
    let site = Site::new([vec![bad.clone()], vec![bad]]);
    let (code, log) = end(&site.build(&["--retries", "1"]));
    assert_eq!(code, Some(75), "{log}");
    assert_eq!(site.cloud.started().len(), 2);
}

#[test]
fn a_start_whose_answer_is_lost_is_no_second_build() {
    let site = Site::new([]);
    site.cloud
        .proxy()
        .on(&["POST", "/builds HTTP"], [Fault::lost_answer()]);
    let (code, log) = end(&site.build(&[]));
    // Nothing was pushed: the default script has no images.
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains("the build was started although the answer was lost"),
        "{log}"
    );
    assert_eq!(site.cloud.started().len(), 1);
}

#[test]
fn a_start_that_did_not_arrive_is_made_again() {
    let site = Site::new([]);
    let faults = [
        Fault::unavailable(),
        Fault::too_many_requests(1),
        Fault::Close,
    ];
    site.cloud.proxy().on(&["POST", "/builds HTTP"], faults);
    let output = site.build(&["--async"]);
    said(&output);
    assert_eq!(site.cloud.started().len(), 1);
}

#[test]
fn a_start_that_cannot_be_told_from_none_is_not_made_again() {
    let site = Site::new([]);
    site.env.write("c.yaml", "steps: [{name: a}]\n");
    site.cloud
        .proxy()
        .on(&["POST", "/builds HTTP"], [Fault::lost_answer()]);
    let args = ["--config", "c.yaml", "--no-source", "--tag", "v1"];
    let (code, log) = end(&site.command(&args).output().unwrap());
    assert_eq!(code, Some(75), "{log}");
    assert!(log.contains("whether it was started is not known"), "{log}");
    assert_eq!(site.cloud.started().len(), 1);
}

#[test]
fn a_connection_that_is_lost_while_following_is_made_again() {
    let script = vec![
        Look::working("one\n"),
        Look::working("two\n"),
        Look::working("three\n"),
        failure("USER_BUILD_STEP", "x"),
    ];
    let site = Site::new([script]);
    let faults = [Fault::Close, Fault::unavailable(), Fault::CutAfter(20)];
    site.cloud.proxy().on(&["GET", "/builds/0000"], faults);
    site.store.proxy().on(
        &["GET", "log-0000"],
        [Fault::unavailable(), Fault::CutAfter(10)],
    );
    let (code, log) = end(&site.build(&[]));
    assert_eq!(code, Some(1), "{log}");
    for line in ["INFO  one\n", "INFO  two\n", "INFO  three\n", "no luck"] {
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    }
}

#[test]
fn a_missing_right_names_project_identity_role_and_api() {
    let answer = |body: serde_json::Value| {
        let body = body.to_string();
        let length = body.len();
        Fault::Answer(format!(
            "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        ))
    };
    let denied = json!({"error": {"code": 403, "status": "PERMISSION_DENIED",
        "message": "The caller does not have permission"}});
    let off = json!({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "is off",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED",
            "metadata": {"service": "cloudbuild.googleapis.com", "consumer": "projects/123"}}]}});
    for (body, expected) in [
        (
            denied,
            vec![
                "in project p, global",
                "roles/cloudbuild.builds.editor on project p",
            ],
        ),
        (
            off,
            vec!["gcloud services enable cloudbuild.googleapis.com --project=123"],
        ),
    ] {
        let site = Site::new([]);
        site.cloud
            .proxy()
            .on(&["POST", "/builds HTTP"], [answer(body)]);
        let (code, log) = end(&site.build(&[]));
        assert_eq!(code, Some(2), "{log}");
        for expected in expected {
            assert!(log.contains(expected), "{expected}: {log}");
        }
    }
}

#[test]
fn a_request_that_cloud_build_refuses_is_told_in_its_words() {
    let site = Site::new([]);
    let body =
        json!({"error": {"code": 400, "message": "invalid value for machineType"}}).to_string();
    let length = body.len();
    site.cloud.proxy().on(&["POST", "/builds HTTP"], [Fault::Answer(format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    ))]);
    let (code, log) = end(&site.build(&["--machine-type", "x"]));
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("invalid value for machineType"), "{log}");
}

#[test]
fn a_staging_bucket_that_may_be_written_but_not_looked_at_will_do() {
    let site = Site::new([]);
    site.store.make_bucket("my-sources");
    let look = ["GET", "/b/my-sources?"];
    (site.store.proxy()).on(&look, std::iter::repeat_with(Fault::forbidden));
    said(&site.build(&["--async", "--staging-bucket", "gs://my-sources/a"]));
    assert_eq!(site.store.objects("my-sources", "a/").len(), 1);
    // One that nobody chose could be anybody's.
    let look = ["GET", "/b/p_cloudbuild?"];
    (site.store.proxy()).on(&look, std::iter::repeat_with(Fault::forbidden));
    let (code, log) = end(&site.build(&["--async", "--rebuild"]));
    assert_eq!(code, Some(2), "{log}");
}

#[test]
fn a_log_bucket_and_staging_bucket_of_ones_own_are_used_and_made() {
    let site = Site::new([vec![Look::working("in my log\n"), failure("X", "x")]]);
    site.store.make_bucket("my-logs");
    let output = site.build(&[
        "--log-bucket",
        "gs://my-logs/builds",
        "--staging-bucket",
        "gs://my-sources/a",
    ]);
    let log = text(&output.stderr);
    assert!(
        log.contains("made the bucket gs://my-sources") && log.contains("in my log"),
        "{log}"
    );
    assert_eq!(site.store.objects("my-sources", "a/").len(), 1);
    assert_eq!(site.cloud.started()[0]["logsBucket"], "gs://my-logs/builds");
}
