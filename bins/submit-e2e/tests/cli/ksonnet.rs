//! Components of ksonnet apps, as `ks` rendered them.

use serde_json::Value;

use crate::kinds::{refused, run, show};
use crate::support::prow;

const COMPONENT: &str = r#"
local params = std.extVar("__ksonnet/params").components.workflows;
local k = import "k.libsonnet";
local helper = import "helper.libsonnet";
std.prune(k.core.v1.list.new([{
  apiVersion: "argoproj.io/v1alpha1",
  kind: "Workflow",
  metadata: { name: params.name, namespace: params.namespace, annotations: {
    params: std.toString({ [p]: params[p] for p in ["bucket", "prow_env", "registry", "count", "flag", "kept"] }),
    env: std.toString(std.extVar("__ksonnet/environments").namespace),
  } },
  spec: { entrypoint: "a", templates: [helper.step(params.image)], gone: null },
}]))
"#;

const PARAMS: &str = r#"{ global: {}, components: { workflows: {
  name: "default", namespace: "default", bucket: "default", prow_env: "", registry: "default",
  kept: "kept", image: "x:1", count: 0, flag: false,
} } }"#;

const LIST: &str = "{ core:: { v1:: { list:: { new(items):: { apiVersion: 'v1', kind: 'List', items: items } } } } }\n";

