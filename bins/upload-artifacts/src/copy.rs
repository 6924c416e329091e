//! Copies one file.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::bucket::{Attributes, Bucket, ObjectName, Present, Sent};
use common::{Error, Result, ResultExt, junit};

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

/// Where a file goes.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) bucket: Bucket,
    /// What was there before.
    pub(crate) present: Arc<Present>,
    pub(crate) name: ObjectName,
    pub(crate) attributes: Attributes,
    pub(crate) censor: Arc<Censor>,
}

/// Copies one file, unless its object has the same content already.
pub(crate) async fn copy(source: Arc<Source>, real: PathBuf, target: Target) -> Outcome {
    let Target {
        bucket,
        present,
        name,
        attributes,
        censor,
    } = target;
    let opened = blocking({
        let (source, real) = (source.clone(), real.clone());
        move || {
            let file = source.open_file(&real)?;
            Ok((file.try_clone()?, file))
        }
    });
    let (file, same_file) = match opened.await {
        Ok(opened) => opened,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound => Outcome::Vanished,
                io::ErrorKind::InvalidInput => Outcome::Skipped(error.to_string()),
                _ => Outcome::Failed(Error::failed("read it").because(error)),
            };
        }
    };
    let censored = match censored(censor, file).await {
        Ok(censored) => censored,
        Err(error) => return Outcome::Failed(error),
    };
    let Censored { file, read, masked } = censored;
    let outcome = match bucket.sync(&name, file, &attributes, &present).await {
        Ok(Some(sent)) => {
            say_if_it_changed(&real, read.unwrap_or(sent.size), &same_file);
            Outcome::Copied(sent, masked)
        }
        Ok(None) => Outcome::Unchanged,
        Err(error) => return Outcome::Failed(error),
    };
    if junit::is_junit(name.file_name()) {
        say_if_malformed(source, real).await;
    }
    outcome
}

/// The file as it may be seen. One that cannot be censored is not copied at all.
pub(crate) async fn censored(censor: Arc<Censor>, file: File) -> Result<Censored> {
    let censored = blocking(move || censor.censor(file)).await;
    censored.or_failed(|| "look for secrets in it")
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
async fn say_if_malformed(source: Arc<Source>, real: PathBuf) {
    let check = move || {
        let file = source.open_file(&real)?;
        let result = junit::summarize(BufReader::new(file), &printable(&real));
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
            present: Arc::default(),
            name: ObjectName::parse("x").unwrap(),
            attributes: Attributes::default(),
            censor: Arc::new(Censor::none()),
        };
        let source = Arc::new(Source::open(&from).unwrap());
        let copy = |path: &str| {
            let copy = copy(source.clone(), PathBuf::from(path), target.clone());
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
