//! Functions that do not do what they should: file and line, the entry, the cause and the cure.

use e2e::{TestEnvironment, text};

use super::with_module;
use crate::support::prow;

const MODULE: &str = r#"
import os, sys, time

def none(name): pass

def number(name): return 3

def raises(name):
    helper({})

def helper(found):
    raise ValueError("no such key") from KeyError("a")

def exits(name): sys.exit(3)

def dies(name): os.kill(os.getpid(), 11)

def takes_one(name, region): return {}

def nan(name): return {"spec": {"x": [float("nan")]}}

def a_set(name): return {"spec": {"x": {1}}}

def other(name): return {"kind": "Pod"}

def renamed(name):
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "../x"},
            "spec": {"templates": []}}

def hangs(name):
    print("before", flush=True)
    time.sleep(1000)

def huge(name): return {"spec": "x" * 11000000}
"#;

fn report(test: &TestEnvironment) -> String {
    let mut command = prow(test, "presubmit");
    let args = ["show", "--render-timeout=3s"];
    let output = command.args(args).output().unwrap();
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{log}");
    assert_eq!(text(&output.stdout), "");
    let start = log.find("ERROR ").expect("an error");
    let root = test.path().display().to_string();
    log[start + 6..].replace(&root, "[ROOT]")
}

#[test]
fn each_failure_names_line_entry_cause_and_cure() {
    let place = |line: u32| format!("[ROOT]/src/o/r/prow_config.yaml:{line}: workflow \"e2e\": ");
    for (function, fields, line, expected, cure) in [
        (
            "none",
            "",
            4,
            "tests.flows.none returned None",
            "return workflow",
        ),
        (
            "number",
            "",
            4,
            "tests.flows.number returned a int",
            "as a dict",
        ),
        (
            "exits",
            "",
            4,
            "tests.flows.exits ended its process with exit code 3",
            "",
        ),
        (
            "dies",
            "",
            4,
            "the process of tests.flows.dies was killed by signal 11",
            "",
        ),
        (
            "takes_one",
            "",
            4,
            "tests.flows.takes_one needs an argument 'region'",
            "under kwargs",
        ),
        (
            "takes_one",
            "  kwargs:\n    region: x\n    regoin: y\n",
            7,
            "tests.flows.takes_one takes no argument 'regoin'",
            "it takes: name, region",
        ),
        (
            "nan",
            "",
            4,
            "the root.spec.x[0] of the workflow is nan",
            "",
        ),
        (
            "a_set",
            "",
            4,
            "the root.spec.x of the workflow is a set",
            "a workflow is made of",
        ),
        ("other", "", 4, "what it gives is no Workflow: kind", ""),
        (
            "renamed",
            "",
            4,
            "the workflow's own name \"../x\"",
            "as its argument `name`",
        ),
        (
            "hangs",
            "",
            4,
            "tests.flows.hangs did not return within 3s",
            "--render-timeout",
        ),
        (
            "huge",
            "",
            4,
            "tests.flows.huge returned more than 10 MiB",
            "",
        ),
        (
            "nonesuch",
            "",
            4,
            "tests.flows has no nonesuch",
            "it has: none",
        ),
        ("nome", "", 4, "tests.flows has no nome", "it has: none"),
    ] {
        let entry = format!("- name: e2e\n  py_func: tests.flows.{function}\n{fields}");
        let found = report(&with_module(MODULE, &entry));
        let expected = format!("{}{expected}", place(line));
        assert!(found.starts_with(&expected), "{expected}\n{found}");
        assert!(found.contains(cure), "{cure}\n{found}");
    }
}

