use std::path::Path;

use common::env::Env;
use common::yaml::Document;

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

fn value(text: &str) -> Value {
    Document::parse(Path::new("e2e.yaml"), text).unwrap().value
}

fn render(text: &str, params: &Value) -> Result<Value, Mistake> {
    render_as(text, params, false)
}

fn render_as(text: &str, params: &Value, is_made_for_run: bool) -> Result<Value, Mistake> {
    Rendering {
        name: "e2e-12-bbbb",
        entry: "unit",
        target: "unit",
        namespace: None,
        bucket: Some("file:///b"),
        project: Some("p"),
        job: &job(),
        params: params.as_object().unwrap(),
        is_made_for_run,
    }
    .render(value(text))
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
        workflow["metadata"]["labels"],
        json!({
            "JOB_NAME": "mine", "JOB_TYPE": "presubmit", "BUILD_ID": "7", "BUILD_NUMBER": "7",
            "PROW_JOB_ID": "notset", "REPO_OWNER": "o", "REPO_NAME": "r",
            "PULL_BASE_REF": "main", "PULL_BASE_SHA": "aaaa", "PULL_NUMBER": "12",
            "PULL_PULL_SHA": "bbbb", "workflow": "e2e-12-bbbb", "workflow_template": "unit",
            "app.kubernetes.io/managed-by": "submit-e2e",
        })
    );
    let templates = &workflow["spec"]["templates"];
    assert_eq!(templates[0].get("metadata"), None);
    assert_eq!(templates[1]["metadata"]["labels"]["step_name"], "unit");
    assert_eq!(templates[1]["metadata"]["labels"]["JOB_NAME"], "e2e-job");
    assert_eq!(templates[2]["metadata"]["annotations"]["a"], "b");
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
        values("/spec/templates/1/container/env", "WORKFLOW_NAME").len(),
        1
    );
    assert_eq!(
        values("/spec/templates/1/container/env", "STEP_IMAGE"),
        [workflow["spec"]["templates"][1]["container"]["image"].clone()]
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
    assert_eq!(
        keys,
        ["entrypoint", "arguments", "templates", "ttlStrategy"]
    );
    assert_eq!(
        workflow["spec"]["templates"][0],
        value(MANIFEST)["spec"]["templates"][0]
    );
}

#[test]
fn what_is_no_mapping_is_a_mistake_with_its_place() {
    for (text, expected) in [
        ("metadata: x\nspec: {templates: []}\n", "/metadata"),
        ("metadata:\n  labels: [x]\nspec: {}\n", "/metadata/labels"),
        ("metadata: {annotations: x}\n", "/metadata/annotations"),
        ("spec:\n  templates:\n  - x\n", "/spec/templates/0"),
        (
            "spec: {templates: [{metadata: {labels: x}}]}\n",
            "/spec/templates/0/metadata/labels",
        ),
        (
            "spec: {templates: [{dag: {tasks: [{inline: {metadata: 1}}]}}]}\n",
            "/spec/templates/0/dag/tasks/0/inline/metadata",
        ),
    ] {
        assert_eq!(
            render(text, &json!({})),
            Err(Mistake::NoMapping(expected.to_owned())),
            "{text}"
        );
    }
}

#[test]
fn links_lead_to_the_logs_of_the_workflow_and_of_each_step() {
    let workflow = render(MANIFEST, &json!({})).unwrap();
    let link = |pointer: &str| {
        let annotations = workflow.pointer(pointer).unwrap();
        annotations["kubeflow.org/logs"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let of_all = "https://console.cloud.google.com/logs/query;query=resource.type%3D%22k8s_container%22%0A\
        labels.%22k8s-pod%2Fworkflow%22%3D%22e2e-12-bbbb%22";
    assert_eq!(
        link("/metadata/annotations"),
        format!("{of_all};duration=P7D?project=p")
    );
    assert_eq!(
        link("/spec/templates/1/metadata/annotations"),
        format!(
            "{of_all}%0Alabels.%22k8s-pod%2Fstep_name%22%3D%22unit%22%0A\
             resource.labels.container_name%3D%22main%22;duration=P7D?project=p"
        )
    );
}

#[test]
fn finished_workflows_go_away_after_a_week_or_as_the_manifest_says() {
    for (spec, expected) in [
        ("{}", json!({"secondsAfterCompletion": 604_800})),
        (
            "{ttlStrategy: {secondsAfterFailure: 5}}",
            json!({"secondsAfterFailure": 5}),
        ),
        // The spelling of Argo 2.
        (
            "{ttlSecondsAfterFinished: 60}",
            json!({"secondsAfterCompletion": 60}),
        ),
    ] {
        let workflow = render(&format!("spec: {spec}\n"), &json!({})).unwrap();
        assert_eq!(workflow["spec"], json!({"ttlStrategy": expected}));
    }
}

#[test]
fn what_a_function_has_set_stays() {
    let text = "metadata: {name: own, namespace: ours, labels: {workflow_template: argo}}
spec:
  arguments: {parameters: [{name: bucket, value: gs://own}, {name: name}, {name: x, value: 1}]}
";
    let workflow = render_as(text, &json!({"x": "2"}), true).unwrap();
    let metadata = &workflow["metadata"];
    assert_eq!(metadata["name"], "own");
    assert_eq!(metadata["namespace"], "ours");
    assert_eq!(metadata["labels"]["workflow_template"], "argo");
    assert_eq!(metadata["labels"]["workflow"], "own");
    assert_eq!(
        workflow["spec"]["arguments"]["parameters"],
        json!([{"name": "bucket", "value": "gs://own"}, {"name": "name", "value": "e2e-12-bbbb"}, {"name": "x", "value": "2"}])
    );
    let workflow = render_as(
        "metadata: {name: null, namespace: null}\n",
        &json!({}),
        true,
    );
    let metadata = &workflow.unwrap()["metadata"];
    assert_eq!(metadata["name"], "e2e-12-bbbb");
    assert_eq!(metadata.get("namespace"), None);
}

#[test]
fn pods_of_a_template_of_the_cluster_get_labels_and_variables() {
    let text = "spec: {workflowTemplateRef: {name: t}}\n";
    let workflow = render(text, &json!({})).unwrap();
    let spec = &workflow["spec"];
    assert_eq!(spec["podMetadata"]["labels"]["BUILD_ID"], "7");
    let env = spec["templateDefaults"]["container"]["env"].as_array();
    let target = json!({"name": "TEST_TARGET_NAME", "value": "unit"});
    assert!(env.unwrap().contains(&target));
}

#[test]
fn a_task_with_a_template_of_its_own_is_a_step_as_well() {
    let text = "spec:
  templates:
  - name: all
    dag: {tasks: [{name: a, inline: {container: {image: x}}}]}
  - name: one
    steps: [[{name: b, inline: {script: {image: x}}}]]
";
    let workflow = render(text, &json!({})).unwrap();
    for pointer in [
        "/spec/templates/0/dag/tasks/0/inline/container/env/0/name",
        "/spec/templates/1/steps/0/0/inline/script/env/0/name",
    ] {
        assert_eq!(workflow.pointer(pointer).unwrap(), "JOB_SPEC");
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
        assert_eq!(marks::label_value(text), label);
    }
}
