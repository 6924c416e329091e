//! Links of this machine on the way to a step's paths: a mount at /var/run/x is to work where
//! /var/run is a link to /run.

use std::fs;
use std::path::{Path, PathBuf};

use common::view::{Bind, join};

/// Where a step's mounts really are.
pub(super) struct Links(Vec<(PathBuf, PathBuf)>);

impl Links {
    /// Follows the links on the way to the mounts.
    pub(super) fn follow_in(binds: &mut [Bind]) -> Self {
        binds.sort_by_key(|bind| bind.target.components().count());
        let mut links = Links(Vec::new());
        for bind in binds.iter_mut() {
            let real = links.follow(&bind.target);
            let written = std::mem::replace(&mut bind.target, real.clone());
            links.0.push((written, real));
        }
        binds.sort_by_key(|bind| bind.target.components().count());
        links
    }

    /// Follows the links on the way to a path. What is below a mount is the volume's, whatever
    /// this machine has there.
    pub(super) fn follow(&self, path: &Path) -> PathBuf {
        let mut mounts = self.0.iter().rev();
        match mounts.find(|(written, _)| path.starts_with(written)) {
            Some((written, real)) => join(real, path.strip_prefix(written).unwrap_or(path)),
            None => resolve(path),
        }
    }
}

/// `path` with the links of its existing part followed.
fn resolve(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        if let Ok(real) = fs::canonicalize(ancestor) {
            return join(&real, path.strip_prefix(ancestor).unwrap_or(path));
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_up_to_a_mount_and_not_below_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("real/deep")).unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        std::os::unix::fs::symlink("/", root.join("real/deep/away")).unwrap();
        let bind = |target: &str| Bind {
            source: "/v".into(),
            target: root.join(target),
            read_only: false,
        };
        let mut binds = [bind("link/deep/away/x"), bind("link/deep")];
        let links = Links::follow_in(&mut binds);
        assert_eq!(binds[0].target, root.join("real/deep"));
        assert_eq!(binds[1].target, root.join("real/deep/away/x"));
        assert_eq!(links.follow(&root.join("link/f")), root.join("real/f"));
        let below = root.join("link/deep/away/f");
        assert_eq!(links.follow(&below), root.join("real/deep/away/f"));
    }
}
