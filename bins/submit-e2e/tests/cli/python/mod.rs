//! `py_func`: workflows that Python functions give, through the built binary.

mod mistakes;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use e2e::{TestEnvironment, text};
use serde_json::{Value, json};

use crate::support::{prow, repository};

/// A module with a function for each thing that functions do.
const MODULE: &str = r#"
import logging, os, sys

SHARED = []

def workflow(name, **more):
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
            "metadata": {"name": name, "annotations": {k: repr(v) for k, v in more.items()}},
            "spec": {"entrypoint": "a", "templates": [{"name": "a", "container": {"image": "x"}}]}}

def create(name, namespace=None, bucket=None, **kwargs):
    SHARED.append(name)
    return workflow(name, namespace=namespace, bucket=bucket, kwargs=kwargs, calls=len(SHARED))

def takes_little(name, flag):
    return workflow(name, flag=flag)

def prints(name):
    print("printed")
    sys.stderr.write("told\n")
    logging.info("logged")
    os.system("echo from a child")
    return workflow(name)

def surroundings(name):
    return workflow(name, job=os.environ["JOB_NAME"], target=os.environ["PULL_NUMBER"], cwd=os.getcwd(),
                    source=open("/src/o/r/src/a.c").read(), path=sys.path[0])

class Builder:
    def __init__(self, name=None, test_target_name=None):
        self.name, self.target = name, test_target_name

    def build(self):
        return workflow(self.name, target=self.target)

def gives_builder(name):
    return Builder(name)

def types(name):
    import datetime
    result = workflow(name)
    result["spec"]["templates"] = tuple(result["spec"]["templates"])
    result["metadata"]["annotations"] = {1: "a", True: "b"}
    result["spec"]["x"] = [datetime.date(2026, 1, 2), None, 1.5, 10**12]
    return result
"#;

/// The repository with the module, and a configuration with these entries.
pub(super) fn with_module(module: &str, entries: &str) -> TestEnvironment {
    let config = format!("python_paths: o/r/py\nworkflows:\n{entries}");
    let test = repository(&config);
    test.write("src/o/r/py/tests/__init__.py", "");
    test.write("src/o/r/py/tests/flows.py", module);
    test
}

/// What `show` prints of these entries, and its log.
fn shown(test: &TestEnvironment) -> (Vec<Value>, String) {
    let mut command = prow(test, "presubmit");
    let args = ["show", "--output=json", "--bucket=file:///b", "--only=e2e"];
    let output = command.args(args).output().unwrap();
    let log = text(&output.stderr);
    assert!(output.status.success(), "{log}");
    let manifests: Value = serde_json::from_slice(&output.stdout).unwrap();
    (manifests.as_array().unwrap().clone(), log)
}

fn shown_one(function: &str, fields: &str) -> (Value, String) {
    let entry = format!("- name: e2e\n  py_func: tests.flows.{function}\n{fields}");
    let (mut manifests, log) = shown(&with_module(MODULE, &entry));
    (manifests.remove(0), log)
}

fn annotations(workflow: &Value) -> Value {
    let mut annotations = workflow["metadata"]["annotations"].clone();
    let fields = annotations.as_object_mut().unwrap();
    fields.remove("kubeflow.org/logs").unwrap();
    annotations
}

