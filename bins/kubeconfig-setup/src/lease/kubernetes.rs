//! Leases as Lease objects of Kubernetes (coordination.k8s.io/v1): `kubectl get leases` shows who
//! has which cluster. `resourceVersion` says which state a write replaces.

use std::collections::BTreeMap;
use std::path::Path;

use common::{Error, Result, google};
use http::{Method, StatusCode};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;

use super::place::Seen;
use super::queue::Queue;
use super::record::{Moment, Record};
use crate::api::{Api, Reply};

/// The annotation that holds who waits.
const QUEUE: &str = "test-worker/queue";

/// The namespace of the leases.
#[derive(Debug)]
pub(crate) struct Namespace {
    api: Api,
    name: String,
}

impl Namespace {
    pub(super) async fn new(name: &str, kubeconfig: Option<&Path>) -> Result<Self> {
        let api = match kubeconfig {
            Some(path) => Api::of_kubeconfig(&[path.to_owned()], None).await?,
            None => Api::in_cluster().await?,
        };
        let name = name.to_owned();
        Ok(Namespace { api, name })
    }

    pub(super) async fn lease(&self, name: &str) -> Result<Seen<Record>> {
        self.get(name).await.map(seen_lease)
    }

    pub(super) async fn peek_lease(&self, name: &str) -> Result<Option<Seen<Record>>> {
        Ok(self.find(name).await?.map(seen_lease))
    }

    pub(super) async fn set_lease(
        &self,
        name: &str,
        record: &Record,
        version: &str,
    ) -> Result<bool> {
        let mut lease = self.object(name, version);
        lease.spec = Some(spec(record));
        self.put(name, &lease).await
    }

    pub(super) async fn queue(&self, name: &str) -> Result<Seen<Queue>> {
        self.get(name).await.map(seen_queue)
    }

    pub(super) async fn peek_queue(&self, name: &str) -> Result<Option<Seen<Queue>>> {
        Ok(self.find(name).await?.map(seen_queue))
    }

    pub(super) async fn set_queue(&self, name: &str, queue: &Queue, version: &str) -> Result<bool> {
        let text = serde_json::to_string(queue);
        let text = text.map_err(|error| Error::failed("write the queue").because(error))?;
        let mut lease = self.object(name, version);
        lease.metadata.annotations = Some(BTreeMap::from([(QUEUE.to_owned(), text)]));
        self.put(name, &lease).await
    }

    fn path(&self) -> String {
        let name = &self.name;
        format!("/apis/coordination.k8s.io/v1/namespaces/{name}/leases")
    }

    fn object(&self, name: &str, version: &str) -> Lease {
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.name.clone()),
            resource_version: (!version.is_empty()).then(|| version.to_owned()),
            ..ObjectMeta::default()
        };
        Lease {
            metadata,
            spec: None,
        }
    }

    /// The object and the server's time; none, if it is not there.
    async fn find(&self, name: &str) -> Result<Option<(Lease, Moment)>> {
        let what = self.what("read", name);
        let path = format!("{}/{name}", self.path());
        let ask = self.api.ask(Method::GET, &path, None::<&Lease>, &what);
        let reply = ask.await?;
        match reply.status {
            StatusCode::NOT_FOUND => Ok(None),
            _ => Ok(Some((self.read(&reply, &what)?, now(&reply, &what)?))),
        }
    }

    /// The same; one that is not there is made.
    async fn get(&self, name: &str) -> Result<(Lease, Moment)> {
        let what = self.what("make", name);
        loop {
            if let Some(found) = self.find(name).await? {
                return Ok(found);
            }
            let new = self.object(name, "");
            let ask = self
                .api
                .ask(Method::POST, &self.path(), Some(&new), &what)
                .await;
            let made = ask?;
            // Somebody else was faster: theirs is read.
            if made.status != StatusCode::CONFLICT {
                return Ok((self.read(&made, &what)?, now(&made, &what)?));
            }
        }
    }

    /// Replaces the object, unless somebody else did so before.
    async fn put(&self, name: &str, lease: &Lease) -> Result<bool> {
        let what = self.what("write", name);
        let path = format!("{}/{name}", self.path());
        let reply = self.api.ask(Method::PUT, &path, Some(lease), &what).await?;
        match reply.status {
            // Removed by hand in the meantime: what is there now is read anew.
            StatusCode::CONFLICT | StatusCode::NOT_FOUND => Ok(false),
            _ => self.read(&reply, &what).map(|_| true),
        }
    }

    fn read(&self, reply: &Reply, what: &str) -> Result<Lease> {
        let namespace = &self.name;
        reply.json(what).map_err(|error| match reply.status {
            StatusCode::FORBIDDEN => error.hint(format!(
                "it takes a Role in namespace {namespace} with get, create and update on \
                 leases.coordination.k8s.io"
            )),
            StatusCode::NOT_FOUND => error.hint(format!("is there a namespace {namespace}?")),
            _ => error,
        })
    }

    fn what(&self, verb: &str, name: &str) -> String {
        let (namespace, server) = (&self.name, &self.api.server);
        format!("{verb} lease {name} in namespace {namespace} of {server}")
    }
}

