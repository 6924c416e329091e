//! The whole path: the repository of `make demo` as a Prow presubmit, its steps in pods of the test-worker
//! image that share a volume, its results in an object store.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use e2e::{Cluster, FaultProxy, GitServer, Namespace, ObjectStore, TestEnvironment, binary, text};
use serde_json::{Value, json};

/// The image that the workflows of examples/greeter name, and the one that is built on it there: with a
/// compiler, which the image here has as well.
const IMAGE: &str = "ghcr.io/test-worker/test-worker:v20261123-f127890-e3b0c4";
const BUILT_ON_IT: &str = "ghcr.io/test-worker/greeter-ci:v20261123-f127890-e3b0c4";

/// The repository, and servers that both pods and this machine reach.
struct Demo<'a> {
    test: TestEnvironment,
    namespace: Namespace<'a>,
    store: ObjectStore,
    bucket: FaultProxy,
    _git: GitServer,
    clone: FaultProxy,
}

impl<'a> Demo<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        load_image();
        let test = TestEnvironment::new();
        let store = ObjectStore::start();
        store.make_bucket("bucket");
        let address = store.direct_url();
        let bucket = FaultProxy::at(&Cluster::host(), address.trim_start_matches("http://"));
        make_repository(&test, &bucket.url("http"));
        let git = GitServer::start(&test, &test.path().join("git"));
        let clone = FaultProxy::at(&Cluster::host(), &git.address());
        let namespace = cluster.namespace();
        namespace.create(&volume());
        let kubeconfig = test.path().join("kubeconfig");
        namespace.kubeconfig("submit-e2e", &cluster.address(), &kubeconfig);
        Demo {
            test,
            namespace,
            store,
            bucket,
            _git: git,
            clone,
        }
    }

    /// What Prow would do for a pull request.
    fn test_pull_request(&self, number: u32) -> Output {
        let repository = |reference: &str| {
            let reference = format!("refs/{reference}");
            self.test
                .git("git/example/greeter.git", &["rev-parse", &reference])
        };
        let spec = json!({
            "type": "presubmit", "job": "greeter", "buildid": "7", "prowjobid": "demo",
            "refs": {
                "org": "example", "repo": "greeter", "base_ref": "main",
                "base_sha": repository("heads/main"),
                "clone_uri": format!("{}/example/greeter.git", self.clone.url("git")),
                "pulls": [{
                    "number": number, "author": "ada",
                    "sha": repository(&format!("pull/{number}/head")),
                }],
            },
        })
        .to_string();
        let command = |name: &str| {
            let mut command = self.test.command(&binary(name));
            command
                .env("JOB_SPEC", &spec)
                .env("KUBECONFIG", self.test.path().join("kubeconfig"))
                .env("STORAGE_EMULATOR_HOST", self.bucket.url("http"));
            command
        };
        let checkout = command("checkout").args(["--src-dir", "src"]).output();
        let checkout = checkout.unwrap();
        assert!(checkout.status.success(), "{}", text(&checkout.stderr));
        let mut submit = command("submit-e2e");
        submit
            .args(["run", "--engine=argo", "--repos-dir=src", "--run-dir=run"])
            .args(["--bucket=gs://bucket", "--timeout=5m"])
            .arg(format!("--namespace={}", self.namespace.name()));
        submit.output().unwrap()
    }

    fn read(&self, number: u32, name: &str) -> Option<String> {
        let folder = format!("pr-logs/pull/example_greeter/{number}/greeter/7");
        self.store.read_text("bucket", &format!("{folder}/{name}"))
    }

    fn assert_result(&self, number: u32, result: &str) {
        let finished = self.read(number, "finished.json").expect("finished.json");
        let finished: Value = serde_json::from_str(&finished).unwrap();
        assert_eq!(finished["result"], result, "{finished}");
        self.namespace.assert_nothing_runs();
    }

    /// The names of the files that the steps have put into the bucket.
    fn artifacts(&self) -> Vec<String> {
        let objects = self.store.objects("bucket", "pr-logs/pull/");
        let names = objects.iter().map(|object| object.name().to_owned());
        names.filter(|name| name.contains("/artifacts/")).collect()
    }
}

