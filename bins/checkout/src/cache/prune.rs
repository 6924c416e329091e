//! What the cache forgets.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use common::{Result, ResultExt};
use walkdir::WalkDir;

use super::Limits;
use super::lock::Lock;

struct Entry {
    folder: PathBuf,
    name: String,
    used: SystemTime,
    size: u64,
}

/// Removes mirrors that are too old, and then the least recently used ones until the rest is
/// small enough. One that another checkout is using stays.
pub(super) fn prune(cache: &Path, limits: Limits) -> Result<()> {
    let mut entries = entries(cache).or_failed(|| format!("look at {}", cache.display()))?;
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.used));
    let mut total = 0;
    for entry in entries {
        let age = entry.used.elapsed().unwrap_or_default();
        total += entry.size;
        if age <= limits.age && total <= limits.size {
            continue;
        }
        let Some(_lock) = Lock::if_free(cache, &entry.name)? else {
            continue;
        };
        tracing::info!("the cache forgets {}", entry.folder.display());
        let folder = entry.folder.display();
        fs::remove_dir_all(&entry.folder).or_failed(|| format!("remove {folder}"))?;
        total -= entry.size;
    }
    Ok(())
}

fn entries(cache: &Path) -> std::io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(cache)? {
        let entry = entry?;
        let file = entry.file_name();
        let Some(name) = file.to_str().and_then(|name| name.strip_suffix(".git")) else {
            continue;
        };
        // Another checkout may be removing it.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if !metadata.is_dir() {
            continue;
        }
        let files = WalkDir::new(entry.path())
            .into_iter()
            .filter_map(Result::ok);
        let sizes = files.filter_map(|file| file.metadata().ok());
        entries.push(Entry {
            folder: entry.path(),
            name: name.to_owned(),
            used: metadata.modified()?,
            size: sizes.map(|file| file.len()).sum(),
        });
    }
    Ok(entries)
}
