//! The bucket that a job's records and artifacts go to, and the layout in it.
//!
//! A bucket is `file:///FOLDER`: objects are files below it, and an object's name is a file's
//! path. `gs://` comes behind the same type.

mod folder;
mod layout;
mod name;
mod records;
mod rooted;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use folder::Folder;
pub use layout::{Layout, alias, job_folder, latest_builds};
pub use name::ObjectName;
pub use records::{FINISHED, Finished, Outcome, STARTED, Started};
pub use rooted::Rooted;

use crate::{Error, Result, ResultExt};

/// The most that [`Bucket::read`] takes into memory, in bytes.
pub const READ_LIMIT: u64 = 64 * 1024 * 1024;

/// A bucket. Cheap to clone.
///
/// Writing is atomic: a reader sees an object's old content or its new one, never a part.
/// A bucket that cannot be reached, read or written is [`crate::Exit::Unavailable`], with the
/// object's URL and the reason. Dropping a future gives its work up.
#[derive(Debug, Clone)]
pub struct Bucket {
    folder: Arc<Folder>,
}

/// An object as [`Bucket::list`] finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its whole name.
    pub name: ObjectName,
    /// Its size in bytes.
    pub size: u64,
}

impl Bucket {
    /// Reads a bucket's URL. Nothing is opened yet.
    pub fn parse(url: &str) -> Result<Self> {
        if url.starts_with("gs://") {
            return Err(
                Error::usage(format!("bucket {url:?}: gs:// is not supported yet"))
                    .hint("use a folder of this machine: file:///FOLDER"),
            );
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
        let folder = Arc::new(Folder::new(path.components().collect()));
        Ok(Bucket { folder })
    }

    /// The URL of an object, or of a folder of objects, for people and records.
    pub fn url(&self, name: &ObjectName) -> String {
        format!(
            "file://{}",
            self.folder.root().join(name.as_str()).display()
        )
    }

    /// The folder of this machine that the objects of a folder lie in, where they do.
    pub fn local_path(&self, name: &ObjectName) -> Option<PathBuf> {
        Some(self.folder.root().join(name.as_str()))
    }

    /// Writes a small object.
    pub async fn write(&self, name: &ObjectName, content: &[u8]) -> Result<()> {
        let (object, content) = (name.clone(), content.to_owned());
        self.run("write", name, move |folder, _| {
            folder.write(&object, &content)
        })
        .await
    }

    /// Writes a file's content, whatever its size, in bounded memory; gives the bytes written.
    /// A file that grows meanwhile is written as long as it was at the start.
    pub async fn upload(&self, name: &ObjectName, file: &Path) -> Result<u64> {
        let file = File::open(file).or_failed(|| format!("read {}", file.display()))?;
        self.upload_open(name, file).await
    }

    /// As [`Bucket::upload`], from a file that is open already, at its start.
    pub async fn upload_open(&self, name: &ObjectName, file: File) -> Result<u64> {
        let object = name.clone();
        self.run("write", name, move |folder, given_up| {
            folder.upload(&object, &file, given_up)
        })
        .await
    }

    /// Uploads a file unless the object has exactly its content already: sizes are compared
    /// first, then bytes. Gives the bytes written, `None` if there was nothing to do.
    pub async fn sync(&self, name: &ObjectName, file: File) -> Result<Option<u64>> {
        let object = name.clone();
        self.run("write", name, move |folder, given_up| {
            if folder.holds(&object, &file, given_up)? {
                return Ok(None);
            }
            folder.upload(&object, &file, given_up).map(Some)
        })
        .await
    }

    /// Reads a whole object of at most [`READ_LIMIT`]; `None` if it is not there.
    pub async fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>> {
        let object = name.clone();
        self.run("read", name, move |folder, _| {
            let Some(file) = folder.open(&object)? else {
                return Ok(None);
            };
            let mut content = Vec::new();
            file.take(READ_LIMIT + 1).read_to_end(&mut content)?;
            if content.len() as u64 > READ_LIMIT {
                let what = format!("it is larger than {READ_LIMIT} bytes");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
            }
            Ok(Some(content))
        })
        .await
    }

    /// Opens an object for reading piece by piece; for readers that are not async.
    pub fn open_blocking(&self, name: &ObjectName) -> Result<impl BufRead + Send + use<>> {
        let opened = self.folder.open(name).and_then(|file| {
            file.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no such object"))
        });
        opened
            .map(BufReader::new)
            .or_unavailable(|| format!("read {}", self.url(name)))
    }

    /// All objects in a folder and below it, sorted by name. A folder that is not there is
    /// empty.
    pub async fn list(&self, folder: &ObjectName) -> Result<Vec<Object>> {
        let within = folder.clone();
        self.run("list", folder, move |folder, _| folder.list(&within))
            .await
    }

    /// Runs blocking work on the pool; it is told when nobody waits for it any more.
    async fn run<T: Send + 'static>(
        &self,
        verb: &str,
        name: &ObjectName,
        work: impl FnOnce(&Folder, &AtomicBool) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let folder = self.folder.clone();
        let guard = GiveUp::default();
        let given_up = guard.0.clone();
        let joined = tokio::task::spawn_blocking(move || work(&folder, &given_up)).await;
        joined
            .unwrap_or_else(|panic| Err(io::Error::other(panic)))
            .or_unavailable(|| format!("{verb} {}", self.url(name)))
    }
}

const HINT: &str = "use file:///FOLDER, an absolute path";

/// The bucket's own URL.
impl std::fmt::Display for Bucket {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "file://{}", self.folder.root().display())
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
