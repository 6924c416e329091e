//! Kubeconfigs: the one that tests were given, and those that they give to programs.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{Cluster, Kubeconfig};
use serde_json::{Value, json};

/// The URL of the API server.
pub(super) fn server(kubeconfig: &Path) -> String {
    cluster(kubeconfig).server.expect("a server")
}

/// The certificate authority: PEM in base64.
pub(super) fn authority(kubeconfig: &Path) -> String {
    let cluster = cluster(kubeconfig);
    let read = |file: String| {
        let file = kubeconfig.with_file_name(file);
        STANDARD.encode(std::fs::read(file).expect("read the certificate authority"))
    };
    let data = cluster.certificate_authority_data;
    data.or_else(|| cluster.certificate_authority.map(read))
        .expect("a certificate authority")
}

/// A kubeconfig with a token and nothing else for the same cluster; JSON is YAML as well.
pub(super) fn with_token(kubeconfig: &Path, server: &str, namespace: &str, token: &str) -> Value {
    let cluster = cluster(kubeconfig);
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {
            "server": server,
            "certificate-authority": cluster.certificate_authority,
            "certificate-authority-data": cluster.certificate_authority_data,
        }}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {
            "cluster": "test", "user": "test", "namespace": namespace,
        }}],
        "current-context": "test",
    })
}

/// The cluster of the current context.
fn cluster(kubeconfig: &Path) -> Cluster {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("read the kubeconfig");
    let current = kubeconfig.current_context.expect("a current context");
    let mut contexts = kubeconfig.contexts.into_iter();
    let context = contexts.find(|context| context.name == current);
    let context = context.and_then(|context| context.context);
    let name = context.expect("the current context").cluster;
    let mut clusters = kubeconfig.clusters.into_iter();
    let cluster = clusters.find(|cluster| cluster.name == name);
    let cluster = cluster.and_then(|cluster| cluster.cluster);
    cluster.expect("the context's cluster")
}
