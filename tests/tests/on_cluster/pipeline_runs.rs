//! Tekton's `PipelineRun`s on a real API server, which knows them as custom resources; what Tekton's
//! controller would write into their status is written here.

use e2e::Cluster;
use serde_json::{Value, json};

use crate::job::{Job, signal};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

const ENTRIES: &str = "- {name: e2e, tekton_run: o/r/run.yaml, tekton_teardown: o/r/down.yaml}\n";

/// Makes the API server know them, in the versions that are used.
fn define(cluster: &Cluster) {
    let version = |name: &str| {
        let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        json!({"name": name, "served": true, "storage": name == "v1",
            "schema": {"openAPIV3Schema": any}, "subresources": {"status": {}}})
    };
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "pipelineruns.tekton.dev"},
        "spec": {
            "group": "tekton.dev", "scope": "Namespaced",
            "names": {"kind": "PipelineRun", "plural": "pipelineruns", "singular": "pipelinerun"},
            "versions": [version("v1"), version("v1beta1")],
        },
    });
    cluster.api().create(DEFINITIONS, &definition);
    let served = "/apis/tekton.dev/v1/namespaces/default/pipelineruns";
    e2e::wait_until("pipelineruns are served", || {
        cluster.api().find(served).is_some()
    });
}

fn job<'a>(cluster: &'a Cluster, version: &str) -> Job<'a> {
    define(cluster);
    let run = json!({"apiVersion": version, "kind": "PipelineRun", "metadata": {},
        "spec": {"pipelineRef": {"name": "test"}, "params": [{"name": "revision", "value": "main"}]}});
    Job::with_entries(cluster, ENTRIES, &[("run", &run), ("down", &run)])
}

/// Waits for a run: the one that tears down, or the one before it.
fn wait_for(job: &Job<'_>, is_teardown: bool, holds: impl Fn(&Value) -> bool) -> Value {
    let what = format!("a PipelineRun (teardown: {is_teardown})");
    job.namespace.wait_for(&what, 60, || {
        runs(job).into_iter().find(|run| {
            let name = run["metadata"]["name"].as_str().unwrap();
            name.contains("-teardown-") == is_teardown && holds(run)
        })
    })
}

fn runs(job: &Job<'_>) -> Vec<Value> {
    job.namespace
        .api()
        .list(&job.namespace.path("pipelineruns"))
}

/// Writes a status as Tekton would.
fn set_status(job: &Job<'_>, run: &Value, status: &str, reason: &str) {
    let name = run["metadata"]["name"].as_str().unwrap();
    let path = format!("{}/{name}/status", job.namespace.path("pipelineruns"));
    let condition = json!({"type": "Succeeded", "status": status, "reason": reason,
        "message": format!("Tasks: {reason}")});
    let end = (status != "Unknown").then_some("2026-01-01T00:00:05Z");
    let status = json!({"startTime": "2026-01-01T00:00:00Z", "completionTime": end,
        "conditions": [condition]});
    job.namespace.api().merge(&path, &json!({"status": status}));
}

#[test]
fn a_pipeline_run_and_what_tears_down_are_followed_to_their_success() {
    let cluster = Cluster::connect();
    let job = job(&cluster, "tekton.dev/v1");
    let mut program = job.start();
    let run = wait_for(&job, false, |_| true);
    assert_eq!(runs(&job).len(), 1, "the teardown has to wait");
    set_status(&job, &run, "Unknown", "Running");
    set_status(&job, &run, "True", "Succeeded");
    let teardown = wait_for(&job, true, |_| true);
    assert!(program.try_wait().unwrap().is_none(), "{}", job.log());
    set_status(&job, &teardown, "True", "Completed");
    assert_eq!(job.end_of(&mut program), 0, "{}", job.log());
    job.assert_result("SUCCESS");
    let metadata = job.finished()["metadata"].take();
    for run in [run, teardown] {
        let name = run["metadata"]["name"].as_str().unwrap();
        assert_eq!(metadata[format!("{name}-phase")], "Succeeded", "{metadata}");
        let left = job.read(&format!("{name}.yaml")).expect("the object");
        assert!(left.contains("kind: PipelineRun"), "{left}");
    }
}

