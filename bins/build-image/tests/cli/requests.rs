//! Cloud Build is asked what gcloud asks it for the same flags.

use e2e::{TestEnvironment, text};
use serde_json::{Value, json};

const RECORDED: &str = include_str!("../fixtures/gcloud-requests.json");

fn environment() -> TestEnvironment {
    let env = TestEnvironment::new();
    env.write("Dockerfile", "FROM scratch\n");
    env.write(
        "cloudbuild.yaml",
        include_str!("../fixtures/cloudbuild.yaml"),
    );
    env.write("plain.yaml", include_str!("../fixtures/plain.yaml"));
    env
}

fn planned(env: &TestEnvironment, args: &[&str]) -> Value {
    let output = env
        .bin("build-image")
        .args(["--dry-run", "--project", "p"])
        .args(args)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{args:?}: {}",
        text(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What is another one in each run.
fn without_object(mut request: Value) -> (Value, Option<String>) {
    let source = &mut request["source"]["storageSource"];
    let object = source["object"].as_str().map(str::to_owned);
    if let Some(source) = source.as_object_mut() {
        source.remove("object");
        // Known once it is there.
        source.remove("generation");
    } else {
        request.as_object_mut().unwrap().remove("source");
    }
    (request, object)
}

#[test]
fn requests_equal_those_of_gcloud() {
    let env = environment();
    let recorded: Value = serde_json::from_str(RECORDED).unwrap();
    let recorded = recorded["requests"].as_array().unwrap();
    assert_eq!(recorded.len(), 5);
    for case in recorded {
        let args: Vec<&str> = (case["build_image"].as_array().unwrap().iter())
            .map(|arg| arg.as_str().unwrap())
            .collect();
        let with_tag: &[&str] = if args.contains(&"--tag") {
            &[]
        } else {
            &["--tag", "v1"]
        };
        let plan = planned(&env, &[&args, with_tag].concat());
        let url = plan["url"].as_str().unwrap();
        let path = url
            .strip_prefix("https://cloudbuild.googleapis.com")
            .unwrap();
        assert_eq!(path, case["path"], "{args:?}");
        if let Some(git) = case["request"]["source"].get("gitSource") {
            assert_eq!(plan["request"]["source"]["gitSource"], *git);
        }
        let (ours, our_object) = without_object(plan["request"].clone());
        let (theirs, their_object) = without_object(case["request"].clone());
        assert_eq!(ours, theirs, "{args:?}");
        // SECONDS.MICROSECONDS-UUID.tgz, in the same folder.
        let shape = |object: String| {
            let hex = |c: char| if c.is_ascii_hexdigit() { '0' } else { c };
            let (folder, name) = object.rsplit_once('/').unwrap();
            format!("{folder}/{}", name.chars().map(hex).collect::<String>())
        };
        assert_eq!(our_object.map(shape), their_object.map(shape), "{args:?}");
    }
}

#[test]
fn a_config_in_jsonnet_knows_registry_tag_and_version() {
    let env = environment();
    env.git("", &["init", "--quiet"]);
    env.git("", &["add", "Dockerfile"]);
    env.git("", &["commit", "--quiet", "--message=one"]);
    env.write(
        "lib/util.libsonnet",
        "{ docker: 'gcr.io/cloud-builders/docker' }",
    );
    env.write(
        "build.jsonnet",
        "local util = import 'lib/util.libsonnet';
         local image = std.extVar('imageBase') + '/ui:' + std.extVar('tag');
         {
           steps: [{ name: util.docker, args: ['build', '-t', image,
             '--label=git-versions=' + std.extVar('gitVersion'), '.', std.extVar('registry'),
             std.extVar('useImageCache'), std.extVar('mine')] }],
           images: [image, std.extVar('imageBase') + '/ui:latest'],
         }",
    );
    let args = [
        "--config",
        "build.jsonnet",
        "--image",
        "gcr.io/p/app",
        "--ext-var",
        "mine=a=b",
    ];
    let plan = planned(&env, &args);
    let tag = plan["tag"].as_str().unwrap();
    let version = tag.split_once('-').unwrap().1;
    let image = format!("gcr.io/p/app/ui:{tag}");
    let expected = json!([
        "build",
        "-t",
        image,
        format!("--label=git-versions={version}"),
        ".",
        "gcr.io/p",
        "false",
        "a=b"
    ]);
    assert_eq!(plan["request"]["steps"][0]["args"], expected);
    assert_eq!(plan["images"], json!([image]));
    assert_eq!(plan["latest"], json!(["gcr.io/p/app/ui:latest"]));
}

#[test]
fn the_tag_reaches_a_config_by_its_substitutions() {
    let env = environment();
    env.write(
        "c.yaml",
        "steps: [{name: a, args: ['${_REGISTRY}/x:$_TAG']}]\nimages: ['$_REGISTRY/x:$_TAG']\n",
    );
    let args = [
        "--config",
        "c.yaml",
        "--registry",
        "gcr.io/p",
        "--tag",
        "v7",
    ];
    let plan = planned(&env, &args);
    assert_eq!(
        plan["request"]["substitutions"],
        json!({"_REGISTRY": "gcr.io/p", "_TAG": "v7"})
    );
    assert_eq!(plan["request"]["images"], json!(["$_REGISTRY/x:$_TAG"]));
    assert_eq!(plan["images"], json!(["gcr.io/p/x:v7"]));
}

#[test]
fn several_names_and_all_flags_of_docker_build_are_one_step() {
    let env = environment();
    let args = [
        "--image",
        "gcr.io/p/a,gcr.io/p/b",
        "--registry",
        "gcr.io/q",
        "--image",
        "c",
        "--tag",
        "v1",
        "--latest",
        "--build-arg",
        "A=$1,2",
        "--label",
        "l=1",
        "--target",
        "t",
        "--platform",
        "linux/amd64",
        "--cache-from",
        "gcr.io/p/a:latest",
    ];
    let plan = planned(&env, &args);
    let steps = json!([
        {"name": "gcr.io/cloud-builders/docker", "args": ["pull", "gcr.io/p/a:latest"], "allowFailure": true},
        {"name": "gcr.io/cloud-builders/docker", "args": ["build", "--network", "cloudbuild",
            "-t", "gcr.io/p/a:v1", "-t", "gcr.io/p/b:v1", "-t", "gcr.io/q/c:v1",
            "-t", "gcr.io/p/a:latest", "-t", "gcr.io/p/b:latest", "-t", "gcr.io/q/c:latest",
            "--build-arg", "A=$$1,2", "--label", "l=1", "--target", "t", "--platform",
            "linux/amd64", "--cache-from", "gcr.io/p/a:latest", "."]},
    ]);
    assert_eq!(plan["request"]["steps"], steps);
    let images = json!([
        "gcr.io/p/a:v1",
        "gcr.io/p/b:v1",
        "gcr.io/q/c:v1",
        "gcr.io/p/a:latest",
        "gcr.io/p/b:latest",
        "gcr.io/q/c:latest"
    ]);
    assert_eq!(plan["request"]["images"], images);
}

#[test]
fn the_project_is_the_images_where_nobody_names_one() {
    let env = environment();
    let planned = |variable: Option<(&str, &str)>| {
        let output = env
            .bin("build-image")
            .args(["--dry-run", "--image", "gcr.io/mine/app", "--tag", "v1"])
            .envs(variable)
            .output()
            .unwrap();
        let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
        plan["url"].as_str().unwrap().to_owned()
    };
    assert!(planned(None).ends_with("/projects/mine/locations/global/builds"));
    let variable = Some(("CLOUDSDK_CORE_PROJECT", "theirs"));
    assert!(planned(variable).ends_with("/projects/theirs/locations/global/builds"));
}

#[test]
fn a_config_that_names_a_worker_pool_is_built_where_that_is() {
    let env = environment();
    env.write(
        "pool.yaml",
        "steps: [{name: a}]\noptions: {pool: {name: \
         'projects/$PROJECT_ID/locations/europe-west1/workerPools/w'}}\n",
    );
    let args = ["--config", "pool.yaml", "--tag", "v1"];
    let url = |more: &[&str]| {
        let plan = planned(&env, &[&args, more].concat());
        plan["url"].as_str().unwrap().to_owned()
    };
    assert!(url(&[]).ends_with("/projects/p/locations/europe-west1/builds"));
    assert!(url(&["--region", "us-west1"]).ends_with("/locations/us-west1/builds"));
}

#[test]
fn images_among_the_artifacts_and_names_of_secrets_are_kept() {
    let env = environment();
    env.write(
        "c.yaml",
        "steps: [{name: a, secret_env: [MY_VAR]}]\n\
         artifacts: {images: ['gcr.io/$PROJECT_ID/a:$_TAG']}\n\
         secrets: [{kms_key_name: k, secret_env: {MY_VAR: Q0lQSEVS}}]\n",
    );
    let plan = planned(&env, &["--config", "c.yaml", "--tag", "v1"]);
    assert_eq!(plan["images"], json!(["gcr.io/p/a:v1"]));
    let request = &plan["request"];
    let images = json!({"images": ["gcr.io/$PROJECT_ID/a:$_TAG"]});
    assert_eq!(request["artifacts"], images);
    assert!(request["images"].is_null());
    assert_eq!(
        request["secrets"][0]["secretEnv"],
        json!({"MY_VAR": "Q0lQSEVS"})
    );
}

#[test]
fn values_with_commas_reach_cloud_build_whole() {
    let env = environment();
    env.write("c.yaml", "steps: [{name: a, args: ['$_A', '$_B']}]\n");
    let args = [
        "--config",
        "c.yaml",
        "--tag",
        "v1",
        "--substitutions",
        "^;^_A=x,y;_B=z",
    ];
    let plan = planned(&env, &args);
    let expected = json!({"_A": "x,y", "_B": "z"});
    assert_eq!(plan["request"]["substitutions"], expected);
    let cache = "type=registry,ref=gcr.io/p/a:cache";
    let args = [
        "--image",
        "gcr.io/p/a",
        "--tag",
        "v1",
        "--cache-from",
        cache,
    ];
    let plan = planned(&env, &args);
    let steps = plan["request"]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1, "nothing is pulled before: {steps:?}");
    let args = steps[0]["args"].as_array().unwrap();
    assert!(args.contains(&json!(cache)), "{args:?}");
}

#[test]
fn docker_builds_a_config_whose_step_names_the_project() {
    let env = environment();
    env.write(
        "c.yaml",
        "steps: [{name: gcr.io/cloud-builders/docker, args: [build, -t, \
         'gcr.io/$PROJECT_ID/app:$_TAG', -t, 'gcr.io/p/app:$BUILD_ID', \
         '--build-arg=P=$PROJECT_ID', .]}]\nimages: ['gcr.io/$PROJECT_ID/app:$_TAG']\n",
    );
    let args = ["--config", "c.yaml", "--tag", "v1", "--builder", "docker"];
    let plan = planned(&env, &args);
    assert_eq!(plan["images"], json!(["gcr.io/p/app:v1"]));
    let command = plan["commands"][0].as_str().unwrap();
    assert!(command.contains("--tag gcr.io/p/app:v1"), "{command}");
    assert!(command.contains("--build-arg 'P=p'"), "{command}");
}
