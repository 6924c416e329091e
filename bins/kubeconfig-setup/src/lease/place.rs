//! Where leases are: three kinds of places that all can do one thing, replace what was read
//! unless somebody else did so before.

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::env::Env;
use common::{Error, Result};

use super::bucket::Objects;
use super::folder::Folder;
use super::kubernetes::Namespace;
use super::queue::{At, Queue};
use super::record::{Moment, Record};

/// Something as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Seen<T> {
    pub(crate) value: T,
    /// What a write names to replace just this.
    pub(crate) version: String,
    /// The place's time.
    pub(crate) now: Moment,
}

/// How often a place is looked at by those who wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    pub(crate) look: Duration,
    /// How often whoever waits is heard of.
    pub(crate) beat: Duration,
    /// Who was not heard of for so long does not wait any more.
    silence: Duration,
}

/// Where leases are, as it was typed and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// Objects of a bucket, below a folder.
    Bucket(String),
    /// Lease objects of a namespace; of the cluster of this kubeconfig, or the one of the pod.
    Kubernetes(String, Option<PathBuf>),
    /// Files of a folder.
    Folder(PathBuf),
}

/// A place that is open.
#[derive(Debug)]
pub(crate) enum Place {
    Bucket(Objects),
    Kubernetes(Box<Namespace>),
    Folder(Folder),
}

impl Address {
    /// Reads `gs://BUCKET/FOLDER`, `kubernetes://NAMESPACE` or `file:///FOLDER`.
    pub(crate) fn parse(url: &str, kubeconfig: Option<&Path>) -> Result<Self> {
        let wrong = || {
            Error::usage(format!("--lease-at {url:?} is no place for leases")).hint(
                "use gs://BUCKET/FOLDER, kubernetes://NAMESPACE, or file:///FOLDER for runs of \
                 one machine",
            )
        };
        let is_namespace = |name: &str| {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            !name.is_empty() && name.len() <= 63 && name.chars().all(allowed)
        };
        if let Some(namespace) = url.strip_prefix("kubernetes://") {
            let kubeconfig = kubeconfig.map(Path::to_owned);
            return match namespace.trim_end_matches('/') {
                name if is_namespace(name) => Ok(Address::Kubernetes(name.to_owned(), kubeconfig)),
                _ => Err(wrong()),
            };
        }
        if kubeconfig.is_some() {
            return Err(Error::usage(format!(
                "--lease-kubeconfig is for kubernetes://, and the leases are at {url}"
            )));
        }
        match url.split_once("://") {
            Some(("gs", _)) => Ok(Address::Bucket(url.trim_end_matches('/').to_owned())),
            Some(("file", path)) if path.starts_with('/') => Ok(Address::Folder(path.into())),
            _ => Err(wrong()),
        }
    }

    /// As it was typed.
    pub(crate) fn url(&self) -> String {
        match self {
            Address::Bucket(url) => url.clone(),
            Address::Kubernetes(namespace, _) => format!("kubernetes://{namespace}"),
            Address::Folder(path) => format!("file://{}", path.display()),
        }
    }

    /// The kubeconfig of the cluster that has the leases.
    pub(crate) fn kubeconfig(&self) -> Option<&Path> {
        match self {
            Address::Kubernetes(_, kubeconfig) => kubeconfig.as_deref(),
            _ => None,
        }
    }

    /// Makes the place ready.
    pub(crate) async fn open(&self, env: &Env) -> Result<Place> {
        Ok(match self {
            Address::Folder(path) => Place::Folder(Folder::new(path.clone())?),
            Address::Bucket(url) => Place::Bucket(Objects::new(url, env)?),
            Address::Kubernetes(namespace, kubeconfig) => {
                let namespace = Namespace::new(namespace, kubeconfig.as_deref());
                Place::Kubernetes(Box::new(namespace.await?))
            }
        })
    }
}

impl Place {
    /// A folder costs nothing to look at; an object may be written about once a second.
    pub(crate) fn rhythm(&self) -> Rhythm {
        let (look, beat, silence) = match self {
            Place::Folder(_) => (200, 1000, 5_000),
            Place::Kubernetes(_) => (1000, 5000, 20_000),
            Place::Bucket(_) => (3000, 15_000, 60_000),
        };
        Rhythm {
            look: Duration::from_millis(look),
            beat: Duration::from_millis(beat),
            silence: Duration::from_millis(silence),
        }
    }

    /// The queue's time.
    pub(crate) fn at(&self, now: Moment) -> At {
        let silence = self.rhythm().silence;
        At { now, silence }
    }

    /// The lease of a cluster; one that was never taken is free.
    pub(crate) async fn lease(&self, name: &str) -> Result<Seen<Record>> {
        match self {
            Place::Bucket(objects) => objects.read(name).await,
            Place::Kubernetes(namespace) => namespace.lease(name).await,
            Place::Folder(folder) => folder.read(name),
        }
    }

    /// The same for whoever only looks: what is not there is not made.
    pub(crate) async fn peek_lease(&self, name: &str) -> Result<Option<Seen<Record>>> {
        match self {
            Place::Bucket(objects) => objects.peek(name).await,
            Place::Kubernetes(namespace) => namespace.peek_lease(name).await,
            Place::Folder(folder) => folder.read(name).map(Some),
        }
    }

    /// Replaces what was read; false, if somebody else did so before.
    pub(crate) async fn set_lease(
        &self,
        name: &str,
        record: &Record,
        version: &str,
    ) -> Result<bool> {
        match self {
            Place::Bucket(objects) => objects.write(name, record, version).await,
            Place::Kubernetes(namespace) => namespace.set_lease(name, record, version).await,
            Place::Folder(folder) => folder.write(name, record, version).await,
        }
    }

    /// Those who wait for a pool.
    pub(crate) async fn queue(&self, name: &str) -> Result<Seen<Queue>> {
        match self {
            Place::Bucket(objects) => objects.read(name).await,
            Place::Kubernetes(namespace) => namespace.queue(name).await,
            Place::Folder(folder) => folder.read(name),
        }
    }

    /// The same for whoever only looks.
    pub(crate) async fn peek_queue(&self, name: &str) -> Result<Option<Seen<Queue>>> {
        match self {
            Place::Bucket(objects) => objects.peek(name).await,
            Place::Kubernetes(namespace) => namespace.peek_queue(name).await,
            Place::Folder(folder) => folder.read(name).map(Some),
        }
    }

    /// Replaces what was read; false, if somebody else did so before.
    pub(crate) async fn set_queue(&self, name: &str, queue: &Queue, version: &str) -> Result<bool> {
        match self {
            Place::Bucket(objects) => objects.write(name, queue, version).await,
            Place::Kubernetes(namespace) => namespace.set_queue(name, queue, version).await,
            Place::Folder(folder) => folder.write(name, queue, version).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_recognised_and_others_are_refused() {
        let parse = |url| Address::parse(url, None);
        let bucket = Address::Bucket("gs://b/leases".to_owned());
        assert_eq!(parse("gs://b/leases/").unwrap(), bucket);
        let namespace = Address::Kubernetes("ci".to_owned(), None);
        assert_eq!(parse("kubernetes://ci").unwrap(), namespace);
        let folder = Address::Folder("/srv/leases".into());
        assert_eq!(parse("file:///srv/leases").unwrap(), folder);
        for url in [
            "",
            "ci",
            "kubernetes://",
            "kubernetes://a/b",
            "file://x",
            "s3://b",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
        assert!(Address::parse("gs://b", Some(Path::new("k"))).is_err());
    }
}
