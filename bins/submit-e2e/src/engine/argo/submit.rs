//! Creates objects by name, never twice: what a first start of the same build created is adopted.

use std::time::Duration;

use common::{Error, Result};
use kube::api::{GetParams, Patch, PatchParams, PostParams};
use serde_json::Value;
use tokio::time::Instant;
use tracing::info;

use super::client::{Cluster, Request};
use super::fault::Fault;
use super::identity::Run;
use super::resource::{Resource, Shutdown};
use super::view::Seen;

/// Who made a change, in the objects' managed fields.
const MANAGER: &str = "submit-e2e";

/// How long a server that does not answer is asked before anything was created.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// An object to create.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// The entry that it is made from; that of a teardown has a name of its own.
    pub(super) entry: String,
    pub(super) name: String,
    pub(super) resource: Resource,
    /// With the labels of its owner.
    pub(super) manifest: Value,
}

impl Order {
    pub(super) fn new(
        entry: &str,
        manifest: &Value,
        run: &Run,
        default_namespace: &str,
    ) -> Result<Order> {
        let resource = Resource::of(manifest, default_namespace)?;
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        Ok(Order {
            entry: entry.to_owned(),
            name: name.to_owned(),
            resource,
            manifest: run.mark(manifest.clone(), entry),
        })
    }

    fn post(&self, dry_run: bool) -> Result<Request, Fault> {
        let params = PostParams {
            dry_run,
            field_manager: Some(MANAGER.to_owned()),
        };
        let body = self.manifest.to_string().into_bytes();
        let path = kube::core::Request::new(self.resource.path());
        path.create(&params, body).map_err(built)
    }

    /// Has the server check it as if it were created.
    pub(super) async fn check(&self, cluster: &Cluster) -> Result<()> {
        let what = || format!("workflow {:?}: the cluster does not accept it", self.entry);
        let request = self.post(true).map_err(|fault| fault.explain(what()))?;
        let until = Instant::now() + PATIENCE;
        match cluster.send_until(until, &request).await {
            // Another start of the same build was faster; whose it is turns out later.
            Err(fault) if fault.code() == Some(409) => Ok(()),
            Err(fault) => Err(fault.explain(what())),
            Ok(_) => Ok(()),
        }
    }

    /// Creates it, or adopts what another start of the same build created.
    pub(super) async fn create(
        &self,
        cluster: &Cluster,
        run: &Run,
        until: Instant,
    ) -> Result<Seen> {
        let what = || format!("submit workflow {:?} as {}", self.entry, self.name);
        let request = self.post(false).map_err(|fault| fault.explain(what()))?;
        match cluster.send_until(until, &request).await {
            Ok(created) => {
                let seen = Seen::read(self.resource.kind, &created);
                seen.map_err(|fault| fault.explain(what()))
            }
            Err(fault) if fault.code() == Some(409) => self.adopt(cluster, run, until).await,
            Err(fault) => Err(fault.explain(what())),
        }
    }

    async fn adopt(&self, cluster: &Cluster, run: &Run, until: Instant) -> Result<Seen> {
        let what = || format!("submit workflow {:?} as {}", self.entry, self.name);
        let found = get(cluster, &self.resource, &self.name, until).await;
        let found = found.map_err(|fault| fault.explain(what()))?;
        let seen = found
            .as_deref()
            .map(|json| Seen::read(self.resource.kind, json));
        let seen = seen.transpose().map_err(|fault| fault.explain(what()))?;
        let label = |seen: &Seen, name: &str| seen.labels.get(name).cloned();
        match seen {
            // An answer to our own request may have been lost on its way.
            Some(seen) if run.owns(&self.entry, |name| label(&seen, name)) => {
                info!("workflow {} is there already: {}", self.entry, self.name);
                Ok(seen)
            }
            Some(_) => Err(Error::failed(what())
                .because("an object of this name is there, and it is not of this build".to_owned())
                .hint("start the job again: it gets another name then")),
            None => Err(Error::unavailable(what())
                .because("it was there and is not there any more".to_owned())),
        }
    }
}

/// An object as it is now; `None` where there is none.
pub(super) async fn get(
    cluster: &Cluster,
    resource: &Resource,
    name: &str,
    until: Instant,
) -> Result<Option<Vec<u8>>, Fault> {
    let request = kube::core::Request::new(resource.path());
    let request = request.get(name, &GetParams::default()).map_err(built)?;
    match cluster.send_until(until, &request).await {
        Err(fault) if fault.code() == Some(404) => Ok(None),
        answer => answer.map(Some),
    }
}

/// Tells an object to end; one that is gone needs no telling.
pub(super) async fn shut_down(
    cluster: &Cluster,
    resource: &Resource,
    name: &str,
    how: Shutdown,
    until: Instant,
) -> Result<(), Fault> {
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(resource.shutdown_patch(how));
    let request = kube::core::Request::new(resource.path());
    let request = request.patch(name, &params, &patch).map_err(built)?;
    match cluster.send_until(until, &request).await {
        Err(fault) if fault.code() == Some(404) => Ok(()),
        answer => answer.map(|_| ()),
    }
}

/// A request that cannot be made.
pub(super) fn built(error: kube::core::request::Error) -> Fault {
    Fault::Broken(kube::Error::BuildRequest(error))
}
