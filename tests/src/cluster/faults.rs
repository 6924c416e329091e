//! What happens to clusters.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Cluster, variable};

const CONTROLLER: &str = "/apis/apps/v1/namespaces/argo/deployments/workflow-controller";

impl Cluster {
    /// Kills the API server of this machine's own cluster, and starts it again after a while.
    pub fn kill_api_server(&self, away: Duration) {
        let server = ApiServer::kill();
        std::thread::sleep(away);
        drop(server);
        self.api().get("/version");
    }

    /// Stops the controller of Argo Workflows, and starts it again after a while.
    pub fn stop_controller(&self, away: Duration) {
        let controller = Controller::stop(self);
        std::thread::sleep(away);
        drop(controller);
    }
}

/// The API server while it is dead; dropping this starts it, whatever the test has come to.
struct ApiServer;

impl ApiServer {
    fn kill() -> Self {
        service("kill");
        ApiServer
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        service("start");
    }
}

/// The controller while it is stopped.
struct Controller<'a>(&'a Cluster);

impl<'a> Controller<'a> {
    fn stop(cluster: &'a Cluster) -> Self {
        let controller = Controller(cluster);
        controller.scale(0);
        let pods = "/api/v1/namespaces/argo/pods?labelSelector=app%3Dworkflow-controller";
        while !cluster.api().list(pods).is_empty() {
            std::thread::sleep(Duration::from_millis(100));
        }
        controller
    }

    fn scale(&self, replicas: u32) {
        let change = json!({"spec": {"replicas": replicas}});
        self.0.api().merge(CONTROLLER, &change);
    }
}

impl Drop for Controller<'_> {
    fn drop(&mut self) {
        self.scale(1);
        let available = |deployment: &Value| deployment["status"]["availableReplicas"] == 1;
        for _ in 0..600 {
            if available(&self.0.api().get(CONTROLLER)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Does something to the API server's process.
fn service(what: &str) {
    // Where it is not this machine's own cluster, no such test is run.
    assert!(Path::new(&variable("TEST_CLUSTER")).is_dir());
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cluster/service");
    let status = Command::new(script).args([what, "kube-apiserver"]).status();
    assert!(status.expect("run tests/cluster/service").success());
}
