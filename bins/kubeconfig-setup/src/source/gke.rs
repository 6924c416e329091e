//! A cluster of Google Kubernetes Engine, as `gcloud container clusters get-credentials` writes
//! it.

use std::path::Path;

use common::Result;
use common::google::gke::{Cluster, Endpoint};
use serde_json::json;

use super::Plugin;
use crate::kubeconfig::Entry;

/// The entry of a cluster.
pub(crate) fn entry(
    project: &str,
    cluster: &Cluster,
    endpoint: Endpoint,
    exec: (&Plugin, Option<&str>, Option<&Path>),
) -> Result<Entry> {
    cluster.warn_unless_healthy();
    let server = cluster.server(endpoint)?;
    let mut with = json!({});
    if let Some(authority) = server.authority {
        with["certificate-authority-data"] = json!(authority);
    }
    with["server"] = json!(server.url);
    let (plugin, account, lease) = exec;
    Ok(Entry {
        name: context_of(project, cluster),
        cluster: with,
        user: json!({ "exec": plugin.exec(account, lease) }),
        namespace: None,
    })
}

/// The name that gcloud gives a cluster, its user and its context.
pub(crate) fn context_of(project: &str, cluster: &Cluster) -> String {
    format!("gke_{project}_{}_{}", cluster.location(), cluster.name)
}
