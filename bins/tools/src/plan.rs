//! What will be copied where: the programs beside this one, nothing done yet.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{Error, Result, ResultExt};

/// What one name in the folder will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A copy of this file.
    Program(PathBuf),
    /// Another name of the program of this name.
    Link(String),
}

/// The programs to put into a folder, by name, and the names that lead to others.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) folder: PathBuf,
    pub(crate) entries: Vec<(String, Entry)>,
}

impl Plan {
    /// All programs beside this one, in the order of their names.
    pub(crate) fn new(folder: PathBuf) -> Result<Self> {
        let own = std::env::current_exe().or_failed(|| "look up this program")?;
        let from = own.parent().unwrap_or(Path::new("/"));
        let mut entries = entries(from).or_failed(|| format!("list {}", from.display()))?;
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        if is_same(from, &folder) {
            let what = format!("{} is where the programs are", folder.display());
            return Err(Error::usage(what).hint("name the folder of a volume"));
        }
        Ok(Plan { folder, entries })
    }
}

fn is_same(from: &Path, to: &Path) -> bool {
    matches!((from.canonicalize(), to.canonicalize()), (Ok(from), Ok(to)) if from == to)
}

fn entries(folder: &Path) -> std::io::Result<Vec<(String, Entry)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = entry.path();
        if entry.file_type()?.is_symlink() {
            // A name of the image: it leads to a program beside it.
            if let Ok(target) = fs::read_link(&path)
                && let Some(target) = target.to_str().filter(|target| !target.contains('/'))
                && path.is_file()
            {
                entries.push((name, Entry::Link(target.to_owned())));
            }
            continue;
        }
        let metadata = entry.metadata()?;
        if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
            entries.push((name, Entry::Program(path)));
        }
    }
    Ok(entries)
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, entry) in &self.entries {
            let place = self.folder.join(name);
            match entry {
                Entry::Program(path) => {
                    writeln!(out, "copy {} to {}", path.display(), place.display())?;
                }
                Entry::Link(target) => writeln!(out, "link {} to {target}", place.display())?,
            }
        }
        Ok(())
    }
}
