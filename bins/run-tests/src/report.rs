//! Writes the JUnit file, and the summary that a person reads first.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::junit::{Case, Suite, clean};
use common::{Result, ResultExt, whole_file};

use crate::again;
use crate::plan::Plan;
use crate::results::Results;

/// How many failed tests the summary names.
const NAMED: usize = 20;

/// How many commands to run failed tests again it shows.
const COMMANDS: usize = 5;

/// How much of a name or a message it shows, in characters.
const LINE: usize = 300;

/// The JUnit file, tried before the command runs: hours of tests must not be lost
/// to a folder that is not there.
pub(crate) struct ReportFile {
    path: PathBuf,
}

impl ReportFile {
    /// Puts a red report there until the real one replaces it. A run-tests that is killed must
    /// neither leave no report nor the green one of an earlier run.
    pub(crate) fn prepare(path: &Path, mut results: Results) -> Result<ReportFile> {
        let message = "run-tests left no report: it was killed, still runs, or could not write it";
        results.error("no result", message, String::new());
        let path = path.to_owned();
        remove_parts(&path)
            .or_usage(|| format!("remove the last reports beside {}", path.display()))?;
        replace(&path, |file| {
            results.write(file, 0, Duration::ZERO, &[], None)
        })
        .or_usage(|| format!("write the JUnit file {}", path.display()))?;
        Ok(ReportFile { path })
    }

    /// Writes the report; every suite of it carries these properties.
    pub(crate) fn write(
        self,
        results: &mut Results,
        time: Duration,
        properties: &[(String, String)],
    ) -> Result<()> {
        let hostname = common::env::hostname();
        let mut reports = vec![(0, self.path.clone())];
        for (number, name) in results.files() {
            let name = format!("junit_{name}.xml");
            reports.push((number, parts_folder(&self.path).join(name)));
        }
        for (number, path) in reports {
            replace(&path, |file| {
                results.write(file, number, time, properties, hostname.as_deref())
            })
            .or_failed(|| format!("write the JUnit file {}", path.display()))?;
        }
        Ok(())
    }
}

/// The folder of the reports that stay apart; it is ours alone.
fn parts_folder(path: &Path) -> PathBuf {
    path.with_extension("d")
}

/// An earlier run's parts would be read as this one's.
fn remove_parts(path: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(parts_folder(path)) {
        // What is in the way of the folder is in the way of the report as well.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(());
        }
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry
            .file_name()
            .to_str()
            .is_some_and(common::junit::is_junit)
        {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes a file that is there whole or not at all. The folder may have gone while the command
/// ran: some clean up first.
fn replace(path: &Path, write: impl FnOnce(BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    whole_file::replace(path, |file| write(BufWriter::new(file)))
}

/// As much of a text as a line of a log takes.
fn short(text: &str) -> String {
    let text = clean(text.as_bytes());
    match text.char_indices().nth(LINE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Says how the tests went, the failed ones first.
pub(crate) fn summarize(plan: &Plan, results: &Results, time: Duration) {
    let counts = results.counts();
    let said = |(suite, case): (&Suite, &Case)| {
        let fault = case.outcome.fault();
        let message = fault.map_or("", |fault| fault.message.lines().next().unwrap_or_default());
        let place = match (&case.file, case.line) {
            (Some(file), Some(line)) => format!(" ({file}:{line})"),
            _ => String::new(),
        };
        let suite = if suite.name == results.target() {
            String::new()
        } else {
            format!("{}: ", suite.name)
        };
        let name = short(&format!("{suite}{}", case.name));
        format!("{name}: {}{place}", short(message))
    };
    for slow in results.slowest().iter() {
        tracing::info!(
            "slow: {:.1} s {}",
            slow.time.as_secs_f64(),
            short(&format!("{}: {}", slow.suite, slow.name))
        );
    }
    for flake in results.flakes().take(NAMED) {
        tracing::warn!("failed, then passed: {}", said(flake));
    }
    for fault in results.faults().take(NAMED) {
        tracing::error!("failed: {}", said(fault));
    }
    if counts.faults() > NAMED as u64 {
        tracing::error!("… and {} more", counts.faults() - NAMED as u64);
    }
    if counts.faults() > 0
        && let Ok(tests) = results.to_run_again()
    {
        for command in again::for_a_person(plan, &tests).iter().take(COMMANDS) {
            let command = command.to_string();
            let command = results.masked(&command);
            tracing::info!("run just the failed tests again: {command}");
        }
    }
    if results.unlisted() > 0 {
        tracing::warn!(
            "the report has no room for {} of the tests; all of them are counted",
            results.unlisted()
        );
    }
    let counted = [
        (counts.passed, "passed"),
        (counts.failed, "failed"),
        (
            counts.errored,
            if counts.errored == 1 {
                "error"
            } else {
                "errors"
            },
        ),
        (counts.skipped, "skipped"),
        (counts.flaky, "flaky"),
    ];
    let counted: Vec<String> = counted
        .iter()
        .filter(|(count, what)| *count > 0 || *what == "passed")
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let junit = match &plan.junit {
        Some(path) => format!("JUnit: {}", path.display()),
        None => "no JUnit is written: neither --artifacts-dir nor --junit is given".to_owned(),
    };
    tracing::info!(
        "{}: {} in {:.1} s; {junit}",
        results.target(),
        counted.join(", "),
        time.as_secs_f64()
    );
}