#[test]
fn an_exception_is_told_with_its_own_traceback() {
    let test = with_module(MODULE, "- name: e2e\n  py_func: tests.flows.raises\n");
    let found = report(&test);
    for part in [
        "prow_config.yaml:4: workflow \"e2e\": tests.flows.raises raised ValueError: no such key\n    \
         KeyError: 'a'\n",
        "The above exception was the direct cause",
        "      File \"[ROOT]/src/o/r/py/tests/flows.py\", line 12, in helper\n",
        "\n    ValueError: no such key\n",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
    // Ours is no part of it.
    assert!(!found.contains("loader.py"), "{found}");
}

#[test]
fn an_import_error_says_what_to_install_or_to_name() {
    let entry = "- name: e2e\n  py_func: tests.flows.flow\n";
    let found = report(&with_module("import no_such_library\n", entry));
    assert!(
        found.contains("raised ModuleNotFoundError: No module named 'no_such_library'"),
        "{found}"
    );
    assert!(
        found.contains("install the package that has it for the Python that --python names, or"),
        "{found}"
    );
    // Python's own way to it is no part of what its author has to read.
    assert!(!found.contains("importlib"), "{found}");
    let found = report(&with_module("import google.no_such.part\n", entry));
    assert!(
        found.contains("names (google-cloud-storage), or"),
        "{found}"
    );
    let found = report(&with_module(
        "",
        "- name: e2e\n  py_func: test.flows2.flow\n",
    ));
    assert!(
        found.contains("cannot import test.flows2.flow: No module named 'test.flows2'"),
        "{found}"
    );
    assert!(found.contains("searched: [ROOT]/src/o/r/py"), "{found}");
    let found = report(&with_module(
        "def f(:\n",
        "- name: e2e\n  py_func: tests.flows.f\n",
    ));
    assert!(
        found.contains("raised SyntaxError: invalid syntax"),
        "{found}"
    );
}

#[test]
fn all_failures_are_told_and_a_good_function_does_not_hide_them() {
    let entry = |function: &str| format!("- name: {function}\n  py_func: tests.flows.{function}\n");
    let entries = [entry("none"), entry("number"), entry("exits")].concat();
    let found = report(&with_module(MODULE, &entries));
    for line in [
        ":4: workflow \"none\"",
        ":6: workflow \"number\"",
        ":8: workflow \"exits\"",
    ] {
        assert!(found.contains(line), "{line}: {found}");
    }
}

#[test]
fn a_python_that_is_none_is_told() {
    let test = with_module(MODULE, "- name: e2e\n  py_func: tests.flows.none\n");
    for (python, expected) in [("no-such-python", "No such file"), ("false", "it ended")] {
        let mut command = prow(&test, "presubmit");
        let output = command.args(["show", "--python", python]).output().unwrap();
        let log = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{log}");
        let what = format!("{python} cannot call the functions of py_func: ");
        assert!(log.contains(&what) && log.contains(expected), "{log}");
        assert!(!log.contains("WARN"), "{log}");
    }
}

#[test]
fn a_folder_of_python_paths_that_is_not_there_is_passed_over_with_a_warning() {
    let function = "def flow(name):
    return {'apiVersion': 'argoproj.io/v1alpha1', 'kind': 'Workflow',
            'metadata': {'name': name}, 'spec': {'entrypoint': 'a', 'templates': []}}
";
    let test = with_module(function, "- name: e2e\n  py_func: tests.flows.flow\n");
    let config = test.read("src/o/r/prow_config.yaml");
    let several = "python_paths:\n- o/r/py\n- o/r/nope";
    let config = config.replacen("python_paths: o/r/py", several, 1);
    test.write("src/o/r/prow_config.yaml", config);
    let output = prow(&test, "presubmit").arg("show").output().unwrap();
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{log}");
    let warning = "prow_config.yaml:3: python_paths: o/r/nope is not there";
    assert!(log.contains(warning), "{log}");
}

#[test]
fn a_folder_of_python_paths_outside_of_its_repository_is_an_error() {
    let test = with_module(MODULE, "- name: e2e\n  py_func: tests.flows.none\n");
    std::os::unix::fs::symlink(test.path(), test.path().join("src/o/r/out")).unwrap();
    let config = "python_paths:\n- o/r/out\nworkflows:\n- name: e2e\n  py_func: a.b\n";
    test.write("src/o/r/prow_config.yaml", config);
    let found = report(&test);
    let place = "[ROOT]/src/o/r/prow_config.yaml:2: python_paths: ";
    assert!(
        found.starts_with(place) && found.contains("leaves"),
        "{found}"
    );
}
