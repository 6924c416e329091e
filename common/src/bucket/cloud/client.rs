//! One bucket of Google Cloud Storage: its addresses, and the errors of who uses them.

use reqwest::Url;

use crate::env::Env;
use crate::google::{self, Failure, Needs, STORAGE};
use crate::{Error, Result};

/// A bucket's server.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) api: google::Client,
    bucket: String,
}

/// What was tried, for the permissions that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl Access {
    /// The predefined role that allows it. Replacing an object takes the permission to delete it,
    /// which `storage.objectCreator` has not.
    fn role(self) -> &'static str {
        match self {
            Access::Read => "roles/storage.objectViewer",
            Access::Write => "roles/storage.objectUser",
        }
    }
}

impl Client {
    /// Finds the server and the credentials.
    pub(super) fn new(bucket: &str, env: &Env) -> Result<Self> {
        Ok(Client {
            api: google::Client::new(STORAGE, env)?,
            bucket: bucket.to_owned(),
        })
    }

    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// `…/b/BUCKET/o`, the objects.
    pub(super) fn objects(&self) -> Url {
        self.api.url(&["storage", "v1", "b", &self.bucket, "o"])
    }

    /// `…/b/BUCKET/o/NAME`, one object.
    pub(super) fn object(&self, name: &str) -> Url {
        let parts = ["storage", "v1", "b", &self.bucket, "o", name];
        self.api.url(&parts)
    }

    /// Where content goes.
    pub(super) fn uploads(&self) -> Url {
        let parts = ["upload", "storage", "v1", "b", &self.bucket, "o"];
        self.api.url(&parts)
    }

    /// The error of what was tried, as in `write gs://b/x`.
    pub(super) fn explain(&self, failure: Failure, what: String, access: Access) -> Error {
        let needs = Needs::on_bucket(&self.bucket, access.role());
        self.api.explain(failure, what, &needs)
    }
}