fn seen_lease((lease, now): (Lease, Moment)) -> Seen<Record> {
    Seen {
        value: record(&lease),
        version: lease.metadata.resource_version.unwrap_or_default(),
        now,
    }
}

fn seen_queue((lease, now): (Lease, Moment)) -> Seen<Queue> {
    let annotations = lease.metadata.annotations.unwrap_or_default();
    // One that cannot be read was not written by us: nobody waits.
    let queue = annotations
        .get(QUEUE)
        .map(|text| serde_json::from_str(text));
    Seen {
        value: queue.and_then(Result::ok).unwrap_or_default(),
        version: lease.metadata.resource_version.unwrap_or_default(),
        now,
    }
}

/// The server's clock, not ours: all who compete read the same one.
fn now(reply: &Reply, what: &str) -> Result<Moment> {
    google::date(&reply.headers)
        .map(Moment::of)
        .ok_or_else(|| Error::failed(what).because("the server's answer has no date"))
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let moment = |time: Option<MicroTime>| {
        let milliseconds = time.map_or(0, |MicroTime(time)| time.as_millisecond());
        Moment(u64::try_from(milliseconds).unwrap_or_default())
    };
    let count = |number: Option<i32>| u32::try_from(number.unwrap_or_default()).unwrap_or_default();
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        fencing: count(spec.lease_transitions),
        taken: moment(spec.acquire_time),
        renewed: moment(spec.renew_time),
        seconds: count(spec.lease_duration_seconds),
    }
}

/// The server refuses a duration that is not positive.
fn spec(record: &Record) -> LeaseSpec {
    let time = |Moment(milliseconds)| {
        let milliseconds = i64::try_from(milliseconds).ok()?;
        Timestamp::from_millisecond(milliseconds)
            .ok()
            .map(MicroTime)
    };
    let is_held = !record.holder.is_empty();
    LeaseSpec {
        holder_identity: is_held.then(|| record.holder.clone()),
        lease_transitions: i32::try_from(record.fencing).ok(),
        acquire_time: time(record.taken),
        renew_time: time(record.renewed),
        lease_duration_seconds: i32::try_from(record.seconds).ok().filter(|_| is_held),
        ..LeaseSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_object_says_what_the_record_says() {
        let taken = Record::default()
            .take("job-1", Moment(1_750_000_000_123), 60)
            .unwrap();
        for record in [taken.clone(), taken.release(), Record::default()] {
            let lease = Lease {
                spec: Some(spec(&record)),
                ..Lease::default()
            };
            let written = serde_json::to_vec(&lease).unwrap();
            let read: Lease = serde_json::from_slice(&written).unwrap();
            assert_eq!(super::record(&read), record);
        }
    }
}
