//! A cluster of Google Kubernetes Engine: where its API server is, Google says; who we are there,
//! `kubeconfig-setup token` says, and says again whenever a token runs out.

use std::time::Instant;

use common::env::Env;
use common::google::gke::{Clusters, Endpoint};
use common::{Result, ResultExt};
use kube::config::Kubeconfig;
use serde_json::json;

use crate::engine::argo::submit::PATIENCE;
use crate::siblings::program;

/// The kubeconfig that `kubeconfig-setup get` would write, but in memory.
pub(super) async fn kubeconfig(
    project: &str,
    location: &str,
    name: &str,
    env: &Env,
) -> Result<Kubeconfig> {
    let clusters = Clusters::of(project, env)?;
    let until = Instant::now() + PATIENCE;
    let cluster = clusters.get(location, name, Some(until)).await?;
    cluster.warn_unless_healthy();
    let server = cluster.server(Endpoint::Usual)?;
    let plugin = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": program("kubeconfig-setup"),
        "args": ["token"],
        "interactiveMode": "Never",
    });
    let kubeconfig = json!({
        "clusters": [{"name": name, "cluster": {
            "server": server.url, "certificate-authority-data": server.authority,
        }}],
        "users": [{"name": name, "user": {"exec": plugin}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    });
    serde_json::from_value(kubeconfig).or_failed(|| format!("use cluster {name}"))
}
