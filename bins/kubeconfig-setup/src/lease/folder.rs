//! Leases of one machine, in a folder: a file each, under a lock of the kernel.
//!
//! Time is that of the machine since it was started, which nobody sets. Whoever had a lease before
//! that is gone: each file knows the start that its times count from.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Error, Result, ResultExt, whole_file};
use rustix::time::{ClockId, clock_gettime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::place::Seen;
use super::record::{Moment, Record};

/// How often the lock is tried for; nobody has it for longer than a file takes to write.
const TURN: Duration = Duration::from_millis(20);

/// A folder of leases.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    boot: String,
}

/// A file of it.
#[derive(Debug, Serialize, Deserialize)]
struct Content<T> {
    boot: String,
    value: T,
}

/// What does not outlive the machine's start.
pub(super) trait OfBoot: Default {
    /// What is left of it after another start.
    fn after_boot(self) -> Self {
        Self::default()
    }
}

impl OfBoot for Record {
    fn after_boot(self) -> Self {
        self.release()
    }
}

impl OfBoot for super::queue::Queue {}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Result<Self> {
        let file = "/proc/sys/kernel/random/boot_id";
        let boot = fs::read_to_string(file).or_failed(|| format!("read {file}"))?;
        let boot = boot.trim().to_owned();
        Ok(Folder { path, boot })
    }

    pub(super) fn read<T: OfBoot + DeserializeOwned>(&self, name: &str) -> Result<Seen<T>> {
        let file = self.file(name);
        let version = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Error::failed(read(&file)).because(error)),
        };
        let value = if version.is_empty() {
            T::default()
        } else {
            let content: Content<T> = serde_json::from_str(&version)
                .or_failed(|| read(&file))
                .map_err(|error| error.hint("is it another program's file?"))?;
            if content.boot == self.boot {
                content.value
            } else {
                content.value.after_boot()
            }
        };
        Ok(Seen {
            value,
            version,
            now: now(),
        })
    }

    /// Replaces what had this version; false, if somebody else did so before.
    pub(super) async fn write<T: OfBoot + Serialize + DeserializeOwned>(
        &self,
        name: &str,
        value: &T,
        version: &str,
    ) -> Result<bool> {
        let _lock = self.lock().await?;
        if self.read::<T>(name)?.version != version {
            return Ok(false);
        }
        let content = Content {
            boot: self.boot.clone(),
            value,
        };
        let file = self.file(name);
        let put = |mut file: &File| {
            serde_json::to_writer(file, &content)?;
            file.flush()?;
            // A count that is lost with the machine's power would be given twice.
            file.sync_all()
        };
        whole_file::replace(&file, put).or_failed(|| format!("write {}", file.display()))?;
        Ok(true)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.json"))
    }

    /// The lock's file stays: one that is removed would be locked by one process while another
    /// makes a new one.
    async fn lock(&self) -> Result<File> {
        let path = self.path.join(".lock");
        let what = || format!("lock the leases in {}", self.path.display());
        fs::create_dir_all(&self.path).or_failed(what)?;
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        let file = options.open(&path).or_failed(what)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(TURN).await,
                Err(TryLockError::Error(error)) => {
                    return Err(Error::failed(what()).because(error));
                }
            }
        }
    }
}

fn read(file: &Path) -> String {
    format!("read the lease in {}", file.display())
}

fn now() -> Moment {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let milliseconds = u64::try_from(time.tv_nsec / 1_000_000).unwrap_or_default();
    Moment(seconds * 1000 + milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(work)
    }

    #[test]
    fn a_lease_ends_with_the_machine_and_its_count_does_not() {
        let place = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(place.path().to_owned()).unwrap();
        let seen = folder.read::<Record>("c").unwrap();
        let taken = seen.value.take("a", seen.now, 60).unwrap();
        assert!(on_a_runtime(folder.write("c", &taken, &seen.version)).unwrap());
        assert_eq!(folder.read::<Record>("c").unwrap().value, taken);
        folder.boot = "another".to_owned();
        let after = folder.read::<Record>("c").unwrap().value;
        assert!(after.is_free(Moment(0)));
        assert_eq!(after.fencing, 1);
    }

    #[test]
    fn who_comes_second_changes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().to_owned()).unwrap();
        let seen = folder.read::<Record>("c").unwrap();
        let take = |holder: &str| seen.value.take(holder, seen.now, 60).unwrap();
        let (first, second) = (take("a"), take("b"));
        assert!(on_a_runtime(folder.write("c", &first, &seen.version)).unwrap());
        assert!(!on_a_runtime(folder.write("c", &second, &seen.version)).unwrap());
        assert_eq!(folder.read::<Record>("c").unwrap().value, first);
    }
}
