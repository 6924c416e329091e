//! `make image-gcb`, up to what Cloud Build would do with it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use e2e::{
    CloudBuild, DEFAULT_LOGS, ImageRegistry, ObjectStore, TestEnvironment, binary, make_would_run,
    text, top,
};
use serde_json::Value;

use crate::docker::{image, succeed, tools_image};

/// What was sent to Cloud Build: its request, and the source in a folder of its own.
struct Sent {
    request: Value,
    source: TestEnvironment,
}

/// Runs `make image-gcb`, with everything of Google's on this machine.
fn send() -> Sent {
    let registry = ImageRegistry::start();
    let store = Arc::new(ObjectStore::start());
    for bucket in ["p_cloudbuild", DEFAULT_LOGS] {
        store.make_bucket(bucket);
    }
    let cloud = CloudBuild::start(&store, []);
    cloud.push_as(&format!("sha256:{}", "0a".repeat(32)));
    let name = format!("IMG={}/team/worker", registry.name());
    let run = make_would_run(&["image-gcb", &name, "TAG=v1", "PROJECT=p"]);
    let (_, args) = run.split_once("--bin build-image -- ").unwrap();
    let source = TestEnvironment::new();
    let output = source
        .command(Path::new("sh"))
        .args([
            "-c",
            &format!("exec {} {args}", binary("build-image").display()),
        ])
        .current_dir(top())
        .env("STORAGE_EMULATOR_HOST", store.url())
        .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD", cloud.url())
        .env("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let request = cloud.started().remove(0);
    let object = request["source"]["storageSource"]["object"].as_str();
    let archive = store.read("p_cloudbuild", object.unwrap()).unwrap();
    let archive = source.write("source.tgz", archive);
    let folder = source.path().join("source");
    fs::create_dir(&folder).unwrap();
    let unpacked = Command::new("tar")
        .args(["--extract", "--gzip", "--no-same-owner", "--file"])
        .arg(archive)
        .arg("--directory")
        .arg(folder)
        .status();
    assert!(unpacked.unwrap().success());
    Sent { request, source }
}

/// The same steps on the same source give the same image: all of it comes out of the cache of the
/// engine that built the images under test.
#[test]
fn what_is_sent_is_what_the_images_under_test_were_built_of() {
    let sent = send();
    let more = std::env::var("TEST_WORKER_IMAGE_ARGS").unwrap_or_default();
    let id = |image: &str| succeed(&["image", "inspect", "--format={{.Id}}", image]);
    let steps = sent.request["steps"].as_array().unwrap();
    for (step, expected) in steps.iter().zip([tools_image(), image()]) {
        assert_eq!(step["name"], "gcr.io/cloud-builders/docker");
        let args = step["args"].as_array().unwrap();
        let args: Vec<&str> = args.iter().filter_map(Value::as_str).collect();
        let tag = args.iter().find_map(|word| word.strip_prefix("--tag="));
        let output = Command::new("docker")
            .arg(args[0])
            .args(more.split_whitespace())
            .args(&args[1..])
            .current_dir(sent.source.path().join("source"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(
            id(tag.unwrap()),
            id(&expected),
            "{expected} is not of this tree, or what is sent is not: run `make image`"
        );
        succeed(&["image", "rm", tag.unwrap()]);
    }
    assert_eq!(steps.len(), 2);
}
