//! Secrets as a container's user can read them. A person's own files are often readable for
//! nobody else, and the user of a container is somebody else; in a pod they are readable for
//! every user of the pod. So a container sees copies: in memory where this machine has such a
//! file system, in a folder that nobody else can enter, for as long as the step runs.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use common::view::Bind;
use common::{Result, ResultExt};

use crate::step::environment::Secrets;

/// A file system in memory.
const MEMORY: &str = "/dev/shm";

/// The place of all copies of a run.
pub(super) struct SecretCopies(PathBuf);

/// The copies of a step, removed when dropped.
pub(super) struct OfStep(PathBuf);

impl Drop for OfStep {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Drop for SecretCopies {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl SecretCopies {
    /// Removes what an earlier run that was killed in the same run folder has left.
    pub(super) fn new(run_dir: &Path) -> Result<Self> {
        let memory = Path::new(MEMORY);
        let parent = if memory.is_dir() { memory } else { run_dir };
        let run = crate::step::volumes::folder_name(&run_dir.display().to_string());
        let place = parent.join(format!("run-local-{run}"));
        make(&place).or_failed(|| format!("make {}", place.display()))?;
        Ok(SecretCopies(place))
    }

    /// Points the mounts of secrets at copies of them.
    pub(super) fn replace(
        &self,
        binds: &mut [Bind],
        secrets: &Secrets,
        pod_name: &str,
    ) -> std::result::Result<OfStep, String> {
        let own = OfStep(self.0.join(crate::step::volumes::folder_name(pod_name)));
        for (number, bind) in binds.iter_mut().enumerate() {
            if secrets
                .values()
                .any(|folder| bind.source.starts_with(folder))
            {
                let copy = own.0.join(number.to_string());
                fs::create_dir_all(&own.0)
                    .and_then(|()| copy_readable(&bind.source, &copy))
                    .map_err(|error| format!("copy {}: {error}", bind.source.display()))?;
                bind.source = copy;
            }
        }
        Ok(own)
    }
}

/// A new folder of this user's alone.
fn make(place: &Path) -> io::Result<()> {
    match fs::symlink_metadata(place) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(found) if found.is_dir() && found.uid() == rustix::process::getuid().as_raw() => {
            fs::remove_dir_all(place)?;
        }
        Ok(_) => return Err(io::Error::other("it is another user's")),
    }
    fs::DirBuilder::new().mode(0o700).create(place)
}

/// A file, or a folder's files: a key of a secret is a file, or a link to one.
fn copy_readable(from: &Path, to: &Path) -> io::Result<()> {
    if fs::metadata(from)?.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            if fs::metadata(entry.path())?.is_file() {
                copy_readable(&entry.path(), &to.join(entry.file_name()))?;
            }
        }
        return fs::set_permissions(to, fs::Permissions::from_mode(0o755));
    }
    fs::copy(from, to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o444))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_readable_for_others_within_a_folder_that_is_not() {
        let run = tempfile::tempdir().unwrap();
        let secret = run.path().join("token");
        fs::create_dir(&secret).unwrap();
        fs::write(secret.join("key"), "s3cret").unwrap();
        fs::set_permissions(secret.join("key"), fs::Permissions::from_mode(0o600)).unwrap();
        let secrets = Secrets::from([("token".to_owned(), secret.clone())]);
        let copies = SecretCopies::new(run.path()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&copies.0), 0o700);
        let mut binds = [Bind {
            source: secret,
            target: "/secret".into(),
            read_only: true,
        }];
        let of_step = copies.replace(&mut binds, &secrets, "s").unwrap();
        let copy = binds[0].source.join("key");
        assert_eq!(fs::read_to_string(&copy).unwrap(), "s3cret");
        assert_eq!((mode(&binds[0].source), mode(&copy)), (0o755, 0o444));
        drop(of_step);
        assert!(!copy.exists());
        let place = copies.0.clone();
        drop(copies);
        assert!(!place.exists());
    }
}
