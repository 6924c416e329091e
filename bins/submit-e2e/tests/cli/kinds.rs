//! Entries that are made from jsonnet, `PipelineRun`s and templates of the cluster.

use e2e::{TestEnvironment, text};
use serde_json::{Value, json};

use crate::support::{prow, repository};

/// What the subcommand does with these entries, as a pull request of a repository that has files.
pub(super) fn run(
    entries: &str,
    files: &[(&str, &str)],
    args: &[&str],
) -> (TestEnvironment, Option<i32>, String, String) {
    let test = repository(&format!("workflows:\n{entries}"));
    for (name, content) in files {
        test.write(format!("src/o/r/{name}"), content);
    }
    let output = prow(&test, "presubmit").args(args).output().unwrap();
    let clean = |bytes: &[u8]| {
        let root = test.path().display().to_string();
        text(bytes).replace(&root, "[ROOT]")
    };
    let (stdout, stderr) = (clean(&output.stdout), clean(&output.stderr));
    (test, output.status.code(), stdout, stderr)
}

pub(super) fn show(entries: &str, files: &[(&str, &str)]) -> Vec<Value> {
    let args = [
        "show",
        "--output=json",
        "--bucket=file:///b",
        "--namespace=ci",
    ];
    let (_test, code, stdout, stderr) = run(entries, files, &args);
    assert_eq!(code, Some(0), "{stderr}");
    let all: Value = serde_json::from_str(&stdout).unwrap();
    all.as_array().unwrap().clone()
}

pub(super) fn refused(entries: &str, files: &[(&str, &str)]) -> String {
    let (_test, code, _, stderr) = run(entries, files, &["show"]);
    assert_eq!(code, Some(2), "{stderr}");
    let start = stderr.find("ERROR ").expect("an error");
    stderr[start + 6..].to_owned()
}

#[test]
fn jsonnet_gets_external_variables_and_arguments() {
    let file = "local v = std.extVar;
function(name, bucket, size, flag=false) {
  apiVersion: 'argoproj.io/v1alpha1', kind: 'Workflow',
  metadata: { name: name, annotations: { b: bucket, s: std.toString(size), f: std.toString(flag), v: v('x').y, t: v('test_target_name') } },
  spec: { arguments: { parameters: [{ name: 'p' }] }, templates: [] },
}";
    let entry = "- name: e2e\n  manifest: test/a.jsonnet\n  ext_vars: {x: {y: z}}\n  top_level_args: {size: 3}\n  params: {p: q}\n";
    let workflows = show(entry, &[("test/a.jsonnet", file)]);
    let metadata = &workflows[0]["metadata"];
    assert!(
        metadata["name"]
            .as_str()
            .unwrap()
            .starts_with("job-e2e-12-")
    );
    let mut annotations = metadata["annotations"].clone();
    annotations
        .as_object_mut()
        .unwrap()
        .remove("kubeflow.org/logs");
    assert_eq!(
        annotations,
        json!({"b": "file:///b", "s": "3", "f": "false", "v": "z", "t": "e2e"})
    );
    assert_eq!(
        workflows[0]["spec"]["arguments"]["parameters"],
        json!([{"name": "p", "value": "q"}])
    );
}

#[test]
fn imports_do_not_leave_the_repository() {
    let entry = "- name: e2e\n  manifest: test/a.jsonnet\n";
    let error = refused(
        entry,
        &[("test/a.jsonnet", "{\n  a: importstr '/etc/hostname',\n}")],
    );
    assert!(
        error.starts_with(
            "[ROOT]/src/o/r/prow_config.yaml:3: workflow \"e2e\": error: \
             [ROOT]/src/o/r/test/a.jsonnet:2: import \"/etc/hostname\" leaves [ROOT]/src/o/r"
        ),
        "{error}"
    );
    let entry = "- name: ks\n  app_dir: o/r/app\n  component: w\n";
    let files = [
        ("app/components/w.jsonnet", "std.extVar('__ksonnet/params')"),
        (
            "app/components/params.libsonnet",
            "import '../../../../../../../../../../../etc/hostname'",
        ),
    ];
    let error = refused(entry, &files);
    assert!(
        error.contains("[ROOT]/src/o/r/app/components/params.libsonnet:1: import \"../"),
        "{error}"
    );
}

