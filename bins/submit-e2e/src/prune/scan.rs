//! What a folder of runs holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use common::app::Stop;
use common::{Result, ResultExt};
use walkdir::WalkDir;

use super::LEAVING;

/// What every run leaves at the top of its folder, on a cluster's volume or on one machine. A
/// folder with none of it is not ours to remove.
const MARKS: [&str; 5] = ["src", "outputs", "output", "build-log.txt", "workflow.json"];

/// The folder of one run.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Its path.
    pub(super) folder: PathBuf,
    /// Bytes on the disk, of all its files.
    pub(super) size: u64,
    /// When something in it was changed last.
    pub(super) changed: SystemTime,
}

/// What a folder of runs holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The runs, in no order.
    pub(super) runs: Vec<Run>,
    /// What a prune that was killed had renamed already.
    pub(super) leaving: Vec<PathBuf>,
    /// How many entries are neither.
    pub(super) others: u64,
}

/// Looks at all of it. Links are not followed, and other file systems not entered.
pub(super) fn scan(folder: &Path, stop: &Stop) -> Result<Contents> {
    let what = || format!("read the folder {}", folder.display());
    let mut contents = Contents::default();
    for entry in fs::read_dir(folder).or_failed(what)? {
        stop.check("while the folders of runs were read")?;
        let entry = entry.or_failed(what)?;
        // A step may be removing it.
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let path = entry.path();
        if !kind.is_dir() {
            contents.others += 1;
        } else if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(LEAVING.as_bytes())
        {
            contents.leaving.push(path);
        } else if MARKS
            .iter()
            .any(|mark| path.join(mark).symlink_metadata().is_ok())
        {
            contents.runs.push(look_at(path));
        } else {
            contents.others += 1;
        }
    }
    Ok(contents)
}

/// Adds up a run's folder. What cannot be read counts as nothing; removing it will say why.
fn look_at(folder: PathBuf) -> Run {
    use std::os::unix::fs::MetadataExt;
    let mut run = Run {
        folder,
        size: 0,
        changed: SystemTime::UNIX_EPOCH,
    };
    let files = WalkDir::new(&run.folder).same_file_system(true).into_iter();
    for metadata in files.filter_map(|file| file.ok()?.metadata().ok()) {
        run.size += metadata.blocks() * 512;
        // A folder's own time tells of what was removed from it.
        run.changed = metadata
            .modified()
            .map_or(run.changed, |time| time.max(run.changed));
    }
    run
}
