//! The state of a repository's folder before and after: what an earlier run left, and what
//! somebody else made and must not lose.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use common::whole_file::unless_absent;
use common::{Error, Result, ResultExt};
use walkdir::WalkDir;

use crate::sequence::is_full_id;

/// The file in `.git` that says how far checkout got. How it begins while a run is at work; the
/// commit whose files it writes follows:
const UNFINISHED: &str = "unfinished\n";

/// How it begins while a run fetches into a repository that was there; the old note follows.
const FETCHING: &str = "fetching\n";

/// Who holds its lock is at work in the folder.
const TURN: &str = ".git/test-worker-checkout.turn";

/// A repository's folder.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

/// What a run finds in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing: this run makes the repository.
    Nothing,
    /// A run that did not finish; all of it is checkout's own work. With the commit whose files
    /// it was writing, if it got so far.
    Unfinished(Option<String>),
    /// A repository that a run was fetching into, with the note from before: locks may be left,
    /// but the files are as they were.
    Fetching(Option<String>),
    /// A repository, with the note of the run that finished it, if one did.
    Repository(Option<String>),
}

impl Folder {
    /// The folder at this path.
    pub(crate) fn at(path: &Path) -> Folder {
        Folder {
            path: path.to_owned(),
        }
    }

    /// Looks at what is there. A folder that is neither empty nor a git work tree is an error.
    pub(crate) fn look(&self) -> Result<Found> {
        let look = || format!("look at {}", self.path.display());
        let mut entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries
                .filter_map(Result::ok)
                .filter(|entry| entry.file_name() != ".git"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(self.foreign("it is a file"));
            }
            Err(error) => return Err(error).or_failed(look),
        };
        match fs::symlink_metadata(self.path.join(".git")) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(self.foreign("its .git is not a folder")),
            Err(_) if entries.next().is_none() => return Ok(Found::Nothing),
            Err(_) => return Err(self.foreign("it holds files and is not a git repository")),
        }
        let noted = fs::symlink_metadata(self.note()).is_ok();
        if !noted && fs::symlink_metadata(self.path.join(".git/HEAD")).is_err() {
            // A run that was killed before its first command leaves an empty .git.
            return match entries.next() {
                None => Ok(Found::Nothing),
                Some(_) => Err(self.foreign("its .git is not a repository")),
            };
        }
        match fs::read_to_string(self.note()) {
            Ok(note) if note.starts_with(UNFINISHED) => {
                let target = note[UNFINISHED.len()..].trim();
                let known = is_full_id(target).then(|| target.to_owned());
                Ok(Found::Unfinished(known))
            }
            Ok(note) if note.starts_with(FETCHING) => {
                let before = &note[FETCHING.len()..];
                Ok(Found::Fetching(
                    (!before.is_empty()).then(|| before.to_owned()),
                ))
            }
            Ok(note) => Ok(Found::Repository(Some(note))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Repository(None)),
            Err(error) => Err(error).or_failed(look),
        }
    }

    /// Takes the folder for this run; `None` while another checkout is at work in it. The turn
    /// ends when the file is dropped, however this process ends.
    pub(crate) fn take_turn(&self) -> Result<Option<File>> {
        let path = self.path.join(TURN);
        let turn = fs::create_dir_all(self.path.join(".git"))
            .and_then(|()| {
                let mut options = File::options();
                options.create(true).truncate(false).write(true).open(path)
            })
            .or_failed(|| format!("make the folder {}", self.path.display()))?;
        match turn.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            // A file system without locks is no reason not to run.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(turn)),
        }
    }

    /// Notes that this run is at work, and on which commit: until the next note, all in the
    /// folder is its own.
    pub(crate) fn begin(&self, target: Option<&str>) -> Result<()> {
        fs::create_dir_all(self.path.join(".git"))
            .and_then(|()| self.write_note(&[UNFINISHED, target.unwrap_or_default()].concat()))
            .or_failed(|| format!("make the folder {}", self.path.display()))
    }

    /// Notes that this run fetches, and has not touched any file.
    pub(crate) fn fetching(&self, note: Option<&str>) -> Result<()> {
        self.write_note(&[FETCHING, note.unwrap_or_default()].concat())
            .or_failed(|| format!("note the fetch in {}", self.path.display()))
    }

    /// Notes what has been checked out; `None` for a clean work tree of which nothing is known.
    pub(crate) fn finish(&self, note: Option<&str>) -> Result<()> {
        match note {
            Some(note) => self.write_note(note),
            None => fs::remove_file(self.note()),
        }
        .or_failed(|| format!("note the end of the checkout in {}", self.path.display()))
    }

    /// Removes the lock files that a killed git left behind in an unfinished checkout.
    pub(crate) fn remove_stale_locks(&self) -> Result<()> {
        let objects = self.path.join(".git/objects");
        let entries = WalkDir::new(self.path.join(".git"))
            .into_iter()
            .filter_entry(|entry| entry.path() != objects);
        for entry in entries.filter_map(Result::ok) {
            let is_lock = entry.path().extension().is_some_and(|end| end == "lock");
            if is_lock && entry.file_type().is_file() {
                tracing::info!(
                    "an interrupted checkout left {} behind; it is removed",
                    entry.path().display()
                );
                fs::remove_file(entry.path())
                    .or_failed(|| format!("remove {}", entry.path().display()))?;
            }
        }
        Ok(())
    }

    /// Removes everything, but for the turn that this run has.
    pub(crate) fn clear(&self) -> Result<()> {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| !found.is_dir()) {
            let what = || format!("remove {}", self.path.display());
            return fs::remove_file(&self.path).or_failed(what);
        }
        let turn = self.path.join(TURN);
        let git = self.path.join(".git");
        let entries = WalkDir::new(&self.path)
            .min_depth(1)
            .max_depth(2)
            .contents_first(true);
        for entry in entries {
            let what = || format!("remove what is in {}", self.path.display());
            let entry = entry.or_failed(what)?;
            let path = entry.path();
            let is_kept = (path == git && entry.file_type().is_dir()) || path == turn;
            let is_whole = entry.depth() == 1 || path.starts_with(&git);
            if is_kept || !is_whole {
                continue;
            }
            let removed = if entry.file_type().is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
            removed.or_failed(what)?;
        }
        Ok(())
    }

    /// The commit that is checked out, where no branch is; see gitrepository-layout(5).
    pub(crate) fn detached_head(&self) -> Option<String> {
        let head = fs::read_to_string(self.path.join(".git/HEAD")).ok()?;
        let id = head.trim_end();
        is_full_id(id).then(|| id.to_owned())
    }

    /// Whether the commit that is checked out has submodules.
    pub(crate) fn has_submodules(&self) -> bool {
        fs::symlink_metadata(self.path.join(".gitmodules")).is_ok_and(|file| file.is_file())
    }

    /// Whether submodules have been checked out here, in this commit or another one.
    pub(crate) fn has_modules(&self) -> bool {
        self.path.join(".git/modules").exists()
    }

    /// Whether the history is cut off.
    pub(crate) fn is_shallow(&self) -> bool {
        self.path.join(".git/shallow").exists()
    }

    fn note(&self) -> PathBuf {
        self.path.join(".git/test-worker-checkout")
    }

    fn write_note(&self, text: &str) -> io::Result<()> {
        let new = self.path.join(".git/test-worker-checkout.new");
        // One that a killed run left, or a link that somebody else put there: not written through.
        unless_absent(fs::remove_file(&new))?;
        File::create_new(&new)?.write_all(text.as_bytes())?;
        fs::rename(new, self.note())
    }

    fn foreign(&self, why: &str) -> Error {
        Error::usage(format!(
            "{} is not checkout's to change: {why}",
            self.path.display()
        ))
        .hint("move it away, give another --src-dir, or --clean to have it removed")
    }
}
