//! A cluster of Google Kubernetes Engine. Google's API and its metadata server are played; the API server
//! that they lead to is real.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use e2e::http::{self, HttpServer};
use e2e::{Cluster, FaultProxy, Gke};
use serde_json::json;

use crate::job::Job;
use crate::manifest::steps;

/// A metadata server that gives these tokens, each good for so many seconds, and the last one again and
/// again.
fn metadata(tokens: Vec<(String, u32)>) -> HttpServer {
    let given = AtomicUsize::new(0);
    HttpServer::start(Arc::new(move |_, connection| {
        let next = given.fetch_add(1, Ordering::SeqCst).min(tokens.len() - 1);
        let (token, seconds) = &tokens[next];
        let body = json!({"access_token": token, "expires_in": seconds, "token_type": "Bearer"});
        let headers = [("Content-Type", "application/json")];
        http::answer(connection, "200 OK", &headers, body.to_string().as_bytes())
    }))
}

#[test]
fn a_token_that_runs_out_during_the_wait_is_renewed() {
    let cluster = Cluster::connect();
    let job = Job::new(&cluster, &steps(&[("long", "sleep 30")]));
    let proxy = FaultProxy::start(&cluster.address(), []);
    let mut google = Gke::zonal("ci");
    google["endpoint"] = proxy.address().into();
    google["masterAuth"]["clusterCaCertificate"] = cluster.authority().into();
    let google = Gke::with(vec![google]);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "session"}});
    job.namespace.create(&secret);
    // A client renews a token a minute before its end: this one 5 s after it was given.
    let first = job.namespace.token_while_there_is("session", "submit-e2e");
    let second = job.namespace.token("submit-e2e", 3600);
    let metadata = metadata(vec![(first, 65), (second, 3600)]);

    let mut command = job.command();
    command
        .env_remove("KUBECONFIG")
        .envs(google.variables())
        .env("GCE_METADATA_HOST", metadata.address())
        .args(["--project=p-1", "--zone=us-central1-a", "--cluster=ci"]);
    let mut program = job.start_command(command);
    job.namespace.wait_for_pod("long", "Running");
    let secrets = job.namespace.path("secrets");
    cluster.api().delete(&format!("{secrets}/session"));
    // The API server believes in a token for 10 s more.
    sleep(Duration::from_secs(11));
    proxy.cut();
    assert_eq!(job.end_of(&mut program), 0, "{}", job.log());
    job.assert_result("SUCCESS");
    assert_eq!(metadata.requests().len(), 2, "{}", job.log());
}
