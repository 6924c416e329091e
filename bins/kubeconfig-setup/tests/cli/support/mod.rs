//! What the tests of kubeconfig-setup share: Google at the wire, and clusters of it.

#![allow(dead_code, reason = "on_cluster uses a part of it")]

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{Gke, TestEnvironment, binary};
use serde_json::{Value, json};

/// Google's API, and the binary that talks to it.
pub(crate) struct Google(Gke);

impl Google {
    /// Has these clusters.
    pub(crate) fn with(clusters: Vec<Value>) -> Self {
        Google(Gke::with(clusters))
    }

    /// The binary; its Google is this one.
    pub(crate) fn command(&self, environment: &TestEnvironment) -> Command {
        let mut command = command(environment);
        command.envs(self.variables());
        command
    }
}

impl Deref for Google {
    type Target = Gke;

    fn deref(&self) -> &Gke {
        &self.0
    }
}

/// The binary.
pub(crate) fn command(environment: &TestEnvironment) -> Command {
    environment.command(&binary("kubeconfig-setup"))
}

/// A zonal one.
pub(crate) fn zonal(name: &str) -> Value {
    Gke::zonal(name)
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
