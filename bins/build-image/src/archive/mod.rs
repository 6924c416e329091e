//! The source that goes to Cloud Build: a .tgz of a folder, made while it is sent.

mod gzip;
mod size;
mod walk;
mod write;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use common::{Result, ResultExt};
use tokio::sync::mpsc;

pub(crate) use size::{LARGE, Size, human};
use walk::{Kind, Walk};
use write::Writer;

use crate::rules::Rules;

/// A folder and what of it is left out. The same tree gives the same bytes, as often as it
/// takes.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    root: PathBuf,
    rules: Arc<Rules>,
}

impl Archive {
    pub(crate) fn new(root: &Path, rules: Rules) -> Self {
        Archive {
            root: root.to_owned(),
            rules: Arc::new(rules),
        }
    }

    /// The folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What decides.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Looks at all files without reading them. Says which cannot go along.
    pub(crate) fn measure(&self) -> Result<Size> {
        let mut size = Size::default();
        let mut measure = || {
            for entry in Walk::new(&self.root, self.rules.clone())? {
                let entry = entry?;
                if entry.kind == Kind::Special {
                    let path = entry.path.to_string_lossy();
                    let path = common::on_one_line(&path);
                    tracing::warn!("{path}: left out: it is a socket, pipe or device");
                }
                size.add(&entry);
            }
            Ok::<(), io::Error>(())
        };
        measure().or_failed(|| format!("look at the source in {}", self.root.display()))?;
        Ok(size)
    }

    /// The archive, piece by piece, made by threads of its own; an error ends it. They stop
    /// soon after the receiver is dropped.
    pub(crate) fn stream(&self) -> mpsc::Receiver<io::Result<Bytes>> {
        let (input, mut output) = gzip::pipe();
        let archive = self.clone();
        std::thread::spawn(move || archive.write(input));
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(piece) = output.next().await {
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        });
        receiver
    }

    fn write(&self, input: gzip::Input) {
        let mut writer = Writer::new(input);
        let written = Walk::new(&self.root, self.rules.clone())
            .and_then(|mut entries| entries.try_for_each(|entry| writer.add(&self.root, &entry?)));
        let ended = writer.end();
        match (written, ended) {
            (Ok(()), Ok(input)) => {
                // Nobody may want it any more.
                let _ = input.end();
            }
            (Err(error), Ok(input)) => input.fail(error),
            (_, Err(_)) => {}
        }
    }
}

/// The paths that are kept.
#[cfg(test)]
pub(crate) fn paths(root: &Path, rules: Rules) -> Vec<PathBuf> {
    let walk = Walk::new(root, Arc::new(rules)).expect("a folder");
    walk.map(|entry| entry.expect("an entry").path).collect()
}
