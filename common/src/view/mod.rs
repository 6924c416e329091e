//! What a child sees of the file system: this machine's, with some folders at other paths, as
//! a step's volumes are, and a `/tmp` of its own.
//!
//! It runs in a private mount namespace, entered by this program calling itself: no root
//! is needed where the kernel allows user namespaces. A folder is *opened* where something
//! has to appear in it that is not there, a mount point for example: a folder of the step's
//! own, with the real one's entries bound into it, takes its place.

mod enter;
mod mounts;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use rustix::mount::{MountPropagationFlags, mount_bind_recursive, mount_change, mount_move};
use serde::{Deserialize, Serialize};

use crate::{Result, ResultExt, exec};

use mounts::{bind_at, look_alike, pivot, set_apart};

pub use enter::enter;

/// First argument of this program when it calls itself to enter a view.
const ENTER: &str = "__enter-view";

/// The folder that is always the step's own.
const TMP: &str = "/tmp";

/// A folder or file at another path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Absolute path on this machine.
    pub source: PathBuf,
    /// Absolute path as the step sees it.
    pub target: PathBuf,
    /// Whether the step may only read it.
    pub read_only: bool,
}

/// What a step sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// A folder of the step's own, in which the opened folders have their places.
    pub root: PathBuf,
    /// Parents before children.
    pub binds: Vec<Bind>,
    /// Files that the step will write and that are to be read afterwards.
    pub outputs: Vec<PathBuf>,
}

impl View {
    /// The command that runs `program` in this view, in a folder of it.
    pub fn command(&self, own: &Path, folder: &Path, program: &str) -> Result<exec::Command> {
        let view = serde_json::to_string(self).or_failed(|| "write the view")?;
        let command = exec::Command::new(own).args([ENTER, &view]);
        Ok(command.arg(folder).arg(program))
    }

    /// Where on this machine a path of the step's is.
    pub fn real_path(&self, path: &Path) -> PathBuf {
        let bind = self
            .binds
            .iter()
            .rev()
            .find(|bind| path.starts_with(&bind.target));
        if let Some(bind) = bind {
            let rest = path.strip_prefix(&bind.target).unwrap_or(path);
            return join(&bind.source, rest);
        }
        // In an opened folder what is new is the step's own; the rest is this machine's.
        let own = self.inside(path);
        let opened = self.opened();
        if path.parent().is_some_and(|parent| opened.contains(parent)) || own.exists() {
            own
        } else {
            path.to_owned()
        }
    }

    /// The folders that become the step's own, parents first.
    fn opened(&self) -> BTreeSet<PathBuf> {
        let mut opened = BTreeSet::from([PathBuf::from(TMP)]);
        let targets = self.binds.iter().map(|bind| &bind.target);
        let absent = targets.filter(|target| !target.exists());
        for path in absent.chain(&self.outputs) {
            if self
                .binds
                .iter()
                .any(|bind| path.starts_with(&bind.target) && path != &bind.target)
            {
                continue;
            }
            // Up to the nearest folder that exists: that one, too, gets a new entry.
            for folder in path.ancestors().skip(1) {
                opened.insert(folder.to_owned());
                if folder.is_dir() {
                    break;
                }
            }
        }
        // What stands between two of them, too: else the inner one would be this machine's own,
        // bound there with an entry of the outer one.
        let between = opened.iter().flat_map(|folder| {
            let above = folder.ancestors().filter(|above| opened.contains(*above));
            let top = above.last().unwrap_or(folder);
            folder.ancestors().take_while(move |above| *above != top)
        });
        let between: Vec<PathBuf> = between.map(Path::to_owned).collect();
        opened.extend(between);
        opened
    }

    fn build(&self) -> Result<()> {
        mount_change(
            "/",
            MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
        )
        .or_failed(|| "make the mounts private")?;
        let opened = self.opened();
        let mut tops: Vec<&Path> = opened
            .iter()
            .map(PathBuf::as_path)
            .filter(|folder| {
                !folder
                    .ancestors()
                    .skip(1)
                    .any(|above| opened.contains(above))
            })
            .collect();
        for top in &tops {
            set_apart(&self.inside(top))
                .or_failed(|| format!("make a folder for {}", top.display()))?;
        }
        for folder in &opened {
            self.open(folder, &opened)
                .or_failed(|| format!("open {} for the step", folder.display()))?;
        }
        for bind in &self.binds {
            let within = opened.iter().any(|folder| bind.target.starts_with(folder));
            let place = if within {
                self.inside(&bind.target)
            } else {
                bind.target.clone()
            };
            bind_at(bind, &place).or_failed(|| {
                format!(
                    "mount {} at {}",
                    bind.source.display(),
                    bind.target.display()
                )
            })?;
        }
        // The one that hides this view's own folder comes last: the others lie in there.
        tops.sort_by_key(|top| self.root.starts_with(top));
        for top in tops {
            let place = self.inside(top);
            let put = if top == Path::new("/") {
                pivot(&place)
            } else {
                mount_move(&place, top).map_err(io::Error::from)
            };
            put.or_failed(|| format!("put the step's own folder in place of {}", top.display()))?;
        }
        Ok(())
    }

    /// The place, in this view's folder, of what the step will see at `path`.
    fn inside(&self, path: &Path) -> PathBuf {
        join(&self.root, path.strip_prefix("/").unwrap_or(path))
    }

    fn open(&self, folder: &Path, opened: &BTreeSet<PathBuf>) -> io::Result<()> {
        let inside = self.inside(folder);
        fs::create_dir_all(&inside)?;
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        look_alike(folder, &inside)?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if !opened.contains(&path) {
                self.bring(&path, entry.file_type()?, folder == Path::new(TMP))?;
            }
        }
        Ok(())
    }

    /// Binds an entry of an opened folder. Plain files of /tmp are left out: two steps that
    /// both write /tmp/result must not write the same file.
    fn bring(&self, path: &Path, kind: fs::FileType, is_tmp: bool) -> io::Result<()> {
        let inside = self.inside(path);
        if kind.is_symlink() {
            return match std::os::unix::fs::symlink(fs::read_link(path)?, &inside) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                other => other,
            };
        }
        if is_tmp && !kind.is_dir() && !kind.is_socket() {
            return Ok(());
        }
        if kind.is_dir() {
            fs::create_dir_all(&inside)?;
        } else {
            fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&inside)?;
        }
        match mount_bind_recursive(path, &inside) {
            // What this user may not even look at is no loss to the step.
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::NOENT) => Ok(()),
            other => Ok(other?),
        }
    }
}

/// Joins without a slash at the end.
pub fn join(folder: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() {
        folder.to_owned()
    } else {
        folder.join(rest)
    }
}

/// Removes what building a view left in its root: empty folders and files, and links, the
/// step's own among them. What has content stays.
pub fn tidy(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let empty = entry.metadata().is_ok_and(|metadata| metadata.len() == 0);
        if kind.is_dir() {
            tidy(&path);
        } else if kind.is_symlink() || empty {
            let _ = fs::remove_file(&path);
        }
    }
    // Fails where something is left, which is right.
    let _ = fs::remove_dir(root);
}

/// An absolute path without `.`, `..` or repeated slashes; `None` for any other.
pub fn clean(path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let plain = path
        .components()
        .all(|c| matches!(c, Component::RootDir | Component::Normal(_)));
    (path.is_absolute() && plain).then(|| path.components().collect())
}
