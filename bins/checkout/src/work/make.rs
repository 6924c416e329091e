//! A folder of checkout's own: made anew, or gone on with after a run that was killed.

use common::Result;

use super::{Before, Work};
use crate::cache::is_unchecked;
use crate::history::{History, Holds};
use crate::merge::merge;
use crate::sequence::Fetched;
use crate::settings;
use crate::step::Step;

impl Work<'_> {
    /// A folder that is all checkout's own: files in the way are its own too. In one that a run
    /// left unfinished they are overwritten by force.
    pub(super) async fn make(&self, before: Before) -> Result<()> {
        let before = self.begin(before).await?;
        let cache = self.repository.cache.as_ref();
        let seeded = match cache {
            Some(cache) if before == Before::Nothing => {
                cache.seed(self.repository, &self.runner).await?
            }
            _ => None,
        };
        let holds = match &seeded {
            Some(_) => Holds::Mirror,
            None if before == Before::Nothing => Holds::Nothing,
            None if self.runner.commit("HEAD").await?.is_some() => Holds::Something,
            None => Holds::Nothing,
        };
        let (fetched, target) = if let (Some(cache), Some(seeded)) = (cache, seeded) {
            // No file is written before both have come back. Damage explains whatever git says.
            let check = cache.check(&seeded, self.repository, &self.runner);
            match tokio::join!(check, self.prepare(holds)) {
                (Ok(true), prepared) => prepared?,
                (Ok(false), _) => {
                    self.folder.clear()?;
                    self.begin(Before::Nothing).await?;
                    self.prepare(Holds::Nothing).await?
                }
                (Err(error), _) => return Err(error),
            }
        } else {
            self.prepare(holds).await?
        };
        let end = self.write(&fetched, target, before).await;
        self.settle(end, None).await?;
        self.store().await
    }

    /// Makes the repository; anew where a killed run left what nobody has looked through, which is
    /// before any file is written.
    async fn begin(&self, before: Before) -> Result<Before> {
        let folder = &self.repository.folder;
        if let Before::Unfinished(commit) = &before {
            if !is_unchecked(folder) {
                self.folder.begin(commit.as_deref())?;
                self.start().await?;
                return Ok(before);
            }
            self.folder.clear()?;
        }
        self.folder.begin(None)?;
        self.runner.step(&Step::Init).await?;
        settings::add(folder, &self.repository.settings())?;
        Ok(Before::Nothing)
    }

    /// Fetches, and merges.
    async fn prepare(&self, holds: Holds) -> Result<(Fetched, Result<String>)> {
        let history = History::new(self.repository, &self.runner, true);
        let fetched = history.fetch(holds).await?;
        let target = self.target(&fetched).await;
        Ok((fetched, target))
    }

    /// The commit to be checked out.
    pub(super) async fn target(&self, fetched: &Fetched) -> Result<String> {
        match self.repository.target(fetched) {
            Some(commit) => Ok(commit),
            None => merge(self.repository, &self.runner, fetched).await,
        }
    }

    /// Leaves what was fetched in the cache.
    async fn store(&self) -> Result<()> {
        match &self.repository.cache {
            Some(cache) => cache.store(self.repository, &self.runner).await,
            None => Ok(()),
        }
    }
}
