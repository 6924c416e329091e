//! The bucket that a job's records and artifacts go to, and the layout in it.
//!
//! A bucket is `gs://NAME`, Google Cloud Storage, or `file:///FOLDER`: objects are files below
//! it, and an object's name is a file's path. Who uses a bucket need not know which it is.

mod attributes;
mod cloud;
mod folder;
mod layout;
mod name;
mod present;
mod records;
mod rooted;
mod shared;
mod sum;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use std::time::Instant;

use bytes::Bytes;

pub use attributes::{Attributes, Encoding, MediaTypes};
use cloud::Cloud;
use folder::Folder;
pub use layout::{Layout, PathStrategy, Paths, alias, job_folder, latest_builds};
pub use name::ObjectName;
pub use present::Present;
pub use records::{FINISHED, Finished, Outcome, STARTED, Started};
pub use rooted::Rooted;
pub use shared::{Shared, State};
pub use sum::Sum;

use crate::env::Env;
use crate::{Error, Result, ResultExt};

/// The most that [`Bucket::read`] takes into memory, in bytes.
pub const READ_LIMIT: u64 = 64 * 1024 * 1024;

/// The most that [`Bucket::read_from`] gives at once, in bytes.
pub const PIECE_LIMIT: u64 = 4 * 1024 * 1024;

/// A bucket. Cheap to clone.
///
/// Writing is atomic: a reader sees an object's old content or its new one, never a part.
/// A bucket that cannot be reached, read or written is [`crate::Exit::Unavailable`], with the
/// object's URL and the reason; one that we have no right to is [`crate::Exit::Usage`]. Dropping
/// a future gives its work up.
#[derive(Debug, Clone)]
pub struct Bucket {
    place: Place,
    /// Counts the bytes of files on their way.
    sent: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
enum Place {
    Folder(Arc<Folder>),
    Cloud(Cloud),
}

/// An object as [`Bucket::list`] finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its whole name.
    pub name: ObjectName,
    /// Its size in bytes.
    pub size: u64,
}

/// What a sync sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Size of the file, in bytes.
    pub size: u64,
    /// Size of the object: less, where it was compressed.
    pub stored: u64,
}

/// An object that [`Bucket::upload_stream`] made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streamed {
    /// Its size in bytes.
    pub size: u64,
    /// Its generation; 0 in a bucket that has none.
    pub generation: u64,
}

/// Whether Google Cloud Storage takes this as the name of a bucket. Source: its page on names.
pub fn is_bucket(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    (3..=222).contains(&name.len()) && name.chars().all(allowed)
}

impl Bucket {
    /// Reads a bucket's URL. Nothing is opened yet. Where Google Cloud Storage is, and who we
    /// are there, follows from the environment as it does for Google's own tools.
    pub fn parse(url: &str, env: &Env) -> Result<Self> {
        if let Some(bucket) = url.strip_prefix("gs://") {
            let place = Place::Cloud(Cloud::new(bucket.trim_end_matches('/'), env)?);
            return Ok(Bucket::at(place));
        }
        let Some(path) = url.strip_prefix("file://") else {
            return Err(Error::usage(format!("{url:?} is not a bucket's URL")).hint(HINT));
        };
        let path = Path::new(path);
        let leads_back = path.components().any(|part| part == Component::ParentDir);
        if !path.is_absolute() || leads_back || url.chars().any(char::is_control) {
            return Err(Error::usage(format!(
                "bucket {url:?} is not an absolute folder without `..`"
            ))
            .hint(HINT));
        }
        // Components without `.`, doubled or trailing slashes: one folder, one URL.
        let folder = Folder::new(path.components().collect());
        Ok(Bucket::at(Place::Folder(Arc::new(folder))))
    }

    fn at(place: Place) -> Self {
        let sent = Arc::default();
        Bucket { place, sent }
    }

