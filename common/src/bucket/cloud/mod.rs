//! The `gs://` bucket: Google Cloud Storage by its JSON API.

mod client;
mod content;
mod exchange;
mod gzip;
mod list;
mod object;
mod parts;
mod read;
mod stream;
mod upload;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use bytes::Bytes;
use client::{Access, Client};
use content::Content;
pub(super) use list::Remote;
use read::Download;
use reqwest::{Method, StatusCode};
use stream::Pieces;
use tokio::sync::Semaphore;

use super::attributes::Attributes;
use super::folder::TEMPORARY;
use super::{GiveUp, Object, ObjectName, Present, Sent, Streamed};
use crate::env::Env;
use crate::google::{Failure, Request};
use crate::{Error, Result};

/// A bucket of Google Cloud Storage. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Cloud {
    client: Arc<Client>,
    /// When all work on it ends.
    until: Option<Instant>,
}

impl Cloud {
    /// Checks the bucket's name. Source: Google Cloud Storage's page on bucket names.
    pub(super) fn new(bucket: &str, env: &Env) -> Result<Self> {
        let what = || Error::usage(format!("gs://{bucket:?} is not a bucket"));
        if bucket.contains('/') {
            return Err(what().hint(
                "use gs://BUCKET, the name only: a job's folder in it follows from the job",
            ));
        }
        if !super::is_bucket(bucket) {
            return Err(what()
                .hint("a name has 3 to 222 characters: lower-case letters, digits, -, _ and ."));
        }
        Ok(Cloud {
            client: Arc::new(Client::new(bucket, env)?),
            until: None,
        })
    }

    pub(super) fn until(mut self, until: Instant) -> Self {
        self.until = Some(until);
        self
    }

    pub(super) fn bucket(&self) -> &str {
        self.client.bucket()
    }

    pub(super) async fn write(
        &self,
        name: &ObjectName,
        content: &[u8],
        attributes: &Attributes,
    ) -> Result<()> {
        let content = Content::of(content.to_owned(), attributes).map_err(Failure::from);
        let put = async {
            let content = content?;
            let client = &self.client;
            client
                .put(name.as_str(), &content, attributes, 0, self.until)
                .await
        };
        put.await
            .map_err(|failure| self.explain(failure, "write", name, Access::Write))
    }

    /// Uploads a file, unless `remote` says that the object has its content already.
    pub(super) async fn sync(
        &self,
        name: &ObjectName,
        file: File,
        attributes: &Attributes,
        remote: Option<&Remote>,
        sent: &Arc<AtomicU64>,
    ) -> Result<Option<Sent>> {
        self.try_sync(name, Arc::new(file), attributes, remote, sent)
            .await
            .map_err(|failure| self.explain(failure, "write", name, Access::Write))
    }

    async fn try_sync(
        &self,
        name: &ObjectName,
        file: Arc<File>,
        attributes: &Attributes,
        remote: Option<&Remote>,
        sent: &Arc<AtomicU64>,
    ) -> Result<Option<Sent>, Failure> {
        let mut prepared = prepare(&file, attributes, remote).await?;
        // A file that was rewritten between its checksum and its sending is read anew, once.
        for again in [true, false] {
            let Some(mut content) = prepared else {
                return Ok(None);
            };
            content.sent = sent.clone();
            let known = remote.map_or(0, |remote| remote.generation);
            let client = &self.client;
            let put = client.put(name.as_str(), &content, attributes, known, self.until);
            match put.await {
                Ok(()) => {
                    return Ok(Some(Sent {
                        size: content.uncompressed.unwrap_or(content.stored).size,
                        stored: content.stored.size,
                    }));
                }
                Err(failure) if again && may_have_changed(&failure) => {
                    prepared = prepare(&file, attributes, remote).await?;
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(None)
    }

    pub(super) async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>> {
        let read = async {
            let client = self.client.clone();
            let Some(download) = Download::start(client, name.as_str(), self.until).await? else {
                return Ok(None);
            };
            // The reader may wait from its making on.
            let read = move || Ok(super::read_limited(download.reader()?)?);
            let joined = tokio::task::spawn_blocking(read).await;
            joined
                .unwrap_or_else(|panic| Err(Failure::Local(io::Error::other(panic))))
                .map(Some)
        };
        read.await
            .map_err(|failure| self.explain(failure, "read", name, Access::Read))
    }

    /// At most so many bytes of an object from one on.
    pub(super) async fn read_from(
        &self,
        name: &ObjectName,
        from: u64,
        most: u64,
    ) -> Result<Option<Bytes>> {
        let read = self.client.read_from(name.as_str(), from, most, self.until);
        read.await
            .map_err(|failure| self.explain(failure, "read", name, Access::Read))
    }

    /// Makes a new object of what `source` gives.
    pub(super) async fn upload_stream(
        &self,
        name: &ObjectName,
        media_type: &str,
        source: impl FnMut() -> Pieces,
    ) -> Result<Streamed> {
        let client = &self.client;
        let made = client.put_stream(name.as_str(), media_type, source, self.until);
        let made = made
            .await
            .map_err(|failure| self.explain(failure, "write", name, Access::Write))?;
        Ok(Streamed {
            size: made.size(),
            generation: made.generation(),
        })
    }

    /// Must not be called on the event loop's thread.
    pub(super) fn open_blocking(&self, name: &ObjectName) -> Result<Box<dyn BufRead + Send>> {
        let open = || {
            let handle = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
            let client = self.client.clone();
            let started = handle.block_on(Download::start(client, name.as_str(), self.until))?;
            let download = started.ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, "there is no such object")
            })?;
            download.reader()
        };
        match open() {
            Ok(reader) => Ok(Box::new(BufReader::with_capacity(64 * 1024, reader))),
            Err(failure) => Err(self.explain(failure, "read", name, Access::Read)),
        }
    }

