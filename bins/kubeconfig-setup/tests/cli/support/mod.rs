//! What the tests of kubeconfig-setup share: Google at the wire, as its REST reference has it.

#![allow(dead_code, reason = "on_cluster uses a part of it")]

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use e2e::http::{self, HttpServer, Request};
use e2e::{TestEnvironment, binary};
use serde_json::{Value, json};

/// PEM of nothing, in base64.
pub(crate) const AUTHORITY: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==";

/// Google's APIs.
pub(crate) struct Google {
    server: HttpServer,
    clusters: Arc<Mutex<Vec<Value>>>,
    refusals: Arc<Mutex<VecDeque<(String, Value)>>>,
}

impl Google {
    /// Has these clusters.
    pub(crate) fn with(clusters: Vec<Value>) -> Self {
        let clusters = Arc::new(Mutex::new(clusters));
        let refusals = Arc::new(Mutex::new(VecDeque::<(String, Value)>::new()));
        let (known, next) = (clusters.clone(), refusals.clone());
        let server = HttpServer::start(Arc::new(move |request, connection| {
            let refusal = next.lock().unwrap().pop_front();
            let (status, body) = refusal.unwrap_or_else(|| answer(request, &known.lock().unwrap()));
            let headers = [("Content-Type", "application/json; charset=UTF-8")];
            http::answer(connection, &status, &headers, body.to_string().as_bytes())
        }));
        Google {
            server,
            clusters,
            refusals,
        }
    }

    /// Has these clusters from now on.
    pub(crate) fn change(&self, clusters: Vec<Value>) {
        *self.clusters.lock().unwrap() = clusters;
    }

    /// The next requests are answered so, one after the other.
    pub(crate) fn refuse(&self, status: &str, error: &Value) {
        let refusal = (status.to_owned(), json!({ "error": error }));
        self.refusals.lock().unwrap().push_back(refusal);
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// The binary; its Google is this one, and wants no credentials.
    pub(crate) fn command(&self, environment: &TestEnvironment) -> Command {
        let mut command = command(environment);
        command
            .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER", self.url())
            .env("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true");
        command
    }
}

/// The binary.
pub(crate) fn command(environment: &TestEnvironment) -> Command {
    environment.command(&binary("kubeconfig-setup"))
}

fn answer(request: &Request, clusters: &[Value]) -> (String, Value) {
    let parts: Vec<&str> = request.path.split('/').skip(1).collect();
    match parts.as_slice() {
        ["v1", "projects", "p-1", "locations", location, "clusters"] => {
            let is_there = |cluster: &&Value| *location == "-" || cluster["location"] == *location;
            let clusters: Vec<&Value> = clusters.iter().filter(is_there).collect();
            ("200 OK".to_owned(), json!({ "clusters": clusters }))
        }
        [
            "v1",
            "projects",
            "p-1",
            "locations",
            location,
            "clusters",
            name,
        ] => {
            let mut found = clusters.iter();
            let found = found.find(|it| it["name"] == *name && it["location"] == *location);
            match found {
                Some(cluster) => ("200 OK".to_owned(), cluster.clone()),
                None => ("404 Not Found".to_owned(), not_found(location, name)),
            }
        }
        _ => panic!("no such method: {} {}", request.method, request.path),
    }
}

fn not_found(location: &str, name: &str) -> Value {
    json!({"error": {
        "code": 404, "status": "NOT_FOUND",
        "message": format!("Not found: projects/p-1/zones/{location}/clusters/{name}."),
        "details": [{"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "0x1"}],
    }})
}

/// A zonal cluster with public and private addresses and a name in DNS.
pub(crate) fn zonal(name: &str) -> Value {
    json!({
        "name": name, "location": "us-central1-a", "zone": "us-central1-a", "status": "RUNNING",
        "createTime": "2026-05-01T10:00:00+00:00", "currentMasterVersion": "1.33.4-gke.100",
        "endpoint": "203.0.113.7", "masterAuth": {"clusterCaCertificate": AUTHORITY},
        "selfLink": format!(
            "https://container.googleapis.com/v1/projects/p-1/zones/us-central1-a/clusters/{name}"
        ),
        "privateClusterConfig": {
            "enablePrivateNodes": true, "privateEndpoint": "10.128.0.2",
            "publicEndpoint": "203.0.113.7",
        },
        "controlPlaneEndpointsConfig": {
            "dnsEndpointConfig": {
                "endpoint": "gke-0a1b-123.us-central1-a.gke.goog", "allowExternalTraffic": true,
            },
            "ipEndpointsConfig": {
                "enabled": true, "enablePublicEndpoint": true, "publicEndpoint": "203.0.113.7",
                "privateEndpoint": "10.128.0.2",
            },
        },
    })
}

/// A regional one.
pub(crate) fn regional(name: &str) -> Value {
    let mut cluster = zonal(name);
    cluster["location"] = json!("us-central1");
    cluster["zone"] = json!("us-central1");
    cluster
}

/// One that is reached by its name in DNS only.
pub(crate) fn dns_only(name: &str) -> Value {
    let mut cluster = zonal(name);
    // A field that is false is left out.
    cluster["controlPlaneEndpointsConfig"]["ipEndpointsConfig"] = json!({});
    cluster
}

/// A cluster of a pool.
pub(crate) fn of_pool(name: &str, created: &str, status: &str) -> Value {
    let mut cluster = zonal(name);
    cluster["createTime"] = json!(created);
    cluster["status"] = json!(status);
    cluster
}

/// A file of these tests.
pub(crate) fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(path)
}

/// YAML as JSON.
pub(crate) fn yaml(path: &Path) -> Value {
    common::yaml::Document::read(path).unwrap().value
}
