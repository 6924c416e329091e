//! The command writes JUnit itself: its files are read when it has ended.

mod ctest;
mod decode;
mod merge;
mod printed;

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::exec::Dump;
use common::junit::{Case, Detail, Kept, Outcome};
use common::{Error, Result, ResultExt};
use tokio::time::Instant;

use self::ctest::Reasons;
use self::merge::Merge;
pub(super) use self::printed::{Printed, starts_with};
use super::{End, Format, OutOfTime, Running};
use crate::opts::JunitFiles;
use crate::plan::Plan;
use crate::reporter::{Reporter, Watched, running};
use crate::results::Results;
use crate::shard;

/// SIGURG, which does nothing to programs that do not know it: the plugin that watches makes
/// Python say what its threads do, and pytest write its report.
const PYTEST_DUMP: Dump = Dump {
    signal: 23,
    time: Duration::from_secs(5),
};

/// How many files are read.
const FILES: usize = 20_000;

/// Reads files that the command wrote.
pub(super) struct Junit {
    patterns: Vec<String>,
    files: JunitFiles,
    reporter: Option<Reporter>,
    /// Our own report, which a pattern may match as well, under another name perhaps.
    own: Option<PathBuf>,
    /// The folder of this run's own that the tool writes its reports into.
    folder: Option<PathBuf>,
    /// The files that were there before the command ran.
    before: HashMap<PathBuf, State>,
    /// What the command said last: all that there is to tell where it wrote nothing.
    said: Kept,
    /// Why tests of `CTest` failed.
    reasons: Reasons,
    /// Where a pytest says which of its tests run.
    watched: Option<PathBuf>,
    /// The time limit that was reached, and the tests that ran then.
    out_of_time: Option<(OutOfTime, Vec<Watched>)>,
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
            folder: plan.reports.clone(),
            before: HashMap::new(),
            said: Kept::for_the_end(),
            reasons: Reasons::default(),
            watched: plan.watched.clone(),
            out_of_time: None,
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

    /// The tests that ran when time was up, with what pytest says that they were doing.
    fn name_what_ran(&mut self, results: &mut Results) {
        let Some((reason, ran)) = &self.out_of_time else {
            return;
        };
        for test in ran {
            let id = &test.id;
            let text = test.dump().unwrap_or_else(|| self.said.text());
            let (class, name) = shard::junit_names(id);
            let message = if reason.test.as_ref() == Some(id) {
                format!("timed out: it ran longer than {}", reason.limit)
            } else {
                format!("{reason} while this test ran")
            };
            let outcome = Outcome::Errored(Detail { message, text });
            let case = Case {
                classname: class.clone(),
                name,
                outcome,
                ..Case::default()
            };
            results.add(&class, case);
        }
    }

    /// The tests of a watched pytest that run.
    fn running(&self) -> Vec<Watched> {
        self.watched.as_deref().map(running).unwrap_or_default()
    }

    fn is_new(&self, file: &Path) -> bool {
        let now = file.metadata().map(|metadata| State::of(&metadata)).ok();
        now.as_ref() != self.before.get(file)
    }
}

impl Format for Junit {
    fn line(&mut self, line: &str, _results: &mut Results) {
        if self.reporter == Some(Reporter::Ctest) {
            self.reasons.line(line);
        }
        self.said.line(line);
    }

    fn tells_starts(&self) -> bool {
        self.watched.is_some()
    }

    fn longest_running(&self) -> Option<Running<'_>> {
        let running = self.running();
        let test = running.into_iter().min_by_key(|test| test.since)?;
        // A clock that was set back only makes the test younger.
        let age = test.since.elapsed().unwrap_or_default();
        Some(Running {
            name: test.id.into(),
            since: Instant::now().checked_sub(age)?,
        })
    }

    fn dump(&self) -> Option<Dump> {
        self.watched.as_ref().map(|_| PYTEST_DUMP)
    }

    fn out_of_time(&mut self, reason: &OutOfTime) {
        self.out_of_time = Some((reason.clone(), self.running()));
        // What is said from now on is what the tests were doing.
        self.said.take();
    }

    fn end(&mut self, end: &End, results: &mut Results) {
        let files = match self.files() {
            Ok(files) => files,
            Err(error) => return results.error("JUnit files", &error.report(), String::new()),
        };
        let (new, mut stale): (Vec<_>, Vec<_>) = files.iter().partition(|file| self.is_new(file));
        // In our own folder they are those of the run before, whose failed tests run again.
        stale.retain(|file| file.parent() != self.folder.as_deref());
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
        let mut merge = Merge::new(self.files, self.reporter, Some(&self.reasons));
        for file in new {
            merge.add_file(file, results);
        }
        self.name_what_ran(results);
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