    /// The same bucket; adds the bytes of files to this count as they are sent, those that are
    /// sent again as well.
    #[must_use]
    pub fn counting(self, sent: Arc<AtomicU64>) -> Self {
        Bucket { sent, ..self }
    }

    /// The same bucket, for work that ends at this time: what is not done by then fails with
    /// the reason of the last attempt.
    #[must_use]
    pub fn until(self, end: Instant) -> Self {
        let place = match self.place {
            Place::Cloud(cloud) => Place::Cloud(cloud.until(end)),
            folder @ Place::Folder(_) => folder,
        };
        Bucket { place, ..self }
    }

    /// The URL of an object, or of a folder of objects, for people and records.
    pub fn url(&self, name: &ObjectName) -> String {
        match &self.place {
            Place::Folder(folder) => {
                format!("file://{}", folder.root().join(name.as_str()).display())
            }
            Place::Cloud(cloud) => format!("gs://{}/{name}", cloud.bucket()),
        }
    }

    /// The folder of this machine that the objects of a folder lie in, where they do.
    pub fn local_path(&self, name: &ObjectName) -> Option<PathBuf> {
        match &self.place {
            Place::Folder(folder) => Some(folder.root().join(name.as_str())),
            Place::Cloud(_) => None,
        }
    }

    /// Whether readers are told of an object's encoding, so that what is stored as gzip is
    /// what is in it to them.
    pub fn knows_encodings(&self) -> bool {
        matches!(self.place, Place::Cloud(_))
    }

    /// Writes a small object, with the attributes that follow from its name.
    pub async fn write(&self, name: &ObjectName, content: &[u8]) -> Result<()> {
        match &self.place {
            Place::Cloud(cloud) => {
                let mut attributes = Attributes::of(name, &MediaTypes::default());
                if layout::is_alias(name) {
                    // Prow follows the link without reading the object.
                    attributes = attributes.with(LINK, String::from_utf8_lossy(content));
                }
                cloud.write(name, content, &attributes).await
            }
            Place::Folder(folder) => {
                let (object, content) = (name.clone(), content.to_owned());
                let write = move |folder: &Folder, _: &AtomicBool| folder.write(&object, &content);
                self.run(folder, "write", name, write).await
            }
        }
    }

    /// Writes a file's content, whatever its size, in bounded memory; gives the bytes written.
    /// A file that grows meanwhile is written as long as it was at the start.
    pub async fn upload(&self, name: &ObjectName, file: &Path) -> Result<u64> {
        let file = File::open(file).or_failed(|| format!("read {}", file.display()))?;
        self.upload_open(name, file).await
    }

    /// As [`Bucket::upload`], from a file that is open already, at its start.
    pub async fn upload_open(&self, name: &ObjectName, file: File) -> Result<u64> {
        match &self.place {
            Place::Cloud(cloud) => {
                let attributes = Attributes::of(name, &MediaTypes::default());
                let sent = cloud
                    .sync(name, file, &attributes, None, &self.sent)
                    .await?;
                Ok(sent.map_or(0, |sent| sent.size))
            }
            Place::Folder(folder) => {
                let (object, sent) = (name.clone(), self.sent.clone());
                let upload = move |folder: &Folder, given_up: &AtomicBool| {
                    folder.upload(&object, &file, &sent, given_up)
                };
                self.run(folder, "write", name, upload).await
            }
        }
    }

    /// What lies in a folder now, to compare files with; see [`Bucket::sync`].
    pub async fn present(&self, folder: &ObjectName) -> Result<Present> {
        match &self.place {
            Place::Cloud(cloud) => cloud.present(folder).await,
            Place::Folder(place) => {
                let within = folder.clone();
                let list = move |folder: &Folder, _: &AtomicBool| folder.present(&within);
                self.run(place, "list", folder, list).await
            }
        }
    }