#[test]
fn mistakes_in_jsonnet_name_both_files_and_their_lines() {
    let entry = "- name: e2e\n  manifest: test/a.jsonnet\n";
    let ksonnet = "- name: e2e\n  app_dir: o/r/app\n  component: w\n";
    for (entries, file, content, expected) in [
        (
            entry,
            "test/a.jsonnet",
            "{\n  a: error 'no',\n}",
            "prow_config.yaml:3: workflow \"e2e\": error: explicit error: no\n     --> [ROOT]/src/o/r/test/a.jsonnet:2:6",
        ),
        (
            entry,
            "test/a.jsonnet",
            "{\n  a: 1 +,\n}",
            "[ROOT]/src/o/r/test/a.jsonnet:2:9",
        ),
        (
            entry,
            "test/a.jsonnet",
            "import 'nope.libsonnet'",
            "nope.libsonnet",
        ),
        (
            entry,
            "test/a.jsonnet",
            "{ kind: 'Pod' }",
            "what it gives is no Workflow: kind",
        ),
        (
            entry,
            "test/a.jsonnet",
            "local f(x) = f(x + 1); f(1)",
            "prow_config.yaml:3: workflow \"e2e\": error: stack overflow",
        ),
        (
            ksonnet,
            "app/components/v.jsonnet",
            "{}",
            "the app's components: v",
        ),
        (
            ksonnet,
            "app/components/w.jsonnet",
            "[{}, {}]",
            "the component gives 2 objects",
        ),
        (
            "- name: e2e\n  app_dir: o/r/nope\n  component: w\n",
            "x",
            "",
            "prow_config.yaml:3: workflow \"e2e\": app_dir: read [ROOT]/src/o/r/nope",
        ),
    ] {
        let found = refused(entries, &[(file, content)]);
        assert!(found.contains(expected), "{expected}\n{found}");
    }
}

#[test]
fn an_evaluation_without_end_is_ended() {
    let entry = "- name: e2e\n  manifest: test/a.jsonnet\n";
    // Each step is short and the stack stays flat: only time ends it.
    let endless = "std.foldl(function(a, b) (a * 7 + b) % 1000003, std.range(1, 100000000), 1)";
    let args = ["show", "--render-timeout=1s"];
    let (_test, code, _, stderr) = run(entry, &[("test/a.jsonnet", endless)], &args);
    assert_eq!(code, Some(2), "{stderr}");
    let ended = stderr.contains("its evaluation did not end within 1s")
        // The numbers may need all of the memory first.
        || stderr.contains("2 GiB of memory");
    assert!(ended, "{stderr}");
}

