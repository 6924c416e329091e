//! The command writes JUnit itself: its files are read when it has ended.

mod decode;

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use common::junit::{self, Outcome};
use common::{Result, ResultExt};

use super::{End, Format};
use crate::results::{Counts, Results};

const MB: u64 = 1_000_000;
/// The largest file that is read; Prow takes reports of 100 MB.
const LARGEST: u64 = 256 * MB;

/// Reads files that the command wrote.
pub(super) struct Junit {
    patterns: Vec<String>,
    /// Our own report, which a pattern may match as well, under another name perhaps.
    own: Option<PathBuf>,
    /// The files that were there before the command ran.
    before: HashMap<PathBuf, State>,
}

/// What changes when a file is written anew.
#[derive(Debug, PartialEq)]
struct State {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl State {
    fn of(file: &Metadata) -> Self {
        State {
            inode: file.ino(),
            size: file.size(),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

impl Junit {
    pub(super) fn new(patterns: &[String], own: Option<&Path>) -> Result<Self> {
        let mut junit = Junit {
            patterns: patterns.to_vec(),
            own: own.map(Path::to_owned),
            before: HashMap::new(),
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
        Ok(files)
    }

    fn is_new(&self, file: &Path) -> bool {
        let now = file.metadata().map(|metadata| State::of(&metadata)).ok();
        now.as_ref() != self.before.get(file)
    }
}

impl Format for Junit {
    fn line(&mut self, _line: &str, _results: &mut Results) {}

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
            let message = format!(
                "the command wrote no file that --junit-from {} matches ({} older ones)",
                self.patterns.join(" "),
                stale.len()
            );
            results.error("JUnit files", &message, String::new());
        }
        for file in new {
            merge(file, results);
        }
    }
}

/// Lists the cases of a file as they are; the counts follow TestGrid's rule for flaky ones.
fn merge(path: &Path, results: &mut Results) {
    let name = path.display().to_string();
    let read = open(path)
        .or_failed(|| format!("read {name} as JUnit"))
        .and_then(|file| {
            let mut flat = String::new();
            junit::read(file, &name, |suite, mut case| {
                // A report with a suite that has no name reads badly.
                let suite = if suite.is_empty() {
                    results.target().clone_into(&mut flat);
                    &flat
                } else {
                    suite
                };
                if case.name.is_empty() {
                    "test without a name".clone_into(&mut case.name);
                }
                if matches!(case.outcome, Outcome::Passed) {
                    case.file = None;
                }
                results.list(suite, case);
            })
        });
    match read {
        Ok(summary) => {
            let others = summary.failures + summary.errors + summary.skipped + 2 * summary.flaky;
            results.count(Counts {
                passed: summary.tests.saturating_sub(others),
                failed: summary.failures,
                errored: summary.errors,
                skipped: summary.skipped,
                flaky: summary.flaky,
            });
        }
        Err(error) => results.error(
            &format!("JUnit file {name}"),
            &error.report(),
            String::new(),
        ),
    }
}

fn open(path: &Path) -> io::Result<impl io::BufRead> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if size > LARGEST {
        let reason = format!("it has {} MB, more than {}", size / MB, LARGEST / MB);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    // A process that was left behind may write on.
    decode::utf8(file.take(LARGEST))
}
