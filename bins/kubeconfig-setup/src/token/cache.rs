//! Tokens on the disk, for this user alone: a client of Kubernetes starts the plugin anew for each
//! of its own runs.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::env::Env;
use common::whole_file;
use rustix::fs::Mode;
use serde::{Deserialize, Serialize};

use super::Token;
use super::identity::{self, Identity};

/// How long others are waited for that ask for the same token.
const PATIENCE: Duration = Duration::from_secs(20);

/// One identity's place in the cache.
#[derive(Debug)]
pub(super) struct Cache {
    file: PathBuf,
    key: String,
}

#[derive(Serialize, Deserialize)]
struct Content {
    identity: String,
    token: String,
    /// Seconds since 1970.
    expires: u64,
}

impl Cache {
    /// In the user's own cache folder; none, if there is no folder that is ours alone. A token is
    /// asked for each time then.
    pub(super) fn of(identity: &Identity, env: &Env) -> Option<Self> {
        let folder = env.cache_folder()?.join("test-worker/tokens");
        match prepare(&folder) {
            Ok(()) => Some(Cache {
                file: folder.join(identity::file_name(&identity.key)),
                key: identity.key.clone(),
            }),
            Err(error) => {
                tracing::debug!("no cache for tokens in {}: {error}", folder.display());
                None
            }
        }
    }

    /// What is there, if it is this identity's and nobody else could have put it there.
    pub(super) fn read(&self) -> Option<Token> {
        let file = File::open(&self.file).ok()?;
        let found = file.metadata().ok()?;
        if !is_ours(&found) || !found.is_file() {
            return None;
        }
        let content: Content = serde_json::from_reader(file).ok()?;
        (content.identity == self.key).then(|| Token {
            secret: content.token,
            expires: UNIX_EPOCH + Duration::from_secs(content.expires),
        })
    }

    /// A cache that cannot be written costs time, nothing else.
    pub(super) fn write(&self, token: &Token) {
        let since = token.expires.duration_since(UNIX_EPOCH);
        let content = Content {
            identity: self.key.clone(),
            token: token.secret.clone(),
            expires: since.unwrap_or_default().as_secs(),
        };
        let write = |file: &File| Ok(serde_json::to_writer(file, &content)?);
        if let Err(error) = whole_file::replace_private(&self.file, write) {
            tracing::debug!("cache the token in {}: {error}", self.file.display());
        }
    }

    /// Waits for others who ask for the same token; not for ever: asking twice does no harm.
    pub(super) async fn lock(&self) -> Option<File> {
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        let file = options.open(self.file.with_extension("lock")).ok()?;
        let until = SystemTime::now() + PATIENCE;
        while SystemTime::now() < until {
            match file.try_lock() {
                Ok(()) => return Some(file),
                Err(TryLockError::WouldBlock) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(TryLockError::Error(_)) => return None,
            }
        }
        None
    }
}

/// Makes the folder for the user alone, and refuses one that is not.
fn prepare(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(folder)?;
    if found.is_dir() && is_ours(&found) {
        return Ok(());
    }
    let what = "it is not a folder for this user alone";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
}

/// Whether it is this user's, and nobody else can read or write it.
fn is_ours(found: &fs::Metadata) -> bool {
    let others = Mode::RWXG | Mode::RWXO;
    let mode = Mode::from_raw_mode(found.mode());
    found.uid() == rustix::process::geteuid().as_raw() && !mode.intersects(others)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn cache(home: &Path) -> Option<Cache> {
        let env = [("HOME", home.display().to_string())].into_iter().collect();
        Cache::of(&Identity::of(None, &env).unwrap(), &env)
    }

    #[test]
    fn a_token_is_read_back_by_its_own_identity_only() {
        let home = tempfile::tempdir().unwrap();
        let cache = cache(home.path()).unwrap();
        let token = Token {
            secret: "s3cr3t".to_owned(),
            expires: UNIX_EPOCH + Duration::from_secs(2_000_000_000),
        };
        cache.write(&token);
        assert_eq!(cache.read().unwrap().expires, token.expires);
        let other = Cache {
            file: cache.file.clone(),
            key: "another".to_owned(),
        };
        assert!(other.read().is_none());
        let mode = fs::metadata(&cache.file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_others_can_write_is_not_trusted() {
        let home = tempfile::tempdir().unwrap();
        let cache = self::cache(home.path()).unwrap();
        let open = |mode| fs::Permissions::from_mode(mode);
        fs::write(&cache.file, "{").unwrap();
        fs::set_permissions(&cache.file, open(0o600)).unwrap();
        assert!(cache.read().is_none(), "half a file");
        let token = Token {
            secret: "t".to_owned(),
            expires: SystemTime::now(),
        };
        cache.write(&token);
        fs::set_permissions(&cache.file, open(0o644)).unwrap();
        assert!(cache.read().is_none());
        let folder = cache.file.parent().unwrap();
        fs::set_permissions(folder, open(0o777)).unwrap();
        assert!(self::cache(home.path()).is_none());
    }
}
