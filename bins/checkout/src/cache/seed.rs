//! A mirror's packs on their way into a new checkout.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Error, Result, ResultExt, whole_file};

use super::mirror::{Content, Mirror, PARTS};
use super::pack::{Verified, verify};
use crate::plan::Repository;
use crate::runner::Runner;

/// The mirror's refs tell the server what is here. They are none of the checkout's own: the
/// server may have others by now, or none of a name.
const PACKED_REFS: &str = "packed-refs";

fn kept_ref(name: &str) -> String {
    name.replacen("refs/", "refs/test-worker/", 1)
}

/// Removes the mirror's refs, once the server's own are there.
pub(crate) fn forget_refs(repository: &Repository) -> Result<()> {
    let file = repository.folder.join(".git").join(PACKED_REFS);
    let what = || format!("write {}", file.display());
    let text = fs::read_to_string(&file).or_failed(what)?;
    let is_mirrors = |line: &&str| line.contains(" refs/test-worker/");
    let others: Vec<&str> = text.lines().filter(|line| !is_mirrors(line)).collect();
    let text = others.join("\n") + "\n";
    whole_file::replace(&file, |mut file| file.write_all(text.as_bytes())).or_failed(what)
}

/// What was copied and is not trusted yet.
pub(super) struct Copied {
    /// The checkout's `.git`.
    git: PathBuf,
    /// The copies.
    folder: PathBuf,
    packs: Vec<PathBuf>,
    refs: Vec<(String, String)>,
}

/// Copies a mirror's packs; `None` where it has none.
pub(super) fn copy(mirror: &Mirror, checkout: &Path) -> Result<Option<Copied>> {
    let what = || "copy packs from the cache";
    let Content { packs: names, refs } = mirror.content();
    if refs.is_empty() || names.is_empty() {
        return Ok(None);
    }
    let git = checkout.join(".git");
    let folder = git.join("test-worker-cache");
    let copied = || -> io::Result<Vec<PathBuf>> {
        remove(&folder)?;
        fs::create_dir_all(&folder)?;
        let mut packs = Vec::new();
        for name in &names {
            for part in PARTS {
                let source = mirror.packs().join(name).with_extension(part);
                let target = folder.join(name).with_extension(part);
                match File::open(source) {
                    Ok(mut source) => {
                        io::copy(&mut source, &mut File::create_new(target)?)?;
                    }
                    // A pack that is not there is found out when it is looked through.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            packs.push(folder.join(name).with_extension("pack"));
        }
        Ok(packs)
    };
    let packs = copied().or_failed(what)?;
    mirror.touch().or_failed(what)?;
    Ok(Some(Copied {
        git,
        folder,
        packs,
        refs,
    }))
}

impl Copied {
    /// Looks through the packs, and takes them over. An error means damage.
    pub(super) async fn check(&self, runner: &Runner<'_>) -> Result<()> {
        for pack in &self.packs {
            if self.verified(pack, runner).await? == Verified::TooLarge {
                index(runner, pack).await?;
            }
        }
        let to = self.git.join("objects/pack");
        let what = || format!("take packs over into {}", to.display());
        fs::create_dir_all(&to).or_failed(what)?;
        for pack in &self.packs {
            for part in PARTS {
                let from = pack.with_extension(part);
                if let Some(name) = from.file_name()
                    && from.exists()
                {
                    fs::rename(&from, to.join(name)).or_failed(what)?;
                }
            }
        }
        let mut lines = vec!["# pack-refs with: sorted ".to_owned()];
        let refs = self.refs.iter();
        lines.extend(refs.map(|(name, id)| format!("{id} {}", kept_ref(name))));
        let text = lines.join("\n") + "\n";
        File::create(self.git.join(PACKED_REFS))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .or_failed(|| "write the refs of the cache")?;
        remove(&self.folder).or_failed(what)
    }

    /// Looks through a pack while this thread does other things.
    async fn verified(&self, pack: &Path, runner: &Runner<'_>) -> Result<Verified> {
        let given_up = GiveUp::default();
        let work = {
            let (pack, given_up) = (pack.to_owned(), given_up.0.clone());
            tokio::task::spawn_blocking(move || verify(&pack, &given_up))
        };
        let what = || format!("look through {}", pack.display());
        let ended = runner.unless_stopped(work, &what()).await?;
        ended.or_failed(what)?.or_failed(what)
    }

    /// Removes what came from the mirror.
    pub(super) fn withdraw(&self) -> Result<()> {
        let removed = || -> io::Result<()> {
            remove(&self.folder)?;
            remove(&self.git.join("objects/pack"))?;
            match fs::remove_file(self.git.join(PACKED_REFS)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        };
        removed().or_failed(|| "remove what came from the cache")
    }
}

/// Has git look through a pack; the index is git's own then.
async fn index(runner: &Runner<'_>, pack: &Path) -> Result<()> {
    let path = pack.display().to_string();
    let printed = runner.ask(&["index-pack", &path]).await?;
    // A pack's name is the checksum of its content, which git has just computed.
    if path.ends_with(&format!("/pack-{printed}.pack")) {
        Ok(())
    } else {
        Err(Error::failed(format!("{path} is another pack: {printed}")))
    }
}

/// Has a thread end early when this goes out of scope.
#[derive(Default)]
struct GiveUp(Arc<AtomicBool>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
