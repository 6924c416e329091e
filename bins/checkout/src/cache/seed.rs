//! A mirror's packs on their way into a new checkout.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::whole_file::unless_absent;
use common::{Error, Result, ResultExt, whole_file};

use super::mirror::{Content, Mirror, PARTS};
use super::open;
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
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.or_failed(what)?,
    };
    let is_mirrors = |line: &&str| line.contains(" refs/test-worker/");
    let others: Vec<&str> = text.lines().filter(|line| !is_mirrors(line)).collect();
    if others.len() == text.lines().count() {
        return Ok(());
    }
    let text = others.join("\n") + "\n";
    whole_file::replace(&file, |mut file| file.write_all(text.as_bytes())).or_failed(what)
}

/// Is there as long as what is in the repository has not been looked through: the mark of a run that
/// was killed.
fn mark(git: &Path) -> PathBuf {
    git.join("test-worker-unchecked")
}

/// Whether a killed run left something from a mirror that nobody has looked through.
pub(crate) fn is_unchecked(folder: &Path) -> bool {
    mark(&folder.join(".git")).exists()
}

/// What was copied and is not trusted yet.
pub(crate) struct Copied {
    /// The checkout's `.git`.
    git: PathBuf,
    packs: Vec<PathBuf>,
    /// Those of them, without an ending, that are parts only.
    promised: Vec<PathBuf>,
}

/// Copies a mirror's packs and refs; `None` where it has none.
pub(super) fn copy(mirror: &Mirror, checkout: &Path) -> Result<Option<Copied>> {
    let Content {
        packs: names,
        promised,
        refs,
    } = mirror.content();
    if refs.is_empty() || names.is_empty() {
        return Ok(None);
    }
    let git = checkout.join(".git");
    let copied = || -> io::Result<Vec<PathBuf>> {
        File::create(mark(&git))?;
        let to = git.join("objects/pack");
        fs::create_dir_all(&to)?;
        let mut packs = Vec::new();
        for name in &names {
            for part in PARTS {
                let target = to.join(name).with_extension(part);
                match open(&mirror.packs().join(name).with_extension(part)) {
                    Ok(mut source) => {
                        io::copy(&mut source, &mut File::create_new(target)?)?;
                    }
                    // A part that is not there is found out when the pack is looked through.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            packs.push(to.join(name).with_extension("pack"));
        }
        let mut lines = vec!["# pack-refs with: sorted ".to_owned()];
        let refs = refs.iter();
        lines.extend(refs.map(|(name, id)| format!("{id} {}", kept_ref(name))));
        let text = lines.join("\n") + "\n";
        File::create(git.join(PACKED_REFS))?.write_all(text.as_bytes())?;
        mirror.touch()?;
        Ok(packs)
    };
    let packs = copied().or_failed(|| "copy packs from the cache")?;
    let to = git.join("objects/pack");
    let promised = promised.iter().map(|name| to.join(name)).collect();
    Ok(Some(Copied {
        git,
        packs,
        promised,
    }))
}

/// Removes what came from a mirror.
pub(super) fn withdraw(checkout: &Path) -> Result<()> {
    let git = checkout.join(".git");
    let removed = || -> io::Result<()> {
        unless_absent(fs::remove_dir_all(git.join("objects/pack")))?;
        unless_absent(fs::remove_file(git.join(PACKED_REFS)))?;
        unless_absent(fs::remove_file(mark(&git)))
    };
    removed().or_failed(|| "remove what came from the cache")
}

impl Copied {
    /// Looks through the packs. An error means damage.
    pub(super) async fn check(&self, runner: &Runner<'_>) -> Result<()> {
        for pack in &self.promised {
            let mark = pack.with_extension("promisor");
            if !mark.exists() {
                return Err(Error::failed(format!("{} is gone", mark.display())));
            }
        }
        for pack in &self.packs {
            if self.verified(pack, runner).await? == Verified::TooLarge {
                index(runner, pack).await?;
            }
        }
        fs::remove_file(mark(&self.git)).or_failed(|| "note that the packs are good")
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
