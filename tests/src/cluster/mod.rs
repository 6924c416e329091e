//! A real Kubernetes with the real controller of Argo Workflows, and what a test does with it.
//!
//! `make test` brings one up where it can, or takes the one of `TEST_KUBECONFIG`. Tests share it: each has
//! a namespace of its own.

mod api;
mod faults;
mod kubeconfig;
mod namespace;

use std::path::{Path, PathBuf};

pub use api::{Api, Refusal};
pub use namespace::Namespace;

/// The cluster, as its administrator sees it.
pub struct Cluster {
    api: Api,
    kubeconfig: PathBuf,
}

impl Default for Cluster {
    fn default() -> Self {
        Self::connect()
    }
}

impl Cluster {
    /// Takes the cluster that the tests were given.
    pub fn connect() -> Self {
        let kubeconfig = PathBuf::from(variable("TEST_KUBECONFIG"));
        let api = Api::connect(&kubeconfig);
        Cluster { api, kubeconfig }
    }

    /// Its API, with all rights.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// The address that its API server is reached at: `HOST:PORT`.
    pub fn address(&self) -> String {
        let server = kubeconfig::server(&self.kubeconfig);
        let address = server.trim_start_matches("https://").trim_end_matches('/');
        if address.contains(':') {
            address.to_owned()
        } else {
            format!("{address}:443")
        }
    }

    /// Its certificate authority: PEM in base64.
    pub fn authority(&self) -> String {
        kubeconfig::authority(&self.kubeconfig)
    }

    /// A new namespace with the accounts of manifests/base/rbac; it ends when dropped.
    pub fn namespace(&self) -> Namespace<'_> {
        Namespace::make(self)
    }

    /// The image of steps that need nothing but a shell.
    pub fn step_image() -> String {
        std::env::var("TEST_STEP_IMAGE").unwrap_or_else(|_| "busybox:1.37".to_owned())
    }

    /// The address of this machine that pods reach; a server for them has to listen there.
    pub fn host() -> String {
        variable("TEST_HOST")
    }

    fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

/// A variable of tests/cluster/run.
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run it by `make test-cluster`, or `tests/cluster/run COMMAND`")
    })
}
