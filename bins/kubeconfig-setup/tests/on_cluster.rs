//! A real API server, that of `TEST_KUBECONFIG`: its tokens through our plugin, `check`, and leases
//! as its objects. Clients are kubectl and, in `check`, kube-rs, over TLS.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows tests by their attribute only, not their helpers"
)]

#[path = "cli/competition/mod.rs"]
mod competition;
#[path = "cli/support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use competition::{Competition, check};
use e2e::http::{self, HttpServer};
use e2e::{TestEnvironment, text};
use serde_json::{Value, json};
use support::{Google, command, of_pool, yaml, zonal};

/// The cluster, with a namespace for one test that is removed at its end.
struct Cluster {
    environment: TestEnvironment,
    kubeconfig: PathBuf,
    namespace: String,
}

impl Cluster {
    fn new() -> Self {
        let kubeconfig = std::env::var("TEST_KUBECONFIG")
            .unwrap_or_else(|_| panic!("TEST_KUBECONFIG is not set: see tests/cluster/README.md"));
        let namespace = format!("test-worker-{:08x}", fastrand::u32(..));
        let cluster = Cluster {
            environment: TestEnvironment::new(),
            kubeconfig: kubeconfig.into(),
            namespace,
        };
        cluster.admin(&["create", "namespace", &cluster.namespace]);
        cluster
    }

    /// kubectl with this file.
    fn kubectl(&self, kubeconfig: &std::path::Path, args: &[&str]) -> Output {
        let mut command = self.environment.command(std::path::Path::new("kubectl"));
        command.arg("--kubeconfig").arg(kubeconfig).args(args);
        command.output().unwrap()
    }

    /// kubectl as administrator; has to succeed.
    fn admin(&self, args: &[&str]) -> String {
        let output = self.kubectl(&self.kubeconfig, args);
        assert!(
            output.status.success(),
            "kubectl {args:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout).trim().to_owned()
    }

    /// A token of a service account that may look at pods of the namespace.
    fn token(&self) -> String {
        let namespace = format!("--namespace={}", self.namespace);
        let account = format!("--serviceaccount={}:tester", self.namespace);
        self.admin(&["create", "serviceaccount", "tester", &namespace]);
        let role = "--clusterrole=view";
        self.admin(&[
            "create",
            "rolebinding",
            "tester",
            role,
            &account,
            &namespace,
        ]);
        self.admin(&["create", "token", "tester", &namespace])
    }

    /// The address of its API server as Google would tell it, and the authority.
    fn endpoint(&self) -> (String, String) {
        let config = yaml(&self.kubeconfig);
        let cluster = &config["clusters"][0]["cluster"];
        let server = cluster["server"].as_str().unwrap();
        let address = server.strip_prefix("https://").unwrap().to_owned();
        let raw = ["config", "view", "--raw", "--flatten", "-o"];
        let path = "jsonpath={.clusters[0].cluster.certificate-authority-data}";
        let authority = self.admin(&[raw.as_slice(), &[path]].concat());
        (address, authority)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let namespace = self.namespace.clone();
        self.kubectl(
            &self.kubeconfig,
            &["delete", "namespace", &namespace, "--wait=false"],
        );
    }
}

/// A metadata server that gives this token.
fn metadata(token: String) -> HttpServer {
    HttpServer::start(Arc::new(move |_, connection| {
        let body = json!({ "access_token": token, "expires_in": 3599, "token_type": "Bearer" });
        let headers = [("Content-Type", "application/json")];
        http::answer(connection, "200 OK", &headers, body.to_string().as_bytes())
    }))
}

#[test]
fn a_cluster_of_google_answers_kubectl_and_check_through_our_plugin() {
    let cluster = Cluster::new();
    let (address, authority) = cluster.endpoint();
    let mut gke = zonal("c");
    gke["endpoint"] = json!(address);
    gke["masterAuth"]["clusterCaCertificate"] = json!(authority);
    let google = Google::with(vec![gke]);
    let metadata = metadata(cluster.token());
    let kubeconfig = cluster.environment.path().join("k");
    let mut get = google.command(&cluster.environment);
    get.args([
        "get",
        "--project=p-1",
        "--zone=us-central1-a",
        "--cluster=c",
        "--kubeconfig=k",
    ]);
    get.args(["--namespace", &cluster.namespace]);
    assert!(get.status().unwrap().success());
    let mut kubectl = cluster.environment.command(std::path::Path::new("kubectl"));
    kubectl
        .arg("--kubeconfig")
        .arg(&kubeconfig)
        .args(["auth", "whoami", "-o", "json"]);
    let output = kubectl
        .env("GCE_METADATA_HOST", metadata.address())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let who: Value = serde_json::from_slice(&output.stdout).unwrap();
    let user = format!("system:serviceaccount:{}:tester", cluster.namespace);
    assert_eq!(who["status"]["userInfo"]["username"], user);
    // The same by kube-rs.
    let mut check = command(&cluster.environment);
    check.args([
        "check",
        "--kubeconfig=k",
        "--output=json",
        "--can=get pods/log,list pods",
    ]);
    let output = check
        .env("GCE_METADATA_HOST", metadata.address())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let answers: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers["user"], user);
    assert_eq!(answers["namespace"], cluster.namespace);
    assert_eq!(
        answers["actions"][0],
        json!({
            "action": "get pods/log", "allowed": true, "reason": answers["actions"][0]["reason"],
        })
    );
    // One token for both.
    assert_eq!(metadata.requests().len(), 1);
    // And what is not allowed is named.
    let mut check = command(&cluster.environment);
    check.args(["check", "--kubeconfig=k", "--can=delete pods"]);
    let output = check
        .env("GCE_METADATA_HOST", metadata.address())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    let said = format!(
        "{user} may not delete pods in namespace {}",
        cluster.namespace
    );
    assert!(error.contains(&said), "{error}");
    assert!(text(&output.stdout).contains("may NOT delete pods"));
}