    /// What an object is now; as [`Bucket::present`], for a single name.
    pub async fn look_at(&self, name: &ObjectName) -> Result<Present> {
        match &self.place {
            Place::Cloud(cloud) => cloud.look_at(name).await,
            // The files are compared themselves.
            Place::Folder(_) => Ok(Present::default()),
        }
    }

    /// Whether an object of this size was there, with a checksum to compare: a file of that size
    /// may be in the bucket already, see [`Bucket::held`].
    pub fn may_hold(&self, name: &ObjectName, size: u64, present: &Present) -> bool {
        present.get(name).and_then(cloud::Remote::size) == Some(size)
    }

    /// Whether the object that was there has this content, and readers are told the same of it.
    pub fn held(
        &self,
        name: &ObjectName,
        content: Sum,
        attributes: &Attributes,
        present: &Present,
    ) -> bool {
        let remote = present.get(name);
        remote.is_some_and(|remote| remote.has(content, attributes))
    }

    /// Uploads a file unless the object has its content already: sizes are compared first,
    /// then checksums, or bytes where the bucket is a folder. Gives what was sent, `None` if
    /// there was nothing to do.
    pub async fn sync(
        &self,
        name: &ObjectName,
        file: File,
        attributes: &Attributes,
        present: &Present,
    ) -> Result<Option<Sent>> {
        match &self.place {
            Place::Cloud(cloud) => {
                let remote = present.get(name);
                cloud.sync(name, file, attributes, remote, &self.sent).await
            }
            Place::Folder(folder) => {
                let (object, sent) = (name.clone(), self.sent.clone());
                let sync = move |folder: &Folder, given_up: &AtomicBool| {
                    if folder.holds(&object, &file, given_up)? {
                        return Ok(None);
                    }
                    let size = folder.upload(&object, &file, &sent, given_up)?;
                    let stored = size;
                    Ok(Some(Sent { size, stored }))
                };
                self.run(folder, "write", name, sync).await
            }
        }
    }

    /// Removes an object that was present, unless somebody has written it since.
    pub async fn remove(&self, name: &ObjectName, present: &Present) -> Result<()> {
        self.remove_listed(name, present.get(name)).await
    }

    /// Removes what uploads that were killed have left behind, a day ago or earlier; gives how
    /// much that was.
    pub async fn remove_leftovers(&self, present: &Present) -> Result<u64> {
        let mut removed = 0;
        for (name, remote) in present.leftovers() {
            self.remove_listed(name, remote).await?;
            removed += 1;
        }
        Ok(removed)
    }

    async fn remove_listed(&self, name: &ObjectName, listed: Option<&cloud::Remote>) -> Result<()> {
        match (&self.place, listed) {
            (Place::Cloud(cloud), Some(remote)) => cloud.remove(name, remote).await,
            (Place::Cloud(_), None) => Ok(()),
            (Place::Folder(folder), _) => {
                let object = name.clone();
                let remove = move |folder: &Folder, _: &AtomicBool| folder.remove(&object);
                self.run(folder, "remove", name, remove).await
            }
        }
    }

    /// Reads a whole object of at most [`READ_LIMIT`]; `None` if it is not there.
    pub async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>> {
        match &self.place {
            Place::Cloud(cloud) => cloud.read(name).await,
            Place::Folder(folder) => {
                let object = name.clone();
                let read = move |folder: &Folder, _: &AtomicBool| {
                    folder.open(&object)?.map(read_limited).transpose()
                };
                self.run(folder, "read", name, read).await
            }
        }
    }

    /// Reads what an object that may be growing holds from a byte on, at most
    /// [`PIECE_LIMIT`] of it: empty where there is nothing new, `None` if it is not there.
    pub async fn read_from(&self, name: &ObjectName, from: u64) -> Result<Option<Bytes>> {
        match &self.place {
            Place::Cloud(cloud) => cloud.read_from(name, from, PIECE_LIMIT).await,
            Place::Folder(folder) => {
                let object = name.clone();
                let read = move |folder: &Folder, _: &AtomicBool| {
                    let Some(mut file) = folder.open(&object)? else {
                        return Ok(None);
                    };
                    io::Seek::seek(&mut file, io::SeekFrom::Start(from))?;
                    let mut piece = Vec::new();
                    file.take(PIECE_LIMIT).read_to_end(&mut piece)?;
                    Ok(Some(piece.into()))
                };
                self.run(folder, "read", name, read).await
            }
        }
    }

