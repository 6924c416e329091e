//! One object that several processes change in turns.

use std::time::SystemTime;

use super::cloud::Cloud;
use super::{Bucket, ObjectName, Place};
use crate::{Error, Result};

/// An object of a `gs://` bucket that several processes change: each write names the state that it
/// replaces, so that none undoes what another did. Small: an object may be written about once a
/// second.
#[derive(Debug, Clone)]
pub struct Shared {
    cloud: Cloud,
    name: ObjectName,
}

/// A state of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Its content.
    pub content: Vec<u8>,
    /// Which state it is.
    pub generation: u64,
    /// The store's time when it was read, in whole seconds.
    pub now: SystemTime,
}

impl Bucket {
    /// The object of this name. A `file://` bucket has none: files have no generations.
    pub fn shared(&self, name: &ObjectName) -> Result<Shared> {
        match &self.place {
            Place::Cloud(cloud) => Ok(Shared {
                cloud: cloud.clone(),
                name: name.clone(),
            }),
            Place::Folder(_) => Err(Error::usage(format!(
                "{} is no object that several processes can change",
                self.url(name)
            ))),
        }
    }
}

impl Shared {
    /// `gs://BUCKET/NAME`.
    pub fn url(&self) -> String {
        format!("gs://{}/{}", self.cloud.bucket(), self.name)
    }

    /// The object as it is now; none, if it is not there.
    pub async fn read(&self) -> Result<Option<State>> {
        self.cloud.read_state(&self.name).await
    }

    /// Replaces the state of this generation (0: there is none); false, if there is another one by
    /// now. An attempt whose answer was lost is recognised by its content, so no two writers may
    /// write the same.
    pub async fn replace(&self, content: Vec<u8>, generation: u64) -> Result<bool> {
        self.cloud
            .replace_state(&self.name, content, generation)
            .await
    }
}
