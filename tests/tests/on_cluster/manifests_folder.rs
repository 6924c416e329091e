//! What manifests/ has, shown to an API server, which checks it as if it were to be stored:
//! `kubectl apply --dry-run=server` changes nothing.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use e2e::{Cluster, Namespace, TestEnvironment, text};
use serde_json::{Value, json};

/// A copy of manifests/, and a kustomization beside it that puts an overlay into a test's namespace.
struct Manifests<'a> {
    test: TestEnvironment,
    /// Ends when the test does.
    _namespace: Namespace<'a>,
}

impl<'a> Manifests<'a> {
    fn of(cluster: &'a Cluster, overlay: &str, components: &[&str]) -> Self {
        let test = TestEnvironment::new();
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests");
        let copied = Command::new("cp")
            .arg("-R")
            .args([&manifests, test.path()])
            .status();
        assert!(copied.unwrap().success());
        let namespace = cluster.namespace();
        let components = components.iter();
        let kustomization = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": namespace.name(),
            "resources": [format!("../manifests/overlays/{overlay}")],
            "components": components.map(|name| format!("../manifests/components/{name}")).collect::<Vec<_>>(),
        });
        test.write("here/kustomization.yaml", kustomization.to_string());
        Manifests {
            test,
            _namespace: namespace,
        }
    }

    fn kubectl(&self, args: &[&str]) -> Output {
        let programs = std::env::var_os("TEST_CLUSTER_PROGRAMS").map(PathBuf::from);
        let program = programs.map_or("kubectl".into(), |folder| folder.join("kubectl"));
        let path: OsString = std::env::var_os("PATH").unwrap_or_default();
        let mut command = self.test.command(&program);
        command
            .env("PATH", path)
            .env("KUBECONFIG", std::env::var_os("TEST_KUBECONFIG").unwrap());
        command.args(args).output().unwrap()
    }

    /// What the server says of each object, a line each.
    fn show(&self) -> Output {
        let apply = ["apply", "--dry-run=server", "--validate=strict"];
        self.kubectl(&[&apply[..], &["--kustomize=here"]].concat())
    }
}

#[test]
fn an_api_server_takes_each_overlay_with_each_component() {
    let cluster = Cluster::connect();
    for overlay in ["filestore", "one-node"] {
        let manifests = Manifests::of(&cluster, overlay, &["clean-up", "key-file"]);
        let output = manifests.show();
        let said = text(&output.stdout);
        assert!(output.status.success(), "{said}{}", text(&output.stderr));
        let objects = [
            "cronjob.batch/clean-up",
            "cronjob.batch/prune-runs",
            "persistentvolume/nfs-external",
            "persistentvolumeclaim/nfs-external",
            "role.rbac.authorization.k8s.io/steps",
            "rolebinding.rbac.authorization.k8s.io/submit-e2e",
            "serviceaccount/submit-e2e",
            "statefulset.apps/debug-worker",
        ];
        for object in objects {
            let mut lines = said.lines();
            let shown =
                lines.any(|line| line.starts_with(object) && line.ends_with("(server dry run)"));
            assert!(shown, "{overlay}: {object} is not in: {said}");
        }
    }
}

#[test]
fn a_field_that_no_object_has_would_be_refused() {
    let cluster = Cluster::connect();
    let manifests = Manifests::of(&cluster, "one-node", &[]);
    let path = "manifests/base/debug-worker.yaml";
    let text_of = manifests.test.read(path);
    let wrong = text_of.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem");
    assert_ne!(wrong, text_of);
    manifests.test.write(path, wrong);
    let output = manifests.show();
    assert!(!output.status.success());
    let said = text(&output.stderr);
    assert!(said.contains("readOnlyRootFileSystem"), "{said}");
}

/// Prow makes pods of them: containers get a name, and decorated ones what Prow adds.
#[test]
fn an_api_server_takes_the_pods_of_the_prow_jobs() {
    let cluster = Cluster::connect();
    let namespace = cluster.namespace();
    let jobs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/prow/greeter.yaml");
    let jobs = fs::read_to_string(jobs).unwrap();
    let jobs: Value = serde_saphyr::from_str(&jobs).unwrap();
    let of = |path: &str| {
        jobs.pointer(path)
            .and_then(Value::as_array)
            .unwrap()
            .clone()
    };
    let all = [
        of("/presubmits/example-org~1greeter"),
        of("/postsubmits/example-org~1greeter"),
        of("/periodics"),
    ];
    let all = all.concat();
    assert_eq!(all.len(), 6);
    for job in all {
        let mut spec = job["spec"].clone();
        spec["containers"][0]["name"] = json!("test");
        spec["restartPolicy"] = json!("Never");
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "job"}, "spec": spec,
        });
        let strictly = "?dryRun=All&fieldValidation=Strict";
        let path = namespace.path("pods") + strictly;
        let made = cluster.api().create(&path, &pod);
        assert_eq!(
            made["spec"]["serviceAccountName"], "submit-e2e",
            "{}",
            job["name"]
        );
    }
}
