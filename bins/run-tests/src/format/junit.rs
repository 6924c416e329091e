//! The command writes JUnit itself: its files are read when it has ended.

mod decode;
mod merge;

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use common::junit::Kept;
use common::{Error, Result, ResultExt};

use self::merge::Merge;
use super::{End, Format};
use crate::opts::JunitFiles;
use crate::plan::Plan;
use crate::reporter::Reporter;
use crate::results::Results;

/// How many files are read.
const FILES: usize = 20_000;

/// Reads files that the command wrote.
pub(super) struct Junit {
    patterns: Vec<String>,
    files: JunitFiles,
    reporter: Option<Reporter>,
    /// Our own report, which a pattern may match as well, under another name perhaps.
    own: Option<PathBuf>,
    /// The files that were there before the command ran.
    before: HashMap<PathBuf, State>,
    /// What the command said last: all that there is to tell where it wrote nothing.
    said: Kept,
}

/// What changes when a file is written anew. Not its ctime: a `chown -R` behind the tests
/// would make the reports of an earlier run this one's.
#[derive(Debug, PartialEq)]
struct State {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl State {
    fn of(file: &Metadata) -> Self {
        State {
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
        }
    }
}

impl Junit {
    pub(super) fn new(plan: &Plan) -> Result<Self> {
        let mut junit = Junit {
            patterns: plan.junit_from.clone(),
            files: plan.junit_files,
            reporter: plan.reporter,
            own: plan.junit.clone(),
            before: HashMap::new(),
            said: Kept::for_the_end(),
        };
        let found = junit.files()?;
        let state = |file: PathBuf| Some((file.clone(), State::of(&file.metadata().ok()?)));
        junit.before = found.into_iter().filter_map(state).collect();
        Ok(junit)
    }

    /// The regular files that the patterns match, sorted, each once.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for pattern in &self.patterns {
            let found = glob::glob(pattern)
                .or_usage(|| format!("--junit-from {pattern:?} is no pattern"))?;
            // A folder that cannot be read holds no report that we could read either.
            files.extend(found.filter_map(std::result::Result::ok));
        }
        let id = |file: &Path| file.metadata().map(|file| (file.dev(), file.ino())).ok();
        let own = self.own.as_deref().and_then(id);
        files.retain(|file| file.is_file() && (own.is_none() || id(file) != own));
        files.sort();
        files.dedup();
        if files.len() > FILES {
            return Err(Error::usage(format!(
                "{} files are {}, more than the {FILES} that are read",
                self.patterns.join(" "),
                files.len()
            )));
        }
        Ok(files)
    }

    /// What to say where the tool wrote nothing.
    fn nothing(&self, stale: usize) -> String {
        match self.reporter {
            Some(reporter) if stale == 0 => format!(
                "{reporter} was asked for JUnit and wrote none: did it run, here and not in a \
                 container? --junit-from reads files from elsewhere, --format command does without"
            ),
            _ => format!(
                "the command wrote no file that --junit-from {} matches ({stale} older ones)",
                self.patterns.join(" ")
            ),
        }
    }

    fn is_new(&self, file: &Path) -> bool {
        let now = file.metadata().map(|metadata| State::of(&metadata)).ok();
        now.as_ref() != self.before.get(file)
    }
}

impl Format for Junit {
    fn line(&mut self, line: &str, _results: &mut Results) {
        self.said.line(line);
    }

    fn end(&mut self, end: &End, results: &mut Results) {
        let files = match self.files() {
            Ok(files) => files,
            Err(error) => return results.error("JUnit files", &error.report(), String::new()),
        };
        let (new, stale): (Vec<_>, Vec<_>) = files.iter().partition(|file| self.is_new(file));
        for file in &stale {
            tracing::warn!(
                "{} was there before the command ran and is left out",
                file.display()
            );
        }
        if new.is_empty() && !matches!(end, End::CutShort(_)) {
            let message = self.nothing(stale.len());
            results.error("JUnit files", &message, self.said.take());
        }
        let mut merge = Merge::new(self.files, self.reporter == Some(Reporter::Pytest));
        for file in new {
            merge.add(file, results);
        }
    }
}

/// Reads any bytes as a file that the command wrote: no panic, and what is read is as much as
/// was counted.
#[cfg(fuzzing)]
pub(super) fn fuzz(bytes: &[u8]) {
    let Ok(text) = decode::utf8(bytes) else {
        return;
    };
    let mut seen = 0;
    let read = common::junit::read(text, "fuzz", |_, _| seen += 1);
    // Faults of a suite itself are cases to the one and none to the other.
    if let Ok(summary) = read {
        let unshown = summary.failures + summary.errors + summary.skipped;
        assert!(seen <= summary.tests + unshown);
    }
}
