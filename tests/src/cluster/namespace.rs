//! A namespace for one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Api, Cluster, kubeconfig};

/// A namespace with the accounts of manifests/base/rbac. When it is dropped it is removed with
/// all that is in it.
pub struct Namespace<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl<'a> Namespace<'a> {
    pub(super) fn make(cluster: &'a Cluster) -> Self {
        let object = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"generateName": "test-worker-", "labels": {"test-worker": "test"}},
        });
        let made = cluster.api().create("/api/v1/namespaces", &object);
        let name = text(&made, "/metadata/name").to_owned();
        let namespace = Namespace { cluster, name };
        for object in accounts() {
            namespace.create(&object);
        }
        // Pods can be made once both are there.
        namespace.wait_for("the default account", 60, || {
            let path = |kind, name| format!("/api/v1/namespaces/{}/{kind}/{name}", namespace.name);
            let account = namespace.api().find(&path("serviceaccounts", "default"));
            let authority = namespace
                .api()
                .find(&path("configmaps", "kube-root-ca.crt"));
            account.and(authority)
        });
        namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The API, with all rights.
    pub fn api(&self) -> &Api {
        self.cluster.api()
    }

    /// The path of a collection in it: of Argo's objects, else of the core's.
    pub fn path(&self, kind: &str) -> String {
        let group = match kind {
            "workflows" | "workflowtaskresults" => "/apis/argoproj.io/v1alpha1",
            "pipelineruns" => "/apis/tekton.dev/v1",
            "roles" | "rolebindings" => "/apis/rbac.authorization.k8s.io/v1",
            _ => "/api/v1",
        };
        format!("{group}/namespaces/{}/{kind}", self.name)
    }

    /// Makes an object in it.
    pub fn create(&self, object: &Value) -> Value {
        let kind = text(object, "/kind").to_lowercase() + "s";
        self.api().create(&self.path(&kind), object)
    }

    /// Writes a kubeconfig with a token of an account; `server` is `HOST:PORT` of the API server
    /// or of a proxy before it.
    pub fn kubeconfig(&self, account: &str, server: &str, file: &Path) {
        let token = self.token(account, 24 * 60 * 60);
        let server = format!("https://{server}");
        let admin = self.cluster.kubeconfig();
        let kubeconfig = kubeconfig::with_token(admin, &server, &self.name, &token);
        fs::write(file, kubeconfig.to_string()).expect("write a kubeconfig");
    }

    /// A token of an account; the API server gives none for less than 600 s.
    pub fn token(&self, account: &str, seconds: u32) -> String {
        self.request_token(account, json!({"expirationSeconds": seconds}))
    }

    /// A token of an account that is good for as long as this secret is there.
    pub fn token_while_there_is(&self, secret: &str, account: &str) -> String {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "name": secret});
        self.request_token(account, json!({"boundObjectRef": secret}))
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers make it")]
    fn request_token(&self, account: &str, spec: Value) -> String {
        let path = format!("{}/{account}/token", self.path("serviceaccounts"));
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec,
        });
        let answer = self.api().create(&path, &request);
        text(&answer, "/status/token").to_owned()
    }

    /// Its workflows, in the order of their names.
    pub fn workflows(&self) -> Vec<Value> {
        self.api().list(&self.path("workflows"))
    }

    /// Its workflow, where it has one and no more.
    pub fn workflow(&self) -> Option<Value> {
        let mut workflows = self.workflows();
        assert!(
            workflows.len() <= 1,
            "more than one workflow: {workflows:#?}"
        );
        workflows.pop()
    }

    /// The pods of its workflows' steps.
    pub fn pods(&self) -> Vec<Value> {
        let selector = "labelSelector=workflows.argoproj.io/workflow";
        self.api()
            .list(&format!("{}?{selector}", self.path("pods")))
    }

    /// The names of the pods that have not come to their end.
    pub fn unfinished_pods(&self) -> Vec<String> {
        let is_unfinished = |pod: &Value| {
            let phase = text(pod, "/status/phase");
            phase != "Succeeded" && phase != "Failed"
        };
        let pods = self.pods().into_iter().filter(is_unfinished);
        pods.map(|pod| text(&pod, "/metadata/name").to_owned())
            .collect()
    }

    /// The pod of a step, by the name that people see.
    pub fn pod_of(&self, step: &str) -> Option<Value> {
        let name = "/metadata/annotations/workflows.argoproj.io~1node-name";
        let is_its_own = |pod: &Value| {
            let node = text(pod, name);
            node == step || node.ends_with(&format!(".{step}"))
        };
        self.pods().into_iter().find(is_its_own)
    }

    /// Waits until the pod of a step is in a phase; gives the pod's name.
    pub fn wait_for_pod(&self, step: &str, phase: &str) -> String {
        self.wait_for(&format!("the pod of {step} to be {phase}"), 90, || {
            let pod = self.pod_of(step)?;
            let name = text(&pod, "/metadata/name").to_owned();
            (text(&pod, "/status/phase") == phase).then_some(name)
        })
    }

    /// Waits until its workflow is there and something holds of it.
    pub fn wait_for_workflow(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(what, 120, || self.workflow().filter(&holds))
    }

    /// Waits for something in it; after this many seconds the test fails with what is there.
    pub fn wait_for<T>(&self, what: &str, seconds: u64, find: impl Fn() -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(seconds);
        loop {
            if let Some(found) = find() {
                return found;
            }
            assert!(
                Instant::now() < end,
                "waited {seconds} s for {what} in {}:\n{}",
                self.name,
                self.describe()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Asserts that every workflow is over, and waits for its last pods to be.
    ///
    /// A pod's status follows its end by up to some seconds, and Argo gives a pod that it ends 30 s
    /// between SIGTERM and SIGKILL.
    pub fn assert_nothing_runs(&self) {
        for workflow in self.workflows() {
            let phase = text(&workflow, "/status/phase");
            let is_over = ["Succeeded", "Failed", "Error"].contains(&phase);
            assert!(is_over, "a workflow is left running:\n{}", self.describe());
        }
        self.wait_for("the pods to end", 45, || {
            self.unfinished_pods().is_empty().then_some(())
        });
    }

    /// What is in it, for people who read why a test failed.
    pub fn describe(&self) -> String {
        let mut lines = Vec::new();
        for workflow in self.workflows() {
            let [name, phase, message] = ["/metadata/name", "/status/phase", "/status/message"]
                .map(|pointer| text(&workflow, pointer).to_owned());
            lines.push(format!("workflow {name}: {phase} {message}"));
            let nodes = workflow.pointer("/status/nodes").and_then(Value::as_object);
            for node in nodes.into_iter().flat_map(|nodes| nodes.values()) {
                let [name, phase, message] = ["/displayName", "/phase", "/message"]
                    .map(|pointer| text(node, pointer).to_owned());
                lines.push(format!("  node {name}: {phase} {message}"));
            }
        }
        for pod in self.pods() {
            let [name, phase] =
                ["/metadata/name", "/status/phase"].map(|pointer| text(&pod, pointer).to_owned());
            lines.push(format!("pod {name}: {phase}"));
        }
        lines.join("\n")
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        // Workflows first: their controller would make new pods.
        for kind in ["workflows", "pods"] {
            self.api().delete(&self.path(kind));
        }
        self.api()
            .delete(&format!("/api/v1/namespaces/{}", self.name));
    }
}

/// A text in an object; empty where there is none.
fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    let text = object.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default()
}

/// The objects that users apply.
fn accounts() -> Vec<Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../manifests/base/rbac");
    let files = ["submit-e2e.yaml", "steps.yaml"];
    let objects = files.map(|name| {
        let text = fs::read_to_string(folder.join(name)).expect("read the manifests");
        serde_saphyr::from_multiple::<Value>(&text).expect("manifests")
    });
    objects.into_iter().flatten().collect()
}