/// Makes the pod that Tekton would make for a task: its steps are containers.
fn make_pod(job: &Job<'_>, run: &Value, task: &str, steps: &[(&str, &str)]) {
    let container = |(name, script): &(&str, &str)| {
        json!({"name": format!("step-{name}"), "image": Cluster::step_image(),
            "command": ["sh", "-c", script]})
    };
    let containers: Vec<_> = steps.iter().map(container).collect();
    let run = run["metadata"]["name"].as_str().unwrap();
    let name = format!("{run}-{task}-pod");
    job.namespace.create(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {
            "tekton.dev/pipelineRun": run, "tekton.dev/pipelineTask": task}},
        "spec": {"restartPolicy": "Never", "containers": containers},
    }));
    let path = format!("{}/{name}", job.namespace.path("pods"));
    job.namespace.wait_for("the task's pod to end", 90, || {
        let phase = job.namespace.api().get(&path)["status"]["phase"].take();
        (phase == "Failed" || phase == "Succeeded").then_some(())
    });
}

#[test]
fn a_task_of_a_pipeline_run_that_fails_leaves_its_evidence() {
    let cluster = Cluster::connect();
    let job = job(&cluster, "tekton.dev/v1");
    let mut program = job.start();
    let run = wait_for(&job, false, |_| true);
    set_status(&job, &run, "Unknown", "Running");
    make_pod(&job, &run, "fetch", &[("clone", "echo cloned")]);
    let steps = [
        ("clone", "echo cloned"),
        ("test", "echo it is broken; exit 3"),
        ("zip", "exit 1"),
    ];
    make_pod(&job, &run, "unit", &steps);
    set_status(&job, &run, "False", "Failed");
    let teardown = wait_for(&job, true, |_| true);
    set_status(&job, &teardown, "True", "Completed");
    assert_eq!(job.end_of(&mut program), 1, "{}", job.log());
    job.assert_result("FAILURE");
    let log = job.log();
    let (_, summary) = log.split_once("FAILURE").expect("a summary");
    for part in ["step unit: Failed", "container step-test: exit code 3"] {
        assert!(summary.contains(part), "{part} is missing: {summary}");
    }
    let mut last = summary
        .lines()
        .skip_while(|line| !line.ends_with("its last lines:"));
    assert_eq!(
        last.nth(1).map(str::trim),
        Some("it is broken"),
        "{summary}"
    );
    let evidence = job.evidence("unit");
    for file in ["step-clone.log", "step-test.log", "pod.yaml", "events.txt"] {
        assert!(evidence.contains(file), "{file} is missing: {evidence}");
    }
    // A task that passed leaves its row, and no files.
    assert!(!job.files().iter().any(|file| file.contains("/fetch/")));
    let files = job.files().into_iter();
    let reports: Vec<_> = files.filter(|file| file.contains("junit_")).collect();
    let report = job.read(&reports[0]).unwrap();
    assert!(report.contains("name=\"e2e/unit\""), "{report}");
    assert!(report.contains("name=\"e2e/fetch\""), "{report}");
}

#[test]
fn a_pipeline_run_that_fails_says_why_and_is_torn_down() {
    let cluster = Cluster::connect();
    let job = job(&cluster, "tekton.dev/v1beta1");
    let mut program = job.start();
    let run = wait_for(&job, false, |_| true);
    set_status(&job, &run, "False", "PipelineRunTimeout");
    let teardown = wait_for(&job, true, |_| true);
    set_status(&job, &teardown, "True", "Completed");
    assert_eq!(job.end_of(&mut program), 1, "{}", job.log());
    job.assert_result("FAILURE");
    let log = job.log();
    let (_, summary) = log.split_once("FAILURE").expect("a summary");
    assert!(summary.contains("PipelineRunTimeout"), "{summary}");
    // Tekton has removed the pods of what was out of time.
    assert!(log.contains("has no failed pod"), "{log}");
}

#[test]
fn a_pipeline_run_of_an_interrupted_job_is_cancelled() {
    let cluster = Cluster::connect();
    let job = job(&cluster, "tekton.dev/v1");
    let mut program = job.start();
    let run = wait_for(&job, false, |_| true);
    set_status(&job, &run, "Unknown", "Running");
    signal(&program, "TERM");
    let told = |run: &Value| run["spec"]["status"] == "CancelledRunFinally";
    let run = wait_for(&job, false, told);
    set_status(&job, &run, "False", "Cancelled");
    let teardown = wait_for(&job, true, |_| true);
    set_status(&job, &teardown, "True", "Completed");
    assert_eq!(job.end_of(&mut program), 143, "{}", job.log());
    job.assert_result("ABORTED");
}