#[test]
fn a_token_that_the_server_does_not_take_is_told() {
    let cluster = Cluster::new();
    let (address, authority) = cluster.endpoint();
    cluster.environment.write("token", "nonsense");
    let pem = base64_of(&authority);
    cluster.environment.write("ca.crt", pem);
    let mut get = command(&cluster.environment);
    get.args([
        "get",
        "--token-file=token",
        "--certificate-authority=ca.crt",
        "--kubeconfig=k",
    ]);
    assert!(
        get.arg(format!("--server=https://{address}"))
            .status()
            .unwrap()
            .success()
    );
    let check = || {
        let mut check = command(&cluster.environment);
        check.args(["check", "--kubeconfig=k"]).output().unwrap()
    };
    let output = check();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("does not take the credentials"));
    // With one that it takes.
    cluster.environment.write("token", cluster.token());
    let output = check();
    assert!(
        text(&output.stdout).contains(":tester"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_context_of_another_file_answers_kubectl_without_its_key() {
    let cluster = Cluster::new();
    let mut get = command(&cluster.environment);
    get.args(["get", "--kubeconfig=k", "--from-kubeconfig"])
        .arg(&cluster.kubeconfig);
    assert!(get.status().unwrap().success());
    let written = cluster.environment.read("k");
    assert!(!written.contains("client-key-data"), "{written}");
    let kubeconfig = cluster.environment.path().join("k");
    let output = cluster.kubectl(&kubeconfig, &["get", "namespace", &cluster.namespace]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut check = command(&cluster.environment);
    let output = check.args(["check", "--kubeconfig=k"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn twenty_compete_for_lease_objects_and_never_do_two_hold_a_cluster() {
    let cluster = Cluster::new();
    let pool = |number| {
        let day = format!("2026-05-0{}T10:00:00+00:00", number + 1);
        of_pool(&format!("kf-n{number}"), &day, "RUNNING")
    };
    let google = Google::with((0..3).map(pool).collect());
    let competition = Competition {
        processes: 20,
        length: Duration::from_secs(30),
        longest: Duration::from_mins(4),
        enough: (8, 2),
        patience: Duration::from_secs(15),
    };
    let result = competition.run(&|kubeconfig| {
        let mut command = google.command(&cluster.environment);
        command.args([
            "get",
            "--project=p-1",
            "--pool=kf-n*",
            "--lease",
            "--output=json",
        ]);
        command.args([
            "--kubeconfig",
            kubeconfig,
            "--hold",
            "--lease-duration=4s",
            "--wait=1m",
        ]);
        command.arg(format!("--lease-at=kubernetes://{}", cluster.namespace));
        command.arg("--lease-kubeconfig").arg(&cluster.kubeconfig);
        command
    });
    check(&result.holders).unwrap();
    // People see them as leases.
    let namespace = format!("--namespace={}", cluster.namespace);
    let leases = cluster.admin(&["get", "leases", &namespace, "-o", "name"]);
    assert!(
        leases.contains("lease.coordination.k8s.io/gke.p-1.us-central1-a.kf-n0"),
        "{leases}"
    );
}

fn base64_of(data: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD
        .decode(data)
        .unwrap()
}

#[test]
fn a_lease_is_given_back_by_release_and_needs_a_namespace() {
    let cluster = Cluster::new();
    let google = Google::with(vec![of_pool("kf-n0", "2026-05-01T10:00:00Z", "RUNNING")]);
    let get = |namespace: &str| {
        let mut command: Command = google.command(&cluster.environment);
        command.args([
            "get",
            "--project=p-1",
            "--pool=kf-n*",
            "--lease",
            "--kubeconfig=k",
        ]);
        command.arg(format!("--lease-at=kubernetes://{namespace}"));
        command
            .arg("--lease-kubeconfig")
            .arg(&cluster.kubeconfig)
            .output()
            .unwrap()
    };
    let output = get("no-such-namespace");
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("is there a namespace no-such-namespace?"));
    let output = get(&cluster.namespace);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let namespace = format!("--namespace={}", cluster.namespace);
    let holder = || {
        let lease = "gke.p-1.us-central1-a.kf-n0";
        let path = "jsonpath={.spec.holderIdentity} {.spec.leaseTransitions}";
        cluster.admin(&["get", "lease", lease, &namespace, "-o", path])
    };
    assert!(holder().ends_with(" 1"), "{}", holder());
    let mut release = command(&cluster.environment);
    let output = release
        .args(["release", "--kubeconfig=k"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(holder(), "1");
    let status = get(&cluster.namespace).status;
    assert!(status.success());
    assert!(holder().ends_with(" 2"), "{}", holder());
}