/// The app of [`COMPONENT`], whose library is in this folder of it.
fn app(library: &str) -> [(String, &'static str); 4] {
    let helper = "{ step(image):: { name: 'a', container: { image: image } } }";
    [
        ("app/components/workflows.jsonnet".to_owned(), COMPONENT),
        ("app/components/params.libsonnet".to_owned(), PARAMS),
        ("app/components/helper.libsonnet".to_owned(), helper),
        (format!("app/{library}/k.libsonnet"), LIST),
    ]
}

#[test]
fn a_ksonnet_component_gets_the_runs_parameters_as_ks_gave_them() {
    let entry = "- name: ks\n  app_dir: o/r/app\n  component: workflows\n  params: {registry: gcr.io/x, count: '12', flag: 'True'}\n";
    let k = "{ core:: { v1:: { list:: { new(items):: { apiVersion: 'v1', kind: 'List', items: items } } } } }\n";
    let workflows = show(
        entry,
        &[
            ("app/app.yaml", "kind: ksonnet.io/app\n"),
            ("app/components/workflows.jsonnet", COMPONENT),
            ("app/components/params.libsonnet", PARAMS),
            (
                "app/components/helper.libsonnet",
                "{ step(image):: { name: 'a', container: { image: image } } }",
            ),
            (
                "app/lib/ksonnet-lib/v1.7.0/k.libsonnet",
                "error 'the older one'",
            ),
            ("app/lib/ksonnet-lib/v1.11.10/k.libsonnet", k),
        ],
    );
    let metadata = &workflows[0]["metadata"];
    let name = metadata["name"].as_str().unwrap();
    assert!(name.starts_with("job-ks-12-"), "{name}");
    assert_eq!(metadata["namespace"], "ci");
    assert_eq!(metadata["annotations"]["env"], "ci");
    let params: Value =
        serde_json::from_str(metadata["annotations"]["params"].as_str().unwrap()).unwrap();
    assert_eq!(params["bucket"], "file:///b");
    assert_eq!(params["registry"], "gcr.io/x");
    assert_eq!(params["count"], 12);
    assert_eq!(params["flag"], true);
    assert_eq!(params["kept"], "kept");
    let prow_env = params["prow_env"].as_str().unwrap();
    assert!(
        prow_env.starts_with("BUILD_ID=7,BUILD_NUMBER=7,JOB_NAME=job,"),
        "{prow_env}"
    );
    assert_eq!(
        workflows[0]["spec"]["templates"][0]["container"]["image"],
        "x:1"
    );
    assert_eq!(workflows[0]["spec"].get("gone"), None);
}

#[test]
fn parts_in_vendor_are_imported_without_their_versions() {
    let component = "local part = import 'org/part/part.libsonnet'; part";
    let part = "{ apiVersion: 'argoproj.io/v1alpha1', kind: 'Workflow', spec: { templates: [] } }";
    let entry = "- name: ks\n  app_dir: o/r/app\n  component: w\n";
    let workflows = show(
        entry,
        &[
            ("app/components/w.jsonnet", component),
            ("app/components/params.libsonnet", "{ components: {} }"),
            ("app/vendor/org/part@0123abc/part.libsonnet", part),
        ],
    );
    assert_eq!(workflows.len(), 1);
}

#[test]
fn an_old_app_has_its_library_in_lib_itself() {
    let entry = "- name: ks\n  app_dir: o/r/app\n  component: workflows\n";
    let files = app("lib/v1.7.0");
    let files = files.each_ref().map(|(name, text)| (name.as_str(), *text));
    assert_eq!(show(entry, &files)[0]["spec"]["entrypoint"], "a");
}

#[test]
fn a_plus_before_a_text_gives_the_text_as_it_did_to_ks() {
    let component = "local util = import 'util.libsonnet';
{ apiVersion: 'argoproj.io/v1alpha1', kind: 'Workflow', metadata: { labels: { step: + util.name + + '-x' } }, spec: { templates: [] } }";
    let files = [
        ("app/components/w.jsonnet", component),
        ("app/components/params.libsonnet", "{ components: {} }"),
        ("app/components/util.libsonnet", "{ name: 'a' }"),
    ];
    let entry = "- name: ks\n  app_dir: o/r/app\n  component: w\n";
    assert_eq!(show(entry, &files)[0]["metadata"]["labels"]["step"], "a-x");
    // Without ks there is no such rule.
    let found = refused("- name: js\n  manifest: app/components/w.jsonnet\n", &files);
    assert!(
        found.contains("unary operator `+` cannot be applied to value of type string"),
        "{found}"
    );
}

#[test]
fn a_component_without_a_default_finds_what_the_run_does_not_say() {
    let component = "local params = std.extVar('__ksonnet/params').components.w;
{ apiVersion: 'argoproj.io/v1alpha1', kind: 'Workflow', metadata: { namespace: params.namespace, annotations: { b: params.bucket, c: params.cluster_name, own: params.own } }, spec: { templates: [] } }";
    let files = [
        ("app/components/w.jsonnet", component),
        (
            "app/components/params.libsonnet",
            "{ global: { own: 'x' }, components: { w: { own: $.global.own } } }",
        ),
    ];
    let entry = "- name: ks\n  app_dir: o/r/app\n  component: w\n";
    let (_test, code, stdout, stderr) = run(entry, &files, &["show", "--output=json"]);
    assert_eq!(code, Some(0), "{stderr}");
    let objects: Value = serde_json::from_str(&stdout).unwrap();
    let metadata = &objects[0]["metadata"];
    assert_eq!(metadata.get("namespace"), None);
    assert_eq!(metadata["annotations"]["b"], "");
    let cluster = metadata["annotations"]["c"].as_str().unwrap();
    assert!(cluster.starts_with("eks-cluster-"), "{cluster}");
    assert_eq!(metadata["annotations"]["own"], "x");
}

#[test]
fn a_relative_folder_of_repositories_means_the_same_to_imports() {
    let config = "workflows:\n- name: ks\n  app_dir: o/r/app\n  component: workflows\n";
    let test = crate::support::repository(config);
    for (name, text) in app("lib/ksonnet-lib/v1.7.0") {
        test.write(format!("src/o/r/{name}"), text);
    }
    let mut command = prow(&test, "presubmit");
    command
        .current_dir(test.path())
        .args(["show", "--repos-dir=src", "--output=json"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", e2e::text(&output.stderr));
}
