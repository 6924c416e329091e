//! A build with Cloud Build from its source to its digests.

use std::path::Path;

use e2e::{Look, text};
use serde_json::json;

use crate::site::{STAGING, Site, digest, end, json, said};

/// A build of two looks that succeeds.
fn success(image: &str) -> Vec<Look> {
    let step = |status: &str| {
        json!({"name": "gcr.io/cloud-builders/docker", "id": "build", "status": status,
            "timing": {"startTime": "2024-05-01T10:00:02Z", "endTime": "2024-05-01T10:00:14.5Z"}})
    };
    vec![
        Look::of("QUEUED", ""),
        Look::working("starting build\nStep #0: one\nStep #0: tw")
            .with(json!({"steps": [{"name": "gcr.io/cloud-builders/docker", "id": "build", "status": "WORKING"}]})),
        Look::of("SUCCESS", "o\nPUSH\nDONE").with(json!({
            "steps": [step("SUCCESS")],
            "results": {"images": [{"name": image, "digest": digest("0a")}]},
        })),
    ]
}

/// A site whose first build succeeds.
fn site() -> Site {
    let registry = e2e::ImageRegistry::start();
    let image = format!("{}/team/app:v1", registry.name());
    Site::with_registry(registry, [success(&image)])
}

#[test]
fn a_build_is_followed_to_its_digest() {
    let site = site();
    let output = site.build(&[
        "--digest-file",
        "out/digests.json",
        "--junit",
        "out/junit.xml",
    ]);
    let (image, digest) = (site.image(), digest("0a"));
    assert_eq!(said(&output), format!("{image}@{digest}\n"));
    let log = text(&output.stderr);
    for line in [
        "the source is context: 2 files, 33 B before compression",
        "started build 00000000-0000-0000-0000-000000000001: https://console.cloud.google.com/",
        "is QUEUED",
        "is WORKING",
        "INFO  Step #0: one\n",
        "INFO  Step #0: two\n",
        "INFO  DONE\n",
        "step 1 of 1, build: WORKING",
        "step 1 of 1, build: SUCCESS in 12s 500ms",
    ] {
        assert!(log.contains(line), "{line} is not in:\n{log}");
    }
    assert_eq!(log.matches("Step #0: one").count(), 1);

    let digests: serde_json::Value =
        serde_json::from_str(&site.env.read("out/digests.json")).unwrap();
    let expected = json!([{"image": format!("{image}:v1"), "digest": digest,
        "reference": format!("{image}@{digest}")}]);
    assert_eq!(digests["images"], expected);
    assert_eq!(digests["build"]["status"], "SUCCESS");
    assert_eq!(digests["build"]["seconds"], 60.25);
    assert_eq!(
        digests["build"]["steps"],
        json!([{"name": "build", "status": "SUCCESS", "seconds": 12.5}])
    );
    let junit = site.env.read("out/junit.xml");
    assert!(
        junit.contains("tests=\"1\" failures=\"0\"") && junit.contains("name=\"build\""),
        "{junit}"
    );

    // What was asked for, and by whom.
    let asked = site.cloud.asked();
    assert!(
        asked
            .iter()
            .all(|asked| asked.agent.starts_with("test-worker/"))
    );
    let request = &site.cloud.started()[0];
    let source = &request["source"]["storageSource"];
    let object = source["object"].as_str().unwrap();
    assert_eq!(source["bucket"], STAGING);
    assert!(
        source["generation"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 0
    );
    // The source is an archive for everybody's tar.
    let archive = site.store.read(STAGING, object).unwrap();
    site.env.write("source.tgz", archive);
    let list = site
        .env
        .command(Path::new("tar"))
        .args(["--list", "--gzip", "--file", "source.tgz"])
        .output()
        .unwrap();
    assert_eq!(text(&list.stdout), "Dockerfile\nfile\n");
}

#[test]
fn the_same_source_gives_the_same_object() {
    let site = site();
    site.build(&["--async"]);
    site.build(&["--async"]);
    let objects = site.store.objects(STAGING, "source/");
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[0].text("crc32c"), objects[1].text("crc32c"));
    assert_eq!(objects[0].text("contentType"), "application/x-tar");
}

#[test]
fn a_build_that_nobody_waits_for_is_started_and_left() {
    let site = site();
    let output = site.build(&["--async", "--output", "json"]);
    said(&output);
    let report = json(&output);
    assert_eq!(report["images"], json!([]));
    assert_eq!(
        report["build"]["id"],
        "00000000-0000-0000-0000-000000000001"
    );
    assert_eq!(site.cloud.asked().len(), 1);
    assert_eq!(site.cloud.statuses(), ["QUEUED"]);
}

#[test]
fn a_build_without_a_log_in_a_bucket_succeeds() {
    for (logging, said_of_it) in [
        ("CLOUD_LOGGING_ONLY", "the log is not in a bucket"),
        ("", "cannot be read"),
    ] {
        let site = site();
        site.env.write(
            "c.json",
            json!({"steps": [{"name": "a"}], "options": {"logging": logging},
                "logsBucket": "gs://no-such-bucket-anywhere"})
            .to_string(),
        );
        // The log cannot be read: forbidden.
        let forbidden = std::iter::repeat_with(e2e::Fault::forbidden);
        site.store.proxy().on(&["GET", "log-00000000"], forbidden);
        let output = site
            .command(&["--config", "c.json", "--context", "context", "--tag", "v1"])
            .output()
            .unwrap();
        let (code, log) = end(&output);
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains(said_of_it), "{log}");
    }
}

#[test]
fn hostile_output_of_a_build_does_not_drive_the_terminal() {
    let registry = e2e::ImageRegistry::start();
    let image = format!("{}/team/app:v1", registry.name());
    let mut script = success(&image);
    script[1].log = "\x1b[2Jgone\r10%\r100%\nplain\n".to_owned();
    let site = Site::with_registry(registry, [script]);
    let log = text(&site.build(&[]).stderr);
    assert!(
        log.contains("INFO  100%\n") && log.contains("INFO  plain\n"),
        "{log}"
    );
    assert!(!log.contains('\x1b'), "{log}");
}

#[test]
fn an_image_whose_tag_only_cloud_build_knows_is_named_by_its_digest() {
    for written in ["$BUILD_ID", "latest"] {
        let registry = e2e::ImageRegistry::start();
        let name = format!("{}/team/app", registry.name());
        let pushed = format!("{name}:{}", written.replace('$', ""));
        let site = Site::with_registry(registry, [success(&pushed)]);
        let config = format!("steps: [{{name: a}}]\nimages: ['{name}:{written}']\n");
        site.env.write("c.yaml", config);
        let args = ["--config", "c.yaml", "--tag", "v1", "--context", "context"];
        let output = site.command(&args).output().unwrap();
        let reference = format!("{name}@{}", digest("0a"));
        assert_eq!(said(&output), format!("{reference}\n"));
        let args = [&args[..], &["--output", "json"]].concat();
        let site = Site::with_registry(e2e::ImageRegistry::start(), [success(&pushed)]);
        site.env.write(
            "c.yaml",
            format!("steps: [{{name: a}}]\nimages: ['{name}:{written}']\n"),
        );
        let report = json(&site.command(&args).output().unwrap());
        assert_eq!(report["images"][0]["reference"], reference);
    }
}
