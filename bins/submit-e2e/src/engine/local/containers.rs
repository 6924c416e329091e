//! Steps as containers: which folders of this machine they have to see.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::opts::{RunOpts, Runtime};
use crate::origin::Origin;

/// What run-local is told of them: a bucket that is a folder, and the repository that stands in
/// for a person's working tree. `results` is where the job's own results go, as a URL.
pub(crate) fn flags(
    opts: &RunOpts,
    origin: &Origin,
    bucket: Option<&str>,
    results: &str,
) -> Vec<OsString> {
    if opts.runtime == Runtime::Process {
        return Vec::new();
    }
    let mut flags: Vec<OsString> = vec!["--runtime".into(), "docker".into()];
    let mut mount = |folder: &Path, how: &str| {
        let mut value = folder.as_os_str().to_owned();
        value.push(how);
        flags.extend(["--mount".into(), value]);
    };
    if let Some(folder) = bucket.and_then(|url| url.strip_prefix("file://")) {
        mount(Path::new(folder), "");
        open(results);
    }
    if let Origin::WorkingTree(tree) = origin {
        let repository = tree.repository.folder();
        mount(repository, ":ro");
        for objects in borrowed(&repository.join("objects")) {
            mount(&objects, ":ro");
        }
    }
    flags
}

/// The user of a container is not this one, and writes artifacts beside our records. Where it
/// cannot, its own step says so.
fn open(results: &str) {
    if let Some(folder) = results.strip_prefix("file://")
        && let Err(error) = fs::set_permissions(folder, fs::Permissions::from_mode(0o777))
    {
        tracing::warn!("open {folder} for the steps' results: {error}");
    }
}

/// The folders that a repository's objects are borrowed from, and those from which these are.
fn borrowed(objects: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut ahead = vec![objects.to_owned()];
    while let Some(objects) = ahead.pop() {
        let list = fs::read_to_string(objects.join("info/alternates")).unwrap_or_default();
        for line in list.lines().filter(|line| !line.is_empty()) {
            let folder = objects.join(line);
            if folder.is_dir() && found.insert(folder.clone()) {
                ahead.push(folder);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borrowed_objects_are_followed_and_a_circle_ends() {
        let folder = tempfile::tempdir().unwrap();
        let objects = |name: &str| folder.path().join(name).join("objects");
        for (name, from) in [("a", "b"), ("b", "c"), ("c", "a")] {
            fs::create_dir_all(objects(name).join("info")).unwrap();
            let line = format!("{}\n/nowhere\n", objects(from).display());
            fs::write(objects(name).join("info/alternates"), line).unwrap();
        }
        let expected = BTreeSet::from([objects("a"), objects("b"), objects("c")]);
        assert_eq!(borrowed(&objects("a")), expected);
    }
}