    pub(super) async fn list(&self, folder: &ObjectName) -> Result<Vec<Object>> {
        let mut objects = Vec::new();
        let add = |resource: object::Resource| {
            // The store takes names that we refuse; `FOLDER/` is what its console calls a folder.
            if let Ok(name) = ObjectName::parse(&resource.name)
                && !name.file_name().starts_with(TEMPORARY)
            {
                let size = resource.size();
                objects.push(Object { name, size });
            }
        };
        let client = &self.client;
        let listed = client.list(&format!("{folder}/"), self.until, add).await;
        listed.map_err(|failure| self.explain(failure, "list", folder, Access::Read))?;
        Ok(objects)
    }

    /// What is under one name. Who may make objects only (`roles/storage.objectCreator`) cannot
    /// look, and need not: the upload names the generation that it replaces, which is none.
    pub(super) async fn look_at(&self, name: &ObjectName) -> Result<Present> {
        let found = match self.client.stat(name.as_str(), self.until).await {
            Err(failure) if failure.is(StatusCode::FORBIDDEN) => None,
            found => found.map_err(|failure| self.explain(failure, "read", name, Access::Write))?,
        };
        let mut present = Present::default();
        if let Some(resource) = found {
            let remote = Remote::of(&resource);
            present.insert(resource.name, Some(remote));
        }
        Ok(present)
    }

    pub(super) async fn present(&self, folder: &ObjectName) -> Result<Present> {
        let mut present = Present::default();
        let add = |resource: object::Resource| {
            let remote = Some(Remote::of(&resource));
            let last = resource.name.rsplit('/').next().unwrap_or_default();
            if last.starts_with(TEMPORARY) {
                present.being_written(&resource.name, remote, resource.created());
            } else {
                present.insert(resource.name, remote);
            }
        };
        let client = &self.client;
        let listed = client.list(&format!("{folder}/"), self.until, add).await;
        listed.map_err(|failure| self.explain(failure, "list", folder, Access::Write))?;
        Ok(present)
    }

    /// Removes the generation that was listed; one that somebody wrote since stays.
    pub(super) async fn remove(&self, name: &ObjectName, remote: &Remote) -> Result<()> {
        let request = Request::new(Method::DELETE, self.client.object(name.as_str()))
            .query("ifGenerationMatch", &remote.generation.to_string());
        match self.client.api.ask(&request, self.until).await {
            Ok(_) => Ok(()),
            Err(failure)
                if failure.is(StatusCode::NOT_FOUND)
                    || failure.is(StatusCode::PRECONDITION_FAILED) =>
            {
                Ok(())
            }
            Err(failure) => Err(self.explain(failure, "remove", name, Access::Write)),
        }
    }

    fn explain(&self, failure: Failure, verb: &str, name: &ObjectName, access: Access) -> Error {
        let what = format!("{verb} gs://{}/{name}", self.bucket());
        self.client.explain(failure, what, access)
    }
}

/// How many files are summed and compressed at once. More would wait for the same processors,
/// and each holds a compressor's memory and a thread's.
static PREPARING: Semaphore = Semaphore::const_new(4);

/// Reads, sums and compresses on the pool for blocking work.
async fn prepare(
    file: &Arc<File>,
    attributes: &Attributes,
    remote: Option<&Remote>,
) -> Result<Option<Content>, Failure> {
    let (file, attributes, remote) = (file.clone(), attributes.clone(), remote.cloned());
    let permit = PREPARING.acquire().await;
    let _permit = permit.map_err(|closed| Failure::Local(io::Error::other(closed)))?;
    let guard = GiveUp::default();
    let given_up = guard.0.clone();
    let work = move || Content::of_file(&file, &attributes, remote.as_ref(), &given_up);
    let joined = tokio::task::spawn_blocking(work).await;
    Ok(joined.unwrap_or_else(|panic| Err(io::Error::other(panic)))?)
}

/// The server refuses a checksum with 400; a file that became shorter ends too early.
fn may_have_changed(failure: &Failure) -> bool {
    match failure {
        Failure::Local(error) => error.kind() == io::ErrorKind::UnexpectedEof,
        Failure::Nonsense(_) => true,
        _ => failure.is(StatusCode::BAD_REQUEST),
    }
}
