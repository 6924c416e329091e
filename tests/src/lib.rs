//! The harness of all tests that run the built binaries: a clean environment, a private home,
//! real servers, and nothing shared between two tests.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a harness that cannot do its work fails the test by a panic"
)]

mod bill_of_materials;
mod cloud_build;
mod cluster;
mod docker;
mod environment;
mod fault_proxy;
mod git_http_server;
mod git_server;
mod gke;
pub mod http;
mod large_files;
mod make;
mod object_store;
mod process;
mod registry;
mod ssh_server;
mod tls_proxy;

pub use bill_of_materials::bill_of_materials_defects;
pub use cloud_build::{Asked, CloudBuild, DEFAULT_LOGS, Look};
pub use cluster::{Api, Cluster, Namespace, Refusal};
pub use docker::DockerEngine;
pub use environment::{TestEnvironment, binary, text};
pub use fault_proxy::{Fault, FaultProxy};
pub use git_http_server::GitHttpServer;
pub use git_server::{GitServer, Serving};
pub use gke::Gke;
pub use make::{make_would_run, top};
pub use object_store::{ObjectStore, StoredObject};
pub use process::{Running, is_running, wait_until};
pub use registry::{ImageRegistry, REGISTRY_USER};
pub use ssh_server::{SshServer, make_key};
pub use tls_proxy::TlsProxy;
