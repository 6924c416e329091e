//! What a checkout came to: told in the log, printed at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use common::app::Stop;
use common::{Result, ResultExt, exec, on_one_line};
use serde::Serialize;
use walkdir::WalkDir;

use crate::plan::Repository;
use crate::work::Placed;

/// More clashing names than this are counted, not listed.
const MOST_NAMES: usize = 5;

/// A repository that is checked out. Its JSON is the output of `--output json`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    org: String,
    repo: String,
    dir: String,
    sha: String,
    describe: String,
    submodules: Vec<Submodule>,
}

/// A line of `git submodule status`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Submodule {
    path: String,
    sha: String,
    describe: String,
    /// ` ` as the repository wants it, `+` another commit, `-` not there, `U` in conflict.
    state: char,
}

impl Report {
    /// Looks at what has been placed.
    pub(crate) async fn new(
        repository: &Repository,
        placed: Placed,
        stop: &Stop,
    ) -> Result<Report> {
        let submodules = match placed.submodules {
            Some(known) => known,
            None => Submodule::all(repository, stop).await?,
        };
        Ok(Report {
            org: repository.refs.org.clone(),
            repo: repository.refs.repo.clone(),
            dir: repository.folder.display().to_string(),
            sha: placed.sha,
            describe: placed.describe,
            submodules,
        })
    }

    /// `DIR is at DESCRIBE`, and the status of the submodules below it.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{} is at {}\n", self.dir, self.describe);
        for submodule in &self.submodules {
            let Submodule {
                path,
                sha,
                describe,
                state,
            } = submodule;
            text.push_str(&on_one_line(&format!("{state}{sha} {path} {describe}")));
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }
}

impl Submodule {
    /// Those that the commit has, and theirs.
    pub(crate) async fn all(repository: &Repository, stop: &Stop) -> Result<Vec<Submodule>> {
        if fs::symlink_metadata(repository.folder.join(".gitmodules")).is_err() {
            return Ok(Vec::new());
        }
        let args = ["submodule", "status", "--recursive"];
        let status = repository.git().bytes(args, stop).await?;
        let status = String::from_utf8_lossy(&status);
        Ok(status.lines().filter_map(Submodule::parse).collect())
    }

    /// Whether it is at the commit that the repository wants.
    pub(crate) fn is_as_wanted(&self) -> bool {
        self.state == ' '
    }

    fn parse(line: &str) -> Option<Submodule> {
        let state = line.chars().next()?;
        let (sha, rest) = line.get(1..)?.split_once(' ')?;
        // The name may hold spaces and brackets; the description is the last pair of them.
        let (path, describe) = match rest
            .strip_suffix(')')
            .and_then(|rest| rest.rsplit_once(" ("))
        {
            Some((path, describe)) => (path, format!("({describe})")),
            None => (rest, String::new()),
        };
        Some(Submodule {
            path: path.to_owned(),
            sha: sha.to_owned(),
            describe,
            state,
        })
    }
}

/// One line on what has been done.
pub(crate) fn tell(repository: &Repository, placed: &Placed, before: u64, duration: Duration) {
    let fetched = packed(&repository.folder).saturating_sub(before);
    tracing::info!(
        "{} is at {}: {} files, {} fetched, in {:.1} s",
        repository.name(),
        placed.describe,
        match repository.sparse.as_slice() {
            [] => files(&repository.folder),
            _ => written(&repository.folder),
        },
        indicatif::HumanBytes(fetched),
        duration.as_secs_f64()
    );
}

/// Bytes of the packs of a repository and its submodules.
pub(crate) fn packed(folder: &Path) -> u64 {
    let git = folder.join(".git");
    let entries = [
        git.join("objects/pack"),
        git.join("modules"),
        git.join("lfs"),
    ];
    let files = entries
        .iter()
        .flat_map(|folder| WalkDir::new(folder).into_iter());
    let sizes = files.filter_map(|entry| {
        let metadata = entry.ok()?.metadata().ok()?;
        metadata.is_file().then_some(metadata.len())
    });
    sizes.sum()
}

/// How many files are in a folder of which some parts are checked out: the index has all of them.
fn written(folder: &Path) -> u32 {
    let entries = WalkDir::new(folder)
        .into_iter()
        .filter_entry(|entry| entry.depth() != 1 || entry.file_name() != ".git");
    let files = entries.filter_map(Result::ok);
    let count = files.filter(|entry| !entry.file_type().is_dir()).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// How many files the index names; its head says so, see gitformat-index(5).
fn files(folder: &Path) -> u32 {
    let mut head = [0; 12];
    let read =
        fs::File::open(folder.join(".git/index")).and_then(|mut file| file.read_exact(&mut head));
    match (read, head) {
        (Ok(()), [b'D', b'I', b'R', b'C', _, _, _, _, count @ ..]) => u32::from_be_bytes(count),
        _ => 0,
    }
}

/// Warns of names that differ in case only: where case does not count, on the machines of those
/// who write the code, one of the files hides the other.
/// `listed` is git's list of them, each with a NUL behind it.
pub(crate) fn warn_of_clashes(listed: &[u8], name: &str) {
    let clashes = clashes(listed);
    if clashes.is_empty() {
        return;
    }
    let shown: Vec<String> = clashes
        .iter()
        .take(MOST_NAMES)
        .map(|(one, other)| format!("{} and {}", exec::quote(one), exec::quote(other)))
        .collect();
    let more = clashes.len().saturating_sub(MOST_NAMES);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    tracing::warn!(
        "{name}: names that differ in case only: {}{more}",
        shown.join(", ")
    );
}

/// Names of git's `-z` output, folders of them included, that are the same in lower case.
fn clashes(listed: &[u8]) -> Vec<(String, String)> {
    let listed = String::from_utf8_lossy(listed);
    let mut seen = BTreeMap::new();
    let mut clashes = Vec::new();
    let mut known = BTreeSet::new();
    let mut last_folder = "";
    for path in listed.split_terminator('\0') {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let ends = path.match_indices('/').map(|(at, _)| at);
        // Files of one folder follow each other: its name is looked at once.
        let folders = ends.filter(|_| folder != last_folder);
        for end in folders.chain([path.len()]) {
            let name = &path[..end];
            let first = *seen.entry(name.to_lowercase()).or_insert(name);
            if first != name && known.insert(name) {
                clashes.push((first.to_owned(), name.to_owned()));
            }
        }
        last_folder = folder;
    }
    clashes
}

/// What is printed on stdout as JSON.
pub(crate) fn json(reports: &[Report]) -> Result<String> {
    let json = serde_json::to_string_pretty(reports).or_failed(|| "print the result")?;
    Ok(json + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_are_found_at_any_depth() {
        let found = clashes(b"Docs/a\0docs/b\0docs/B\0docs/c\0readme\0src/x\0");
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        assert_eq!(found, [pair("Docs", "docs"), pair("docs/b", "docs/B")]);
        assert_eq!(clashes(b"a/b\0a/c\0b/a\0"), []);
        assert_eq!(clashes(b""), []);
    }

    #[test]
    fn submodule_status_as_git_prints_it() {
        let submodule = Submodule::parse("+abc lib/a (b) (v1.0-1-gabc)").unwrap();
        assert_eq!(submodule.path, "lib/a (b)");
        assert_eq!(
            (submodule.state, &*submodule.describe),
            ('+', "(v1.0-1-gabc)")
        );
        let submodule = Submodule::parse("-abc lib").unwrap();
        assert_eq!((&*submodule.path, &*submodule.describe), ("lib", ""));
    }
}
