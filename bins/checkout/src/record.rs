//! clone-records.json: what was run, as Prow's clonerefs records it (`clone.Record`).

use std::fs;
use std::io::Write;
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

/// Writes all records; a reader sees the old file or the whole new one.
pub(crate) fn write(file: &Path, records: &[Record]) -> Result<()> {
    let what = || format!("write the clone records to {}", file.display());
    let mut json = serde_json::to_vec(records).or_failed(what)?;
    json.push(b'\n');
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).or_failed(what)?;
    }
    whole_file::replace(file, |mut file| file.write_all(&json)).or_failed(what)
}
