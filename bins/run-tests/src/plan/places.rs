//! Where the report and the log go, and what the target's name makes of itself there.

use std::path::{Component, Path, PathBuf};

use common::{Error, Result};

/// Longest target name in a file name.
const FILE_NAME: usize = 100;

pub(super) fn junit_file(
    artifacts: Option<&Path>,
    junit: Option<PathBuf>,
    target: &str,
    workflow: Option<&str>,
) -> Result<Option<PathBuf>> {
    let file = match (junit, artifacts) {
        (None, None) => return Ok(None),
        (None, Some(_)) => {
            // Two workflows of a job may have a step of the same name.
            let folder = workflow.map(|name| PathBuf::from(format!("junit_{}", file_name(name))));
            let file = format!("junit_{}.xml", file_name(target));
            folder.unwrap_or_default().join(file)
        }
        (Some(file), _) => file,
    };
    below(artifacts, &file, "--junit").map(Some)
}

pub(super) fn log_file(
    artifacts: Option<&Path>,
    log: Option<PathBuf>,
    junit: Option<&Path>,
) -> Result<Option<PathBuf>> {
    let Some(file) = log else {
        return Ok(junit.map(|junit| junit.with_extension("log")));
    };
    let file = below(artifacts, &file, "--log")?;
    if Some(file.as_path()) == junit {
        return Err(Error::usage("--log and --junit are the same file"));
    }
    Ok(Some(file))
}

fn below(artifacts: Option<&Path>, file: &Path, flag: &str) -> Result<PathBuf> {
    let leaves = |component| matches!(component, Component::ParentDir);
    if file.components().any(leaves) || file.file_name().is_none() {
        return Err(Error::usage(format!(
            "{flag} is {}, which would leave the artifacts folder",
            file.display()
        ))
        .hint("give the name of a file below that folder, or an absolute path without .."));
    }
    Ok(artifacts.unwrap_or(Path::new("")).join(file))
}

/// Nothing that a terminal would obey.
pub(super) fn prefix(target: &str) -> String {
    let target = common::junit::clean(target.as_bytes()).replace('\n', " ");
    format!("[{target}] ")
}

/// A target's name as part of a file name, whatever is in it.
pub(crate) fn file_name(target: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
            c
        } else {
            '-'
        }
    };
    target.chars().map(plain).take(FILE_NAME).collect()
}
