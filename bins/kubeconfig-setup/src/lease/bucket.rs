//! Leases as objects of a bucket: the generation says which state a write replaces.

use common::bucket::{Bucket, ObjectName, Shared};
use common::env::Env;
use common::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::place::Seen;
use super::record::Moment;

/// A folder of a bucket.
#[derive(Debug)]
pub(crate) struct Objects {
    bucket: Bucket,
    folder: Option<ObjectName>,
}

impl Objects {
    /// `gs://BUCKET/FOLDER`, the folder or not.
    pub(super) fn new(url: &str, env: &Env) -> Result<Self> {
        let rest = url.strip_prefix("gs://").unwrap_or(url);
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        let folder = (!folder.is_empty()).then(|| ObjectName::parse(folder));
        Ok(Objects {
            bucket: Bucket::parse(&format!("gs://{bucket}"), env)?,
            folder: folder.transpose()?,
        })
    }

    /// The object as it is; none, if it is not there.
    pub(super) async fn peek<T: DeserializeOwned>(&self, name: &str) -> Result<Option<Seen<T>>> {
        let object = self.object(name)?;
        let Some(found) = object.read().await? else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&found.content).map_err(|error| {
            Error::failed(format!("read {}", object.url()))
                .because(error)
                .hint("is it another program's object?")
        })?;
        Ok(Some(Seen {
            value,
            version: found.generation.to_string(),
            now: Moment::of(found.now),
        }))
    }

    /// The object, which is made if it is not there: only an object tells the store's time.
    pub(super) async fn read<T: Default + Serialize + DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Seen<T>> {
        loop {
            if let Some(seen) = self.peek(name).await? {
                return Ok(seen);
            }
            // If somebody else is faster, theirs is read.
            self.write(name, &T::default(), "0").await?;
        }
    }

    /// Replaces what had this version; false, if somebody else did so before.
    pub(super) async fn write<T: Serialize>(
        &self,
        name: &str,
        value: &T,
        version: &str,
    ) -> Result<bool> {
        let object = self.object(name)?;
        let content = serde_json::to_vec(value);
        let content = content.map_err(|error| Error::failed("write a lease").because(error))?;
        object
            .replace(content, version.parse().unwrap_or_default())
            .await
    }

    fn object(&self, name: &str) -> Result<Shared> {
        let file = format!("{name}.json");
        let name = match &self.folder {
            Some(folder) => folder.join(&file)?,
            None => ObjectName::parse(&file)?,
        };
        self.bucket.shared(&name)
    }
}
