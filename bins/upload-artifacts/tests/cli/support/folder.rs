//! A `file://` bucket seen as the folder that it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use e2e::{TestEnvironment, text};

use super::{JOB, command};

/// The bucket in the test's folder.
pub(crate) fn bucket_url(environment: &TestEnvironment) -> String {
    format!("file://{}/bucket", environment.path().display())
}

/// Syncs the folder `out` to the bucket `bucket`, both in the test's folder.
pub(crate) fn sync(environment: &TestEnvironment, args: &[&str]) -> Output {
    let url = bucket_url(environment);
    let mut command = command(environment);
    command.args(["--artifacts-dir", "out", "--bucket", &url]);
    command.args(args).output().expect("run it")
}

pub(crate) fn artifacts(environment: &TestEnvironment) -> PathBuf {
    environment
        .path()
        .join("bucket")
        .join(JOB)
        .join("artifacts")
}

/// All files below a folder, as paths below it, sorted.
pub(crate) fn tree(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(folder).expect("a path below");
                names.push(below.display().to_string());
            }
        }
    }
    names.sort();
    names
}

pub(crate) fn last_line(output: &Output) -> String {
    let stderr = text(&output.stderr);
    stderr.lines().last().unwrap_or_default().to_owned()
}
