//! What manifests/ has programs run: each command, as a dry run.

use std::fs;
use std::process::Command;

use e2e::{TestEnvironment, binary, text, top};
use serde_json::Value;

const CLUSTER: &str = "
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
";

/// What the schedule of clean-up jobs runs.
const CLEAN_UP: &str =
    "  - {name: clean-up, manifest: test/workflows/e2e.yaml, job_types: [periodic]}\n";

const REPOSITORY: &str = "src/example-org/greeter";

fn object(path: &str) -> Value {
    let text = fs::read_to_string(top().join("manifests").join(path)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// The type of a job, and the pod that it is.
fn pods() -> Vec<(&'static str, Value)> {
    let of_schedule = |path: &str| {
        let job = object(path);
        let pod = job.pointer("/spec/jobTemplate/spec/template/spec");
        ("periodic", pod.unwrap().clone())
    };
    let mut pods = vec![
        of_schedule("base/prune-runs.yaml"),
        of_schedule("components/clean-up/clean-up.yaml"),
    ];
    let jobs = object("prow/greeter.yaml");
    for (job_type, path) in [
        ("presubmit", "/presubmits/example-org~1greeter"),
        ("postsubmit", "/postsubmits/example-org~1greeter"),
        ("periodic", "/periodics"),
    ] {
        let jobs = jobs.pointer(path).and_then(Value::as_array).unwrap();
        pods.extend(jobs.iter().map(|job| (job_type, job["spec"].clone())));
    }
    pods
}

/// The example, with a change in `src` on top of what it was, as `checkout` leaves it.
fn example() -> TestEnvironment {
    let test = TestEnvironment::new();
    fs::create_dir_all(test.path().join("src/example-org")).unwrap();
    fs::create_dir(test.path().join("runs")).unwrap();
    let copied = Command::new("cp")
        .arg("-R")
        .arg(top().join("examples/greeter"))
        .arg(test.path().join(REPOSITORY))
        .status();
    assert!(copied.unwrap().success());
    test.git(REPOSITORY, &["init", "--quiet", "--initial-branch=main"]);
    let config = format!("{REPOSITORY}/prow_config.yaml");
    for (path, more) in [
        (config.as_str(), CLEAN_UP),
        ("src/example-org/greeter/src/main.c", "/* changed */\n"),
    ] {
        let content = test.read(path) + more;
        test.write(path, content);
        test.git(REPOSITORY, &["add", "--all"]);
        test.git(REPOSITORY, &["commit", "--quiet", "--message=x"]);
    }
    test.write("kubeconfig", CLUSTER);
    test
}

/// A container's command as a dry run, its folders being the test's.
fn command(test: &TestEnvironment, job_type: &str, container: &Value) -> Command {
    let words = [&container["command"], &container["args"]];
    let words = words.iter().filter_map(|list| list.as_array()).flatten();
    let folder = |name: &str| format!("={}", test.path().join(name).display());
    let mut words = words.map(|word| {
        let word = word.as_str().unwrap();
        let word = word.replace("=/mnt/test-data-volume", &folder("runs"));
        word.replace("=/src", &folder("src"))
    });
    let commit = |name: &str| test.git(REPOSITORY, &["rev-parse", name]);
    let (base, head) = (commit("HEAD~1"), commit("HEAD"));
    let mut command = test.command(&binary(&words.next().unwrap()));
    command
        .args(words)
        .arg("--dry-run")
        .current_dir(test.path().join(REPOSITORY))
        .env("KUBECONFIG", test.path().join("kubeconfig"))
        .env("JOB_TYPE", job_type)
        .env("JOB_NAME", "greeter")
        .env("BUILD_ID", "1")
        .env("REPO_OWNER", "example-org")
        .env("REPO_NAME", "greeter")
        .env("PULL_BASE_REF", "main");
    match job_type {
        "presubmit" => {
            command
                .env("PULL_BASE_SHA", &base)
                .env("PULL_PULL_SHA", &head);
            command
                .env("PULL_NUMBER", "7")
                .env("PULL_REFS", format!("main:{base},7:{head}"));
        }
        "postsubmit" => {
            command
                .env("PULL_BASE_SHA", &head)
                .env("PULL_REFS", format!("main:{head}"));
        }
        _ => {}
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let value = variable["value"].as_str().unwrap_or("uid");
        command.env(variable["name"].as_str().unwrap(), value);
    }
    command
}

#[test]
fn programs_understand_what_the_manifests_tell_them() {
    let test = example();
    let mut seen = Vec::new();
    for (job_type, pod) in pods() {
        let containers = ["initContainers", "containers"].map(|kind| pod[kind].as_array());
        for container in containers.into_iter().flatten().flatten() {
            let mut command = command(&test, job_type, container);
            let output = command.output().unwrap();
            let said = text(&output.stdout) + &text(&output.stderr);
            assert!(output.status.success(), "{command:?}: {said}");
            let program = container["command"][0].as_str().unwrap().to_owned();
            let creates = said.contains("create Workflow ");
            // All but the one that prunes.
            let starts = program == "submit-e2e" && container["command"][1] == "run";
            assert_eq!(creates, starts, "{command:?}: {said}");
            seen.push(program);
        }
    }
    seen.sort();
    let expected = [vec!["checkout"], vec!["submit-e2e"; 8]].concat();
    assert_eq!(seen, expected);
}

/// `ValidatePodSpec` of Prow refuses them.
#[test]
fn jobs_of_prow_have_no_init_containers() {
    let jobs = object("prow/greeter.yaml").to_string();
    assert!(!jobs.contains("initContainers"), "{jobs}");
}
