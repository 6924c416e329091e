use std::path::Path;

use common::env::Env;

use super::*;

const MANIFEST: &str = r#"
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  generateName: e2e-
  labels: {JOB_NAME: mine}
spec:
  entrypoint: e2e
  arguments:
    parameters:
    - {name: name}
    - {name: bucket, value: gs://default}
    - {name: namespace, value: default}
    - {name: prow_env, valueFrom: {configMapKeyRef: {name: a, key: b}}}
    - {name: registry, value: ""}
    - {name: other, value: kept}
  templates:
  - name: e2e
    steps: [[{name: unit, template: unit}]]
  - name: unit
    container:
      image: x
      env:
      - {name: BUILD_ID, value: "99"}
  - name: script
    metadata: {annotations: {a: b}}
    script: {image: x, source: "true"}
    sidecars:
    - {name: s, image: y}
"#;

fn job() -> Job {
    let env: Env = [
        ("JOB_NAME", "e2e job"),
        ("JOB_TYPE", "presubmit"),
        ("BUILD_ID", "7"),
        ("REPO_OWNER", "o"),
        ("REPO_NAME", "r"),
        ("PULL_BASE_REF", "main"),
        ("PULL_BASE_SHA", "aaaa"),
        ("PULL_REFS", "main:aaaa,12:bbbb"),
    ]
    .into_iter()
    .collect();
    let mut job = Job::from_env(&env).unwrap().unwrap();
    job.refs.as_mut().unwrap().pulls[0].title = "{{workflow.name}} {{{{".to_owned();
    job
}

fn document(text: &str) -> Document {
    Document::parse(Path::new("e2e.yaml"), text).unwrap()
}

fn render(text: &str, params: &Value) -> Result<Value, Mistake> {
    Rendering {
        name: "e2e-12-bbbb",
        entry: "unit",
        namespace: None,
        bucket: Some("file:///b"),
        job: &job(),
        params: params.as_object().unwrap(),
    }
    .render(&document(text))
}

#[test]
fn parameters_that_are_declared_get_their_values() {
    let workflow = render(MANIFEST, &json!({"registry": 1.5})).unwrap();
    assert_eq!(
        workflow["spec"]["arguments"]["parameters"],
        json!([
            {"name": "name", "value": "e2e-12-bbbb"},
            {"name": "bucket", "value": "file:///b"},
            {"name": "namespace", "value": "default"},
            {"name": "prow_env", "value": "BUILD_ID=7,BUILD_NUMBER=7,JOB_NAME=e2e job,\
                JOB_TYPE=presubmit,PULL_BASE_SHA=aaaa,PULL_NUMBER=12,PULL_PULL_SHA=bbbb,\
                REPO_NAME=r,REPO_OWNER=o"},
            {"name": "registry", "value": "1.5"},
            {"name": "other", "value": "kept"},
        ])
    );
}

#[test]
fn a_parameter_that_is_not_declared_is_a_mistake() {
    let mistake = render(MANIFEST, &json!({"registri": "x"})).unwrap_err();
    assert!(matches!(mistake, Mistake::Parameter(name) if name == "registri"));
}

#[test]
fn labels_are_valid_and_keep_what_the_manifest_says() {
    let workflow = render(MANIFEST, &json!({})).unwrap();
    assert_eq!(
        workflow["metadata"],
        json!({
            "labels": {
                "JOB_NAME": "mine", "JOB_TYPE": "presubmit", "BUILD_ID": "7", "BUILD_NUMBER": "7",
                "PROW_JOB_ID": "notset", "REPO_OWNER": "o", "REPO_NAME": "r",
                "PULL_BASE_REF": "main", "PULL_BASE_SHA": "aaaa", "PULL_NUMBER": "12",
                "PULL_PULL_SHA": "bbbb", "workflow": "e2e-12-bbbb", "workflow_template": "unit"
            },
            "name": "e2e-12-bbbb",
        })
    );
    let templates = &workflow["spec"]["templates"];
    assert_eq!(templates[0].get("metadata"), None);
    assert_eq!(templates[1]["metadata"]["labels"]["step_name"], "unit");
    assert_eq!(templates[1]["metadata"]["labels"]["JOB_NAME"], "e2e-job");
    assert_eq!(templates[2]["metadata"]["annotations"], json!({"a": "b"}));
}

#[test]
fn every_container_gets_the_variables_that_it_does_not_set() {
    let workflow = render(MANIFEST, &json!({})).unwrap();
    let values = |pointer: &str, name: &str| -> Vec<Value> {
        let env = workflow.pointer(pointer).unwrap().as_array().unwrap();
        (env.iter().filter(|one| one["name"] == name))
            .map(|one| one["value"].clone())
            .collect()
    };
    assert_eq!(
        values("/spec/templates/1/container/env", "BUILD_ID"),
        ["99"]
    );
    assert_eq!(
        values("/spec/templates/1/container/env", "TEST_TARGET_NAME"),
        ["unit"]
    );
    assert_eq!(
        values("/spec/templates/2/script/env", "PULL_NUMBER"),
        ["12"]
    );
    assert_eq!(
        values("/spec/templates/2/sidecars/0/env", "BUILD_ID"),
        ["7"]
    );
}

#[test]
fn a_pull_requests_title_is_no_template() {
    let workflow = render(MANIFEST, &json!({})).unwrap();
    let env = &workflow["spec"]["templates"][1]["container"]["env"];
    let spec = env
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "JOB_SPEC");
    let spec = spec.unwrap()["value"].as_str().unwrap();
    assert!(!spec.contains("{{"), "{spec}");
    assert_eq!(serde_json::from_str::<Job>(spec).unwrap(), job());
}

#[test]
fn everything_else_stays_in_its_order() {
    let workflow = render(MANIFEST, &json!({})).unwrap();
    let keys: Vec<_> = workflow["spec"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["entrypoint", "arguments", "templates"]);
    assert_eq!(
        workflow["spec"]["templates"][0],
        document(MANIFEST).value["spec"]["templates"][0]
    );
}

#[test]
fn what_is_no_mapping_is_a_mistake_with_its_line() {
    for (text, expected) in [
        (
            "metadata: x\nspec: {templates: []}\n",
            "e2e.yaml:1: /metadata is not a mapping",
        ),
        (
            "metadata:\n  labels: [x]\nspec: {}\n",
            "e2e.yaml:2: /metadata/labels is not a mapping",
        ),
        (
            "spec:\n  templates:\n  - x\n",
            "e2e.yaml:3: /spec/templates/0 is not a mapping",
        ),
    ] {
        match render(text, &json!({})) {
            Err(Mistake::Manifest(error)) => assert_eq!(error.report(), expected),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn labels_of_any_text_are_valid() {
    for (text, label) in [
        ("feature/x y", "feature-x-y"),
        ("-a_b.", "a_b"),
        ("ü", ""),
        (&"a".repeat(70), &"a".repeat(63)),
    ] {
        assert_eq!(label_value(text), label);
    }
}