const PIPELINE_RUN: &str = "apiVersion: tekton.dev/v1alpha1
kind: PipelineRun
metadata: {generateName: nb-, namespace: kf-ci, labels: {pipeline: nb}}
spec:
  params:
  - {name: test-target-name, value: manual}
  - {name: pattern, value: kf-.*}
  - {name: kept, value: x}
  resources:
  - name: repo
    resourceSpec:
      type: git
      params: [{name: url, value: https://github.com/o/r.git}, {name: revision, value: master}]
  - name: image
    resourceSpec: {type: image, params: [{name: url, value: gcr.io/x}]}
  pipelineRef: {name: notebook-test}
";

#[test]
fn a_pipeline_run_is_told_of_the_run() {
    let entry = "- name: nb\n  tekton_run: o/r/run.yaml\n  tekton_params: [{name: pattern, value: mine}, {name: new, value: z}]\n  tekton_teardown: o/r/down.yaml\n  tekton_teardown_params: [{name: utter, value: bar}]\n";
    let down = "apiVersion: tekton.dev/v1\nkind: PipelineRun\nmetadata: {}\nspec: {params: [{name: revision, value: main}]}\n";
    let objects = show(entry, &[("run.yaml", PIPELINE_RUN), ("down.yaml", down)]);
    assert_eq!(objects.len(), 2);
    let (run, down) = (&objects[0], &objects[1]);
    let name = run["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("job-nb-12-"), "{name}");
    assert_eq!(run["metadata"].get("generateName"), None);
    // Its pipeline is in its own namespace.
    assert_eq!(run["metadata"]["namespace"], "kf-ci");
    assert_eq!(run["metadata"]["labels"]["pipeline"], "nb");
    assert_eq!(run["metadata"]["labels"]["JOB_NAME"], "job");
    assert_eq!(
        run["spec"]["params"],
        json!([
            {"name": "test-target-name", "value": "nb"},
            {"name": "pattern", "value": "mine"},
            {"name": "kept", "value": "x"},
            {"name": "junit-path", "value": format!("artifacts/junit_{name}")},
            {"name": "artifacts-gcs", "value": "file:///b/pr-logs/pull/o_r/12/job/7"},
            {"name": "new", "value": "z"},
        ])
    );
    let params = |index: usize| run["spec"]["resources"][index]["resourceSpec"]["params"].clone();
    assert_eq!(
        params(0),
        json!([{"name": "url", "value": "https://github.com/o/r.git"}, {"name": "revision", "value": "refs/pull/12/head"}])
    );
    assert_eq!(params(1), json!([{"name": "url", "value": "gcr.io/x"}]));
    let name = down["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("job-nb-teardown-12-"), "{name}");
    assert_eq!(down["metadata"]["namespace"], "ci");
    let down = down["spec"]["params"].as_array().unwrap();
    assert!(down.contains(&json!({"name": "revision", "value": "refs/pull/12/head"})));
    assert!(down.contains(&json!({"name": "utter", "value": "bar"})));
}

#[test]
fn a_periodic_job_leaves_the_revision_to_the_manifest() {
    let test = repository("workflows:\n- name: nb\n  tekton_run: o/r/run.yaml\n");
    let run = "apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: {params: [{name: revision, value: main}]}\n";
    test.write("src/o/r/run.yaml", run);
    let output = prow(&test, "periodic")
        .args(["show", "--output=json"])
        .output()
        .unwrap();
    let objects: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        objects[0]["spec"]["params"][0],
        json!({"name": "revision", "value": "main"})
    );
}

#[test]
fn a_pipeline_run_of_another_repository_is_refused_and_the_local_engine_runs_none() {
    let entry = "- name: nb\n  tekton_run: o/r/run.yaml\n";
    let other = PIPELINE_RUN.replace("com/o/r.git", "com/o/other.git");
    let found = refused(entry, &[("run.yaml", &other)]);
    assert!(
        found.contains("run.yaml:10: spec.resources has no git resource"),
        "{found}"
    );
    let found = refused(entry, &[("run.yaml", "kind: Pod\n")]);
    assert!(
        found.contains("run.yaml:1: kind is not PipelineRun"),
        "{found}"
    );
    let found = refused(
        entry,
        &[("run.yaml", "apiVersion: v1\nkind: PipelineRun\n")],
    );
    assert!(
        found.contains("run.yaml:1: apiVersion is not of tekton.dev/"),
        "{found}"
    );
    for (entry, file) in [
        (entry, PIPELINE_RUN),
        ("- name: nb\n  workflow_template: t\n", ""),
    ] {
        let args = ["run", "--dry-run", "--bucket=file:///b"];
        let (_test, code, _, stderr) = run(entry, &[("run.yaml", file)], &args);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(
            stderr.contains("workflow \"nb\": the engine local cannot run"),
            "{stderr}"
        );
    }
}

#[test]
fn a_template_of_the_cluster_gets_its_arguments() {
    let entry = "- name: t\n  workflow_template: {name: shared, clusterScope: true}\n  arguments: {parameters: [{name: a, value: b}], artifacts: []}\n  params: {c: 3}\n";
    let workflows = show(entry, &[]);
    assert_eq!(
        workflows[0]["spec"]["workflowTemplateRef"],
        json!({"name": "shared", "clusterScope": true})
    );
    assert_eq!(
        workflows[0]["spec"]["arguments"],
        json!({"parameters": [{"name": "a", "value": "b"}, {"name": "c", "value": "3"}], "artifacts": []})
    );
}

#[test]
fn lint_tells_all_that_is_wrong_at_once() {
    let manifest = "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: a-}
spec:
  entrypoint: nope
  templates:
  - name: a
    container:
      image: alpine
      comand: [x]
";
    let entries = "- name: one\n  manifest: test/one.yaml\n  job_types: periodic\n  tpyo: x\n- name: good\n  manifest: test/e2e.yaml\n  params: {registry: x}\n- name: gone\n  manifest: test/gone.yaml\n";
    let (_test, code, stdout, stderr) = run(
        entries,
        &[("test/one.yaml", manifest)],
        &["lint", "--bucket=file:///b"],
    );
    assert_eq!(code, Some(2), "{stderr}");
    insta::assert_snapshot!(stdout, @r#"
    warning: [ROOT]/src/o/r/prow_config.yaml:5: workflow "one": unknown key "tpyo" is ignored; known here: name, job_types, include_dirs, exclude_dirs, always_run, params, manifest, ext_vars, top_level_args
    error: [ROOT]/src/o/r/test/one.yaml:10: a Container has no field "comand"
    error: [ROOT]/src/o/r/test/one.yaml:5: entrypoint "nope" is no template of the workflow
    warning: [ROOT]/src/o/r/test/one.yaml:9: template "a": the image alpine may be another one tomorrow: name a version or a digest
    warning: [ROOT]/src/o/r/test/one.yaml:7: template "a" has no activeDeadlineSeconds: nothing ends it when it hangs
    warning: [ROOT]/src/o/r/test/e2e.yaml:9: template "unit": the image alpine may be another one tomorrow: name a version or a digest
    warning: [ROOT]/src/o/r/test/e2e.yaml:8: template "unit" has no activeDeadlineSeconds: nothing ends it when it hangs
    error: [ROOT]/src/o/r/prow_config.yaml:10: workflow "gone": manifest: read [ROOT]/src/o/r/test/gone.yaml: No such file or directory (os error 2)
    3 workflows, 3 errors, 5 warnings
    "#);
    let (_test, code, stdout, _) = run(
        entries,
        &[("test/one.yaml", manifest)],
        &["lint", "--bucket=file:///b", "--only=good"],
    );
    assert_eq!(code, Some(0), "{stdout}");
    assert!(
        stdout.ends_with("1 workflow, 0 errors, 3 warnings\n"),
        "{stdout}"
    );
}
