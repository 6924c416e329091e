//! A repository that was there: its uncommitted changes are somebody's work.

use common::{Error, Result};

use super::{Before, Work};
use crate::explain;
use crate::history::{History, Holds, forget_promises};
use crate::report::Submodule;
use crate::sequence::{Fetched, MADE_BY_CHECKOUT};
use crate::step::Step;
use crate::url::CloneUrl;

impl Work<'_> {
    /// A repository that was there: its uncommitted changes are somebody's work.
    pub(super) async fn update(&self, note: Option<String>) -> Result<Option<Error>> {
        let clean = self.repository.clean;
        let head = match self.folder.detached_head() {
            Some(commit) => Some(commit),
            None => self.runner.commit("HEAD").await?,
        };
        let mut changed = Vec::new();
        if clean {
            changed = self.runner.changed_files(clean).await?;
            if !changed.is_empty() {
                return Ok(Some(explain::changed(self.repository, &changed)));
            }
        }
        if let Some(pinned) = self.repository.pinned()
            && self.is_finished(note.as_deref(), &pinned, head.as_deref())
            && self.has_its_submodules().await?
        {
            tracing::info!("{} is checked out already", self.repository.name());
            return Ok(None);
        }
        let moved = match self.has_moved().await? {
            Ok(moved) => moved,
            Err(obstacle) => return Ok(Some(obstacle)),
        };
        if !clean {
            changed = self.runner.changed_files(clean).await?;
        }
        if changed.is_empty() {
            self.folder.fetching(note.as_deref())?;
            if moved {
                self.start().await?;
            }
            let end = self.fetch().await;
            if end.is_err() {
                // The files are as they were; the next run has to respect changes to them.
                self.folder.finish(note.as_deref())?;
            }
            let fetched = end?;
            let target = self.target(&fetched).await;
            let end = self.write(&fetched, target, Before::Clean).await;
            self.settle(end, note.as_deref()).await?;
            return Ok(None);
        }
        if moved {
            return Ok(Some(explain::changed(self.repository, &changed)));
        }
        let history = self.history(self.is_partial().await?);
        let fetched = history.fetch(Holds::Something).await?;
        let target = self.repository.target(&fetched);
        let at_target = target.is_some() && target == head;
        if at_target || self.is_finished(note.as_deref(), &fetched, head.as_deref()) {
            tracing::info!("{} is checked out already", self.repository.name());
            return Ok(None);
        }
        Ok(Some(explain::changed(self.repository, &changed)))
    }

    /// Fetches, and before that what an earlier run was told to leave out.
    async fn fetch(&self) -> Result<Fetched> {
        let is_partial = self.is_partial().await?;
        let is_shallow = self.folder.is_shallow();
        for step in self.repository.complete_steps(is_shallow, is_partial) {
            self.runner.step(&step).await?;
            if matches!(step, Step::Refetch { .. }) {
                forget_promises(&self.runner).await?;
            }
        }
        // What is whole now has no filter either: see `History::new`.
        self.history(is_partial).fetch(Holds::Something).await
    }

    /// Whether the submodules are as the commit has them.
    async fn has_its_submodules(&self) -> Result<bool> {
        if self.repository.refs.skip_submodules || !self.folder.has_submodules() {
            return Ok(true);
        }
        let submodules = Submodule::all(self.repository, self.stop).await?;
        let are_there = submodules.iter().all(Submodule::is_as_wanted);
        self.submodules.replace(are_there.then_some(submodules));
        Ok(are_there)
    }

    pub(super) async fn start(&self) -> Result<()> {
        self.runner.step(&Step::Init).await?;
        for (key, value) in self.repository.settings() {
            self.runner.step(&Step::Configure { key, value }).await?;
        }
        Ok(())
    }

    /// The history of a repository that was there, which stays whole if it was.
    fn history(&self, is_partial: bool) -> History<'_> {
        History::new(self.repository, &self.runner, is_partial)
    }

    async fn is_partial(&self) -> Result<bool> {
        let promisor = ["config", "--get", "--type=bool", "remote.origin.promisor"];
        Ok(self.runner.lines_if_any(&promisor).await? == ["true"])
    }

    /// Whether the repository is to come from another place than last time. That is right for
    /// a folder that checkout made; somebody else's clone is not turned into another one.
    async fn has_moved(&self) -> Result<Result<bool>> {
        let settings = self.runner.ask(&["config", "--null", "--list"]).await?;
        let all = |key: &str| {
            let settings = settings.split('\0');
            let found = settings.filter_map(|setting| setting.split_once('\n'));
            let found = found.filter(|(name, _)| name.eq_ignore_ascii_case(key));
            found.map(|(_, value)| value).collect::<Vec<_>>()
        };
        // Of several, git fetches from the first and `git config` shows the last.
        let origins = all("remote.origin.url");
        let is_same = |origin: &str| {
            CloneUrl::parse("origin", origin)
                .is_ok_and(|origin| self.repository.url.is_same(origin.as_str()))
        };
        if !origins.is_empty() && origins.iter().all(|origin| is_same(origin)) {
            return Ok(Ok(false));
        }
        if all(MADE_BY_CHECKOUT).last() == Some(&"true") {
            return Ok(Ok(true));
        }
        let other = origins.into_iter().find(|origin| !is_same(origin));
        Ok(Err(explain::other_origin(
            self.repository,
            other.unwrap_or_default(),
        )))
    }

    /// Whether an earlier run finished just this, and nobody has moved HEAD since.
    fn is_finished(&self, note: Option<&str>, fetched: &Fetched, head: Option<&str>) -> bool {
        head.is_some_and(|head| note == Some(&self.repository.note(fetched, head)))
    }
}