#[test]
fn arguments_have_the_types_of_the_file_and_ours_come_with_them() {
    let kwargs = "  kwargs: {release: true, count: 3, ratio: 1.5, text: '3', none: null, list: [a, {b: 1}]}\n";
    let (workflow, _) = shown_one("create", kwargs);
    assert_eq!(
        annotations(&workflow),
        json!({
            "namespace": "None",
            "bucket": "'file:///b'",
            "kwargs": "{'test_target_name': 'e2e', 'release': True, 'count': 3, 'ratio': 1.5, \
                'text': '3', 'none': None, 'list': ['a', {'b': 1}]}",
            "calls": "1",
        })
    );
    let name = workflow["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("job-e2e-12-"), "{name}");
}

#[test]
fn arguments_that_a_function_does_not_take_are_not_given() {
    let (workflow, _) = shown_one("takes_little", "  kwargs: {flag: x}\n");
    assert_eq!(annotations(&workflow), json!({"flag": "'x'"}));
}

#[test]
fn a_target_name_of_the_entry_reaches_function_and_containers() {
    let (workflow, _) = shown_one("Builder", "  kwargs: {test_target_name: mine}\n");
    assert_eq!(annotations(&workflow), json!({"target": "'mine'"}));
    let env = workflow["spec"]["templates"][0]["container"]["env"].as_array();
    let target = json!({"name": "TEST_TARGET_NAME", "value": "mine"});
    assert!(env.unwrap().contains(&target), "{env:?}");
}

#[test]
fn builders_are_built() {
    let (workflow, _) = shown_one("Builder", "");
    assert_eq!(annotations(&workflow), json!({"target": "'e2e'"}));
    let (workflow, _) = shown_one("gives_builder", "");
    assert_eq!(annotations(&workflow), json!({"target": "None"}));
}

#[test]
fn what_a_function_prints_goes_to_the_log() {
    let (_, log) = shown_one("prints", "");
    for line in ["printed", "told", "INFO ", " logged", "from a child"] {
        let found = log
            .lines()
            .any(|own| own.contains(" INFO  e2e: ") && own.contains(line));
        assert!(found, "{line}: {log}");
    }
}

#[test]
fn a_function_finds_the_sources_at_their_usual_place_and_prows_variables() {
    let entry = "- name: e2e\n  py_func: tests.flows.surroundings\n";
    let test = with_module(MODULE, entry);
    let (manifests, log) = shown(&test);
    assert!(!log.contains("WARN"), "{log}");
    let root = test.path().join("src/o/r");
    let root = root.canonicalize().unwrap().display().to_string();
    let source = json!({
        "job": "'job'", "target": "'12'", "cwd": format!("'{root}'"), "source": "'int a;\\n'",
        "path": format!("'{}/py'", test.path().join("src/o/r").display()),
    });
    assert_eq!(annotations(&manifests[0]), source);
    // Neither caches nor anything else is left in the repository.
    let status = test.git("src/o/r", &["status", "--porcelain", "--ignored"]);
    assert_eq!(status, "?? py/");
    assert!(!test.path().join("src/o/r/py/tests/__pycache__").exists());
}

#[test]
fn pythons_own_types_become_those_of_json() {
    let (workflow, _) = shown_one("types", "");
    assert_eq!(annotations(&workflow), json!({"1": "b"}));
    assert_eq!(
        workflow["spec"]["x"],
        json!(["2026-01-02", null, 1.5, 1_000_000_000_000_u64])
    );
}

#[test]
fn functions_do_not_see_one_another() {
    let entry = "- name: e2e\n  py_func: tests.flows.create\n";
    let (manifests, _) = shown(&with_module(MODULE, &entry.repeat(5)));
    let names: std::collections::HashSet<_> = (manifests.iter())
        .map(|one| one["metadata"]["name"].to_string())
        .collect();
    assert_eq!(names.len(), 5);
    for workflow in &manifests {
        assert_eq!(workflow["metadata"]["annotations"]["calls"], "1");
    }
}

#[test]
fn yaml_without_a_loader_is_read_safely() {
    // The signature of PyYAML 6, whose `load` refuses what earlier ones took.
    let yaml =
        "class SafeLoader: pass\ndef load(stream, Loader):\n    return [stream, Loader.__name__]\n";
    let module = "import yaml\nfrom tests import create\n\
        def flow(name):\n    return create(name, yaml.load('text'), yaml.load('x', Loader=str))\n";
    let entry = "- name: e2e\n  py_func: tests.flows.flow\n";
    let test = with_module(module, entry);
    test.write("src/o/r/py/yaml.py", yaml);
    test.write(
        "src/o/r/py/tests/__init__.py",
        "def create(name, *found):\n    return {'apiVersion': 'argoproj.io/v1alpha1', 'kind': 'Workflow', \
         'metadata': {'name': name}, 'spec': {'templates': [], 'found': found}}\n",
    );
    let (manifests, _) = shown(&test);
    assert_eq!(
        manifests[0]["spec"]["found"],
        json!([["text", "SafeLoader"], ["x", "str"]])
    );
}

#[test]
fn the_library_of_kubeflow_testing_is_found_where_it_is_checked_out() {
    let test = with_module(MODULE, "- name: e2e\n  py_func: library.flow\n");
    let library =
        "from tests.flows import workflow\ndef flow(name):\n    return workflow(name, a=1)\n";
    test.write("src/kubeflow/testing/py/library.py", library);
    let (manifests, _) = shown(&test);
    assert_eq!(annotations(&manifests[0]), json!({"a": "1"}));
}

#[test]
fn repositories_of_python_paths_that_are_missing_are_checked_out() {
    let test = with_module(MODULE, "- name: e2e\n  py_func: helper.flow\n");
    let config =
        "python_paths: [o/r/py, lib/helpers/py]\nworkflows:\n- name: e2e\n  py_func: helper.flow\n";
    test.write("src/o/r/prow_config.yaml", config);
    let helper =
        "from tests.flows import workflow\ndef flow(name):\n    return workflow(name, a=1)\n";
    test.write("served/lib/helpers/py/helper.py", helper);
    test.git("served/lib/helpers", &["init", "--quiet"]);
    test.git("served/lib/helpers", &["add", "--all"]);
    test.git("served/lib/helpers", &["commit", "--quiet", "-m", "helper"]);
    let mut command = prow(&test, "presubmit");
    let base = format!("file://{}", test.path().join("served").display());
    let output = command
        .env("GIT_BASE_URL", base)
        .args(["show", "--output=json", "--only=e2e"])
        .output()
        .unwrap();
    let log = text(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("checking out lib/helpers"), "{log}");
    let manifests: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(annotations(&manifests[0]), json!({"a": "1"}));
    assert!(test.path().join("src/lib/helpers/py/helper.py").exists());
}

#[test]
fn a_relative_python_and_relative_folders_are_those_of_the_caller() {
    let test = with_module(MODULE, "- name: e2e\n  py_func: tests.flows.create\n");
    std::fs::create_dir(test.path().join("tools")).unwrap();
    test.write("tools/py", "#!/bin/sh\nexec python3 \"$@\"\n");
    let program = test.path().join("tools/py");
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let mut command = prow(&test, "presubmit");
    let args = [
        "show",
        "--output=json",
        "--repos-dir=src",
        "--python=tools/py",
    ];
    let output = command
        .current_dir(test.path())
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}
