//! How a cluster's API server is reached.

use super::Cluster;
use crate::{Error, Result};

/// Which of a cluster's addresses is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Endpoint {
    /// The one that it has: by IP, and by DNS where the cluster allows nothing else.
    #[default]
    Usual,
    /// The private IP, which is reached from the cluster's own network only.
    Internal,
    /// The name in DNS, whose certificate everybody knows.
    Dns,
}

/// Where an API server is, and whom to trust there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `https://…`
    pub url: String,
    /// The certificate authority, PEM in base64; none: those that this machine trusts.
    pub authority: Option<String>,
}

impl Cluster {
    /// The server at one of its addresses. Follows `gcloud container clusters get-credentials`,
    /// which writes no authority for a name in DNS.
    pub fn server(&self, endpoint: Endpoint) -> Result<Server> {
        let config = self.control_plane_endpoints_config.as_ref();
        let by_dns = endpoint == Endpoint::Dns || endpoint == Endpoint::Usual && self.is_dns_only();
        let address = if by_dns {
            let dns = config.map(|config| &config.dns_endpoint_config);
            if dns.is_some_and(|dns| !dns.endpoint.is_empty() && !dns.allow_external_traffic) {
                return Err(self.unreachable("is closed to traffic from outside", OPEN_DNS));
            }
            dns.map_or("", |dns| &dns.endpoint)
        } else if endpoint == Endpoint::Internal {
            if self.is_dns_only() {
                return Err(self.unreachable("has no addresses but by DNS", USE_DNS));
            }
            let by_ip = config.and_then(|config| config.ip_endpoints_config.as_ref());
            let others = by_ip.map_or("", |by_ip| &by_ip.private_endpoint);
            match self.private_cluster_config.private_endpoint.as_str() {
                "" => others,
                private => private,
            }
        } else {
            &self.endpoint
        };
        if address.is_empty() {
            return Err(self.unreachable("has no such address", STILL_STARTING));
        }
        let authority = self.master_auth.cluster_ca_certificate.clone();
        if authority.is_empty() && !by_dns {
            // gcloud goes on without checking whom it talks to.
            return Err(self.unreachable("has no certificate authority", STILL_STARTING));
        }
        Ok(Server {
            url: format!("https://{address}"),
            authority: (!by_dns).then_some(authority),
        })
    }

    fn unreachable(&self, what: &str, hint: &str) -> Error {
        let (name, location) = (&self.name, self.location());
        let status = &self.status;
        Error::usage(format!("cluster {name} in {location} ({status}) {what}")).hint(hint)
    }
}

const OPEN_DNS: &str = "gcloud container clusters update … --enable-dns-access opens it";
const USE_DNS: &str = "leave out --internal-ip";
const STILL_STARTING: &str = "a cluster that is still PROVISIONING gets it later; --internal-ip \
    and --dns-endpoint choose between the addresses of one that has several";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn server(cluster: &Value, endpoint: Endpoint) -> Result<Server> {
        let cluster: Cluster = serde_json::from_value(cluster.clone()).unwrap();
        cluster.server(endpoint)
    }

    fn cluster(more: &Value) -> Value {
        let mut cluster = json!({"name": "c", "location": "l", "status": "RUNNING",
            "endpoint": "1.2.3.4", "masterAuth": {"clusterCaCertificate": "Q0E="}});
        for (name, value) in more.as_object().unwrap() {
            cluster[name] = value.clone();
        }
        cluster
    }

    #[test]
    fn each_kind_of_address_is_found() {
        let private = json!({"privateClusterConfig": {"privateEndpoint": "10.0.0.2"}});
        let dns_only = json!({"controlPlaneEndpointsConfig": {"ipEndpointsConfig": {},
            "dnsEndpointConfig": {"endpoint": "gke-1.l.gke.goog", "allowExternalTraffic": true}}});
        for (more, endpoint, url, authority) in [
            (&json!({}), Endpoint::Usual, "https://1.2.3.4", Some("Q0E=")),
            (
                &private,
                Endpoint::Internal,
                "https://10.0.0.2",
                Some("Q0E="),
            ),
            (&dns_only, Endpoint::Usual, "https://gke-1.l.gke.goog", None),
            (&dns_only, Endpoint::Dns, "https://gke-1.l.gke.goog", None),
        ] {
            let server = server(&cluster(more), endpoint).unwrap();
            assert_eq!(server.url, url);
            assert_eq!(server.authority.as_deref(), authority);
        }
    }

    #[test]
    fn what_a_cluster_has_not_is_told() {
        let closed = json!({"controlPlaneEndpointsConfig": {"ipEndpointsConfig": {"enabled": true},
            "dnsEndpointConfig": {"endpoint": "gke-1.l.gke.goog"}}});
        for (more, endpoint, said) in [
            (
                &json!({"endpoint": ""}),
                Endpoint::Usual,
                "has no such address",
            ),
            (&json!({}), Endpoint::Internal, "has no such address"),
            (&json!({}), Endpoint::Dns, "has no such address"),
            (
                &json!({"masterAuth": {}}),
                Endpoint::Usual,
                "no certificate authority",
            ),
            (&closed, Endpoint::Dns, "closed to traffic"),
        ] {
            let error = server(&cluster(more), endpoint).unwrap_err();
            assert!(error.report().contains(said), "{}", error.report());
            assert_eq!(error.exit(), crate::Exit::Usage);
        }
    }
}