#[test]
fn a_good_pull_request_goes_from_trigger_to_verdict() {
    let cluster = Cluster::connect();
    let demo = Demo::new(&cluster);
    let output = demo.test_pull_request(1);
    let log = text(&output.stderr);
    let context = || format!("{}\n{log}", demo.namespace.describe());
    assert_eq!(output.status.code(), Some(0), "{}", context());
    demo.assert_result(1, "SUCCESS");
    let artifacts = demo.artifacts();
    for step in ["unit-tests", "integration-tests", "lint", "build"] {
        let file = format!("/junit_{step}.xml");
        let is_there = artifacts.iter().any(|name| name.ends_with(&file));
        assert!(is_there, "{file} is not in {artifacts:?}");
    }
}

#[test]
fn a_bad_pull_request_is_a_failure_that_names_its_test() {
    let cluster = Cluster::connect();
    let demo = Demo::new(&cluster);
    let output = demo.test_pull_request(2);
    let log = text(&output.stderr);
    let context = || format!("{}\n{log}", demo.namespace.describe());
    assert_eq!(output.status.code(), Some(1), "{}", context());
    demo.assert_result(2, "FAILURE");
    let (_, summary) = log.split_once("FAILURE").expect("a summary");
    assert!(summary.contains("unit-tests"), "{}", context());
}

/// The shared volume.
fn volume() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "nfs-external"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    })
}

/// Brings the image into the cluster: the one of `TEST_WORKER_IMAGE`, an archive of `docker save`, or
/// a stand-in with the programs that are tested here.
fn load_image() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster");
    let run = |script: &str, arguments: &[&Path]| {
        let status = Command::new(scripts.join(script)).args(arguments).status();
        assert!(status.unwrap().success(), "{script} failed");
    };
    if let Ok(archive) = std::env::var("TEST_WORKER_IMAGE") {
        return run("load", &[Path::new(&archive)]);
    }
    let programs = binary("checkout").parent().map(PathBuf::from).unwrap();
    run("images/load-test-worker", &[Path::new(IMAGE), &programs]);
}

/// examples/greeter with its two pull requests, as a git server holds them. Its steps find the
/// bucket at this URL.
fn make_repository(test: &TestEnvironment, bucket: &str) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let copy = Command::new("cp")
        .arg("-R")
        .args([examples.join("greeter"), test.path().join("work")])
        .status();
    assert!(copy.unwrap().success());
    let workflow = test.read("work/test/workflows/e2e.yaml");
    let variable = format!("{{name: STORAGE_EMULATOR_HOST, value: '{bucket}'}}");
    let command = "command: [upload-artifacts]\n";
    let with_bucket = format!("{command}        env: [{variable}]\n");
    for part in [command, IMAGE, BUILT_ON_IT] {
        assert!(workflow.contains(part), "{part} is not in {workflow}");
    }
    let workflow = workflow
        .replace(command, &with_bucket)
        .replace(BUILT_ON_IT, IMAGE);
    test.write("work/test/workflows/e2e.yaml", workflow);
    test.write("git/.keep", "");
    let bare = "git/example/greeter.git";
    test.git(
        "",
        &["init", "--quiet", "--bare", "--initial-branch=main", bare],
    );
    let git = |arguments: &[&str]| test.git("work", arguments);
    let url = test.path().join(bare).display().to_string();
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "base"]);
    git(&["push", "--quiet", &url, "main"]);
    for patch in ["1-fail-on-full-disk", "2-off-by-one"] {
        let (number, _) = patch.split_once('-').unwrap();
        let file = examples.join(format!("pulls/{patch}.patch"));
        git(&["checkout", "--quiet", "--detach", "main"]);
        git(&["am", "--quiet", &file.display().to_string()]);
        let head = format!("HEAD:refs/pull/{number}/head");
        git(&["push", "--quiet", &url, &head]);
    }
}
