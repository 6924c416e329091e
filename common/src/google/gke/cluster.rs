//! A cluster as the REST API describes it: the fields that we read.

use serde::Deserialize;

/// A cluster. Source: `projects.locations.clusters` of the Kubernetes Engine API, v1.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cluster {
    /// Its name, unique in its location.
    pub name: String,
    /// Its zone or region.
    location: String,
    /// The same, in older answers.
    zone: String,
    /// Such as `RUNNING`, `PROVISIONING`, `RECONCILING`, `STOPPING`, `ERROR`, `DEGRADED`.
    pub status: String,
    /// Why it is in a bad state.
    pub status_message: String,
    /// When it was made, in RFC 3339.
    pub create_time: String,
    /// The version of its control plane.
    pub current_master_version: String,
    /// The address of the API server, unless it is private.
    pub(super) endpoint: String,
    pub(super) master_auth: MasterAuth,
    pub(super) private_cluster_config: PrivateClusterConfig,
    pub(super) control_plane_endpoints_config: Option<ControlPlaneEndpointsConfig>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct MasterAuth {
    pub(super) cluster_ca_certificate: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PrivateClusterConfig {
    pub(super) private_endpoint: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ControlPlaneEndpointsConfig {
    pub(super) dns_endpoint_config: DnsEndpointConfig,
    pub(super) ip_endpoints_config: Option<IpEndpointsConfig>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DnsEndpointConfig {
    pub(super) endpoint: String,
    pub(super) allow_external_traffic: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct IpEndpointsConfig {
    pub(super) enabled: bool,
    pub(super) private_endpoint: String,
}

impl Cluster {
    /// Its zone or region.
    pub fn location(&self) -> &str {
        if self.location.is_empty() {
            &self.zone
        } else {
            &self.location
        }
    }

    /// Whether it takes work: it runs, and nothing is wrong with it.
    pub fn is_healthy(&self) -> bool {
        self.status == "RUNNING"
    }

    /// Says so where it does not: whoever named it may want it nevertheless.
    pub fn warn_unless_healthy(&self) {
        if !self.is_healthy() {
            let (name, status, message) = (&self.name, &self.status, &self.status_message);
            tracing::warn!(
                "cluster {name} is {status}, not RUNNING: its API may not answer {message}"
            );
        }
    }

    /// Whether the API server can be reached by DNS only.
    pub(super) fn is_dns_only(&self) -> bool {
        let config = self.control_plane_endpoints_config.as_ref();
        config
            .and_then(|config| config.ip_endpoints_config.as_ref())
            .is_some_and(|by_ip| !by_ip.enabled)
    }
}
