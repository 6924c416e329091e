//! Copies one file.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::bucket::{Attributes, Bucket, ObjectName, Present, Sent, Sum};
use common::{Error, Result, ResultExt, junit};
use rustix::fs::OFlags;

use crate::censor::{Censor, Censored};
use crate::source::Source;
use crate::tally::printable;

/// What became of a copy.
pub(crate) enum Outcome {
    /// What was sent, and how many bytes of it were masked.
    Copied(Sent, u64),
    Unchanged,
    Skipped(String),
    Vanished,
    Failed(Error),
}

impl Outcome {
    /// Whether the log has a line about it.
    pub(crate) fn is_said(&self) -> bool {
        !matches!(self, Outcome::Copied(_, 0) | Outcome::Unchanged)
    }
}

/// Where a file comes from.
#[derive(Debug, Clone)]
pub(crate) enum From {
    /// It was found in the folder.
    Folder { source: Arc<Source>, real: PathBuf },
    /// Somebody named it: it has to be there.
    Named(PathBuf),
}

impl From {
    fn open(&self) -> io::Result<File> {
        match self {
            From::Folder { source, real } => source.open_file(real),
            From::Named(path) => open(path),
        }
    }

    fn path(&self) -> &Path {
        match self {
            From::Folder { real, .. } => real,
            From::Named(path) => path,
        }
    }

    /// What it means that it cannot be opened.
    fn cannot_be_opened(&self, error: io::Error) -> Outcome {
        match (self, error.kind()) {
            (From::Folder { .. }, io::ErrorKind::NotFound) => Outcome::Vanished,
            (From::Folder { .. }, io::ErrorKind::InvalidInput) => {
                Outcome::Skipped(error.to_string())
            }
            _ => Outcome::Failed(Error::failed("read it").because(error)),
        }
    }
}

/// Opens a file that was named. A FIFO must not keep us waiting for its other end.
fn open(path: &Path) -> io::Result<File> {
    let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options()
        .read(true)
        .custom_flags(nonblock)
        .open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    let what = "it is not a regular file";
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

/// Where a file goes.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) bucket: Bucket,
    /// What was there before; none: nobody has looked yet.
    pub(crate) present: Option<Arc<Present>>,
    pub(crate) name: ObjectName,
    pub(crate) attributes: Attributes,
    pub(crate) censor: Arc<Censor>,
}

/// Copies one file, unless its object has the same content already.
pub(crate) async fn copy(from: From, target: Target) -> Outcome {
    let is_junit = junit::is_junit(target.name.file_name());
    let outcome = transfer(&from, target).await;
    if is_junit && matches!(outcome, Outcome::Copied(..) | Outcome::Unchanged) {
        say_if_malformed(from).await;
    }
    outcome
}

async fn transfer(from: &From, target: Target) -> Outcome {
    let Target {
        bucket,
        present,
        name,
        attributes,
        censor,
    } = target;
    let opened = blocking({
        let from = from.clone();
        move || {
            let file = from.open()?;
            Ok((file.try_clone()?, file))
        }
    });
    let (file, same_file) = match opened.await {
        Ok(opened) => opened,
        Err(error) => return from.cannot_be_opened(error),
    };
    let present = match present {
        Some(present) => present,
        None => match bucket.look_at(&name).await {
            Ok(present) => Arc::new(present),
            Err(error) => return Outcome::Failed(error),
        },
    };
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    if bucket.may_hold(&name, size, &present) {
        match sum(&censor, &file).await {
            Ok(Some(sum)) if bucket.held(&name, sum, &attributes, &present) => {
                return Outcome::Unchanged;
            }
            Ok(_) => {}
            Err(error) => return Outcome::Failed(error),
        }
    }
    let Censored { file, read, masked } = match censored(censor, file).await {
        Ok(censored) => censored,
        Err(error) => return Outcome::Failed(error),
    };
    match bucket.sync(&name, file, &attributes, &present).await {
        Ok(Some(sent)) => {
            say_if_it_changed(from.path(), read.unwrap_or(sent.size), &same_file);
            Outcome::Copied(sent, masked)
        }
        Ok(None) => Outcome::Unchanged,
        Err(error) => Outcome::Failed(error),
    }
}

/// The file as it may be seen. One that cannot be censored is not copied at all.
async fn censored(censor: Arc<Censor>, file: File) -> Result<Censored> {
    let censored = blocking(move || censor.censor(file)).await;
    censored.or_failed(|| "look for secrets in it")
}

/// What a text is compared by, without a copy of it.
async fn sum(censor: &Arc<Censor>, file: &File) -> Result<Option<Sum>> {
    let censor = censor.clone();
    let sum = match file.try_clone() {
        Ok(file) => blocking(move || censor.sum(&file)).await,
        Err(error) => Err(error),
    };
    sum.or_failed(|| "look for secrets in it")
}

fn say_if_it_changed(path: &Path, copied: u64, file: &File) {
    let size = file.metadata().map_or(copied, |metadata| metadata.len());
    if size != copied {
        let path = printable(path);
        tracing::warn!(
            "{path} changed while it was copied: {copied} bytes are in the bucket, and it has {size} now"
        );
    }
}

/// A malformed JUnit file counts as a failure in the verdict: its writer should hear of it.
async fn say_if_malformed(from: From) {
    let check = move || {
        let file = from.open()?;
        let result = junit::summarize(BufReader::new(file), &printable(from.path()));
        Ok(result.err())
    };
    // A file that is gone again has been copied as it was.
    if let Ok(Some(error)) = blocking(check).await {
        tracing::warn!("copied, but it will count as a failure: {}", error.report());
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_vanishes_or_becomes_something_else_is_no_failure() {
        let place = tempfile::tempdir().unwrap();
        let from = place.path().join("from");
        std::fs::create_dir_all(from.join("now-a-folder")).unwrap();
        let url = format!("file://{}/b", place.path().display());
        let target = Target {
            bucket: Bucket::parse(&url, &common::env::Env::default()).unwrap(),
            present: Some(Arc::default()),
            name: ObjectName::parse("x").unwrap(),
            attributes: Attributes::default(),
            censor: Arc::new(Censor::none()),
        };
        let source = Arc::new(Source::open(&from).unwrap());
        let copy = |path: &str| {
            let source = source.clone();
            let real = PathBuf::from(path);
            let copy = copy(From::Folder { source, real }, target.clone());
            tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap()
                .block_on(copy)
        };
        assert!(matches!(copy("gone"), Outcome::Vanished));
        assert!(matches!(copy("gone-folder/file"), Outcome::Vanished));
        assert!(matches!(copy("now-a-folder"), Outcome::Skipped(_)));
        assert!(!place.path().join("b").exists());
    }

    #[test]
    fn a_file_that_becomes_a_link_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let secret = place.path().join("secret");
        std::fs::write(&secret, "secret").unwrap();
        let from = place.path().join("from");
        std::fs::create_dir(&from).unwrap();
        std::os::unix::fs::symlink(&secret, from.join("link")).unwrap();
        std::os::unix::fs::symlink(place.path(), from.join("folder")).unwrap();
        let source = Source::open(&from).unwrap();
        assert!(source.open_file(Path::new("link")).is_err());
        assert!(source.open_file(Path::new("folder/secret")).is_err());
        assert!(source.open_file(Path::new("../secret")).is_err());
    }
}