    /// Makes a new object of content whose size is known at its end only, in bounded memory:
    /// `source` starts it, again where the server forgot what it had, and has to give the same
    /// each time. Only for `gs://`: who has the content at hand on this machine needs no copy.
    pub async fn upload_stream(
        &self,
        name: &ObjectName,
        media_type: &str,
        source: impl FnMut() -> tokio::sync::mpsc::Receiver<io::Result<Bytes>>,
    ) -> Result<Streamed> {
        match &self.place {
            Place::Cloud(cloud) => cloud.upload_stream(name, media_type, source).await,
            Place::Folder(_) => Err(Error::usage(format!("write {}", self.url(name)))
                .because("it is made while it is sent, for which it takes a gs:// bucket")),
        }
    }

    /// Opens an object for reading piece by piece; for readers that are not async. It must run
    /// on a thread that may wait, as of `tokio::task::spawn_blocking`.
    pub fn open_blocking(&self, name: &ObjectName) -> Result<impl BufRead + Send + use<>> {
        let opened: Box<dyn BufRead + Send> = match &self.place {
            Place::Cloud(cloud) => cloud.open_blocking(name)?,
            Place::Folder(folder) => {
                let none = || io::Error::new(io::ErrorKind::NotFound, "there is no such object");
                let opened = folder.open(name).and_then(|file| file.ok_or_else(none));
                let file = opened.or_unavailable(|| format!("read {}", self.url(name)))?;
                Box::new(BufReader::new(file))
            }
        };
        Ok(opened)
    }

    /// All objects in a folder and below it, sorted by name. A folder that is not there is
    /// empty.
    pub async fn list(&self, folder: &ObjectName) -> Result<Vec<Object>> {
        match &self.place {
            Place::Cloud(cloud) => cloud.list(folder).await,
            Place::Folder(place) => {
                let within = folder.clone();
                let list = move |folder: &Folder, _: &AtomicBool| folder.list(&within);
                self.run(place, "list", folder, list).await
            }
        }
    }

    /// Runs blocking work on the pool; it is told when nobody waits for it any more.
    async fn run<T: Send + 'static>(
        &self,
        folder: &Arc<Folder>,
        verb: &str,
        name: &ObjectName,
        work: impl FnOnce(&Folder, &AtomicBool) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let folder = folder.clone();
        let guard = GiveUp::default();
        let given_up = guard.0.clone();
        let joined = tokio::task::spawn_blocking(move || work(&folder, &given_up)).await;
        joined
            .unwrap_or_else(|panic| Err(io::Error::other(panic)))
            .or_unavailable(|| format!("{verb} {}", self.url(name)))
    }
}

fn read_limited(source: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    source.take(READ_LIMIT + 1).read_to_end(&mut content)?;
    if content.len() as u64 > READ_LIMIT {
        let what = format!("it is larger than {READ_LIMIT} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(content)
}

/// Key of the metadata that holds an alias's target. Source: Prow's `gcsupload`, which gives the
/// header's name as the key.
const LINK: &str = "x-goog-meta-link";

const HINT: &str = "use gs://BUCKET, or file:///FOLDER with an absolute path";

/// The bucket's own URL.
impl std::fmt::Display for Bucket {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Folder(folder) => write!(out, "file://{}", folder.root().display()),
            Place::Cloud(cloud) => write!(out, "gs://{}", cloud.bucket()),
        }
    }
}

/// Tells blocking work, when dropped, that its result is not wanted any more.
#[derive(Default)]
struct GiveUp(Arc<AtomicBool>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
