//! clone-records.json: what was run, as Prow's clonerefs records it (`clone.Record`).

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use common::git::mask;
use common::job::Refs;
use common::{Result, ResultExt, whole_file};
use serde::{Serialize, Serializer};

/// One repository's checkout.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    refs: Refs,
    /// The commands that were run, in order; each try is one.
    pub commands: Vec<Command>,
    /// Whether the checkout failed.
    pub failed: bool,
    /// The commit that is checked out; empty when it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub final_sha: String,
    /// How long it took, in nanoseconds in JSON.
    #[serde(serialize_with = "nanoseconds")]
    pub duration: Duration,
}

/// A command that was run.
#[expect(clippy::struct_field_names, reason = "the names are Prow's")]
#[derive(Debug, Serialize)]
pub(crate) struct Command {
    /// The command line.
    pub command: String,
    /// The end of what it printed.
    pub output: String,
    /// How it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// How long it took, in nanoseconds in JSON.
    #[serde(serialize_with = "nanoseconds")]
    pub duration: Duration,
}

impl Record {
    /// The record of a checkout that has not begun.
    pub(crate) fn new(refs: &Refs) -> Record {
        Record {
            refs: Refs {
                clone_uri: mask(&refs.clone_uri),
                ..refs.clone()
            },
            commands: Vec::new(),
            failed: false,
            final_sha: String::new(),
            duration: Duration::ZERO,
        }
    }
}

fn nanoseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

/// Writes all records as JSON.
pub(crate) fn write(file: &Path, records: &[Record]) -> Result<()> {
    let what = || format!("write the clone records to {}", file.display());
    let mut json = serde_json::to_vec(records).or_failed(what)?;
    json.push(b'\n');
    replace(file, &json).or_failed(what)
}

/// Writes all records for people, as Prow's clone-log.txt.
pub(crate) fn write_log(file: &Path, records: &[Record]) -> Result<()> {
    let text: String = records.iter().map(Record::to_string).collect();
    replace(file, text.as_bytes())
        .or_failed(|| format!("write the clone log to {}", file.display()))
}

/// A reader sees the old file or the whole new one.
fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    whole_file::replace(file, |mut file| file.write_all(content))
}

/// Prow's `clone.FormatRecord`.
impl fmt::Display for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refs = &self.refs;
        if self.failed {
            writeln!(out, "# FAILED")?;
        }
        write!(
            out,
            "# Cloning {}/{} at {}",
            refs.org, refs.repo, refs.base_ref
        )?;
        writeln!(out, "{}", in_brackets(&refs.base_sha))?;
        if !refs.pulls.is_empty() {
            writeln!(out, "# Checking out pulls:")?;
        }
        for pull in &refs.pulls {
            writeln!(out, "#\t{}{}", pull.number, in_brackets(&pull.sha))?;
        }
        for command in &self.commands {
            let time = go_duration(command.duration);
            writeln!(out, "$ {} (runtime: {time})", command.command)?;
            out.write_str(&command.output)?;
            if !command.error.is_empty() {
                writeln!(out, "# Error: {}", command.error)?;
            }
        }
        writeln!(out, "# Final SHA: {}", self.final_sha)?;
        writeln!(out, "# Total runtime: {}", go_duration(self.duration))
    }
}

fn in_brackets(sha: &str) -> String {
    match sha {
        "" => String::new(),
        sha => format!("({sha})"),
    }
}

/// As Go prints a duration: `1m2.5s`. Below a minute Rust does the same.
fn go_duration(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    if minutes == 0 {
        return format!("{duration:?}");
    }
    let seconds = duration.saturating_sub(Duration::from_secs(minutes * 60));
    let seconds = seconds.as_secs_f64();
    match minutes / 60 {
        0 => format!("{minutes}m{seconds}s"),
        hours => format!("{hours}h{}m{seconds}s", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_go_prints_them() {
        for (milliseconds, text) in [
            (0, "0ns"),
            (12, "12ms"),
            (1500, "1.5s"),
            (62_500, "1m2.5s"),
            (3_600_000, "1h0m0s"),
        ] {
            assert_eq!(go_duration(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn a_record_for_people_is_prows() {
        let refs = Refs {
            org: "o".into(),
            repo: "r".into(),
            base_ref: "main".into(),
            base_sha: "abc".into(),
            pulls: vec![common::job::Pull {
                number: 7,
                sha: "def".into(),
                ..Default::default()
            }],
            ..Refs::default()
        };
        let mut record = Record::new(&refs);
        record.failed = true;
        record.duration = Duration::from_millis(20);
        record.commands.push(Command {
            command: "git init".into(),
            output: "made\n".into(),
            error: "exit status 1".into(),
            duration: Duration::from_millis(10),
        });
        assert_eq!(
            record.to_string(),
            "# FAILED\n# Cloning o/r at main(abc)\n# Checking out pulls:\n#\t7(def)\n\
             $ git init (runtime: 10ms)\nmade\n# Error: exit status 1\n\
             # Final SHA: \n# Total runtime: 20ms\n"
        );
    }
}
