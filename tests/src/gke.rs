//! Google Kubernetes Engine at the wire, as its REST reference has it: project `p-1` and its clusters.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::http::{self, HttpServer, Request};

/// PEM of nothing, in base64.
const AUTHORITY: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==";

/// The API of Google Kubernetes Engine.
pub struct Gke {
    server: HttpServer,
    clusters: Arc<Mutex<Vec<Value>>>,
    refusals: Arc<Mutex<VecDeque<(String, Value)>>>,
}

impl Gke {
    /// Has these clusters.
    pub fn with(clusters: Vec<Value>) -> Self {
        let clusters = Arc::new(Mutex::new(clusters));
        let refusals = Arc::new(Mutex::new(VecDeque::<(String, Value)>::new()));
        let (there, next) = (clusters.clone(), refusals.clone());
        let server = HttpServer::start(Arc::new(move |request, connection| {
            let refusal = locked(&next).pop_front();
            let (status, body) = refusal.unwrap_or_else(|| answer(request, &locked(&there)));
            let headers = [("Content-Type", "application/json; charset=UTF-8")];
            http::answer(connection, &status, &headers, body.to_string().as_bytes())
        }));
        Gke {
            server,
            clusters,
            refusals,
        }
    }

    /// A zonal cluster with public and private addresses and a name in DNS.
    pub fn zonal(name: &str) -> Value {
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

    /// Has these clusters from now on.
    pub fn change(&self, clusters: Vec<Value>) {
        *locked(&self.clusters) = clusters;
    }

    /// The next requests are answered so, one after the other.
    pub fn refuse(&self, status: &str, error: &Value) {
        let refusal = (status.to_owned(), json!({ "error": error }));
        locked(&self.refusals).push_back(refusal);
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What leads a program to it. It wants no credentials.
    pub fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER", self.url()),
            ("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true".to_owned()),
        ]
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(request: &Request, clusters: &[Value]) -> (String, Value) {
    let parts: Vec<&str> = request.path.split('/').skip(1).collect();
    let [
        "v1",
        "projects",
        "p-1",
        "locations",
        location,
        "clusters",
        name @ ..,
    ] = parts.as_slice()
    else {
        panic!("no such method: {} {}", request.method, request.path);
    };
    let mut there =
        (clusters.iter()).filter(|cluster| *location == "-" || cluster["location"] == **location);
    let [name] = name else {
        let clusters: Vec<&Value> = there.collect();
        return ("200 OK".to_owned(), json!({ "clusters": clusters }));
    };
    match there.find(|cluster| cluster["name"] == **name) {
        Some(cluster) => ("200 OK".to_owned(), cluster.clone()),
        None => ("404 Not Found".to_owned(), not_found(location, name)),
    }
}

fn not_found(location: &str, name: &str) -> Value {
    json!({"error": {
        "code": 404, "status": "NOT_FOUND",
        "message": format!("Not found: projects/p-1/zones/{location}/clusters/{name}."),
        "details": [{"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "0x1"}],
    }})
}
