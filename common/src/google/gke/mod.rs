//! Google Kubernetes Engine: which clusters there are, and how each is reached.
//!
//! Two requests of the REST API (v1) and the fields that we read, written by hand: Google's client
//! for it would bring gRPC, and the messages of the whole API, into each binary.

mod cluster;
mod endpoint;

use std::time::Instant;

pub use cluster::Cluster;
pub use endpoint::{Endpoint, Server};
use reqwest::{Method, Url};
use serde::Deserialize;

use super::{CONTAINER, Client, Needs, Request};
use crate::env::Env;
use crate::{Error, Result};

/// The role that finds clusters; to use one takes `roles/container.developer` or RBAC in it.
const VIEWER: &str = "roles/container.clusterViewer";

/// The clusters of a project.
#[derive(Debug)]
pub struct Clusters {
    client: Client,
    project: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    #[serde(default)]
    clusters: Vec<Cluster>,
    /// Where the server could not look.
    #[serde(default)]
    missing_zones: Vec<String>,
}

impl Clusters {
    /// Those of a project, by its id or number.
    pub fn of(project: &str, env: &Env) -> Result<Self> {
        check(project, "project", ":.-")?;
        Ok(Clusters {
            client: Client::new(CONTAINER, env)?,
            project: project.to_owned(),
        })
    }

    /// The project.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Who asks, for an error's reader.
    pub fn identity(&self) -> String {
        self.client.identity()
    }

    /// The cluster of this name in a zone or region.
    pub async fn get(&self, location: &str, name: &str, until: Option<Instant>) -> Result<Cluster> {
        check(location, "location", "-")?;
        check(name, "cluster", "-")?;
        let project = &self.project;
        let what = format!("look up cluster {name} in {location} of project {project}");
        let needs = self.needs().or_absent(format!(
            "is there a cluster {name} in {location}: gcloud container clusters list \
             --project={project}"
        ));
        let request = Request::new(Method::GET, self.url(location, Some(name)));
        let asked = self.client.ask(&request, until).await;
        asked
            .and_then(|answer| answer.json())
            .map_err(|failure| self.client.explain(failure, what, &needs))
    }

    /// All clusters of a zone, a region or, `-`, the project.
    pub async fn list(&self, location: &str, until: Option<Instant>) -> Result<Vec<Cluster>> {
        if location != "-" {
            check(location, "location", "-")?;
        }
        let what = format!("list the clusters of project {}", self.project);
        let request = Request::new(Method::GET, self.url(location, None));
        let asked = self.client.ask(&request, until).await;
        let listing: Listing = asked
            .and_then(|answer| answer.json())
            .map_err(|failure| self.client.explain(failure, what, &self.needs()))?;
        if !listing.missing_zones.is_empty() {
            let zones = listing.missing_zones.join(", ");
            tracing::warn!("clusters in {zones} are not listed: Google cannot reach them now");
        }
        Ok(listing.clusters)
    }

    fn needs(&self) -> Needs {
        Needs::on_project(&self.project, VIEWER)
    }

    fn url(&self, location: &str, cluster: Option<&str>) -> Url {
        let (v1, project) = ("v1", self.project.as_str());
        let mut parts = vec![v1, "projects", project, "locations", location, "clusters"];
        parts.extend(cluster);
        self.client.url(&parts)
    }
}

/// A part of a resource's name: small letters, digits and some others.
fn check(name: &str, kind: &str, others: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(c);
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{name:?} is not the name of a {kind}"
    )))
}
