//! The files of a commit, written into a folder that tells how far that got.

use common::Result;

use super::{Before, Work};
use crate::report;
use crate::sequence::Fetched;
use crate::stamp;
use crate::step::Step;

impl Work<'_> {
    /// Writes the files of a commit, if there is one. In a folder in which a run was killed, what that one was
    /// writing is there, and known to no index. Checking the same commit out again, by force, makes
    /// those files git's own, to be changed or removed.
    pub(super) async fn write(
        &self,
        fetched: &Fetched,
        target: Result<String>,
        before: Before,
    ) -> Result<()> {
        let target = target?;
        let is_new = before == Before::Nothing;
        let is_clean = before == Before::Clean;
        let force = matches!(before, Before::Unfinished(_));
        if let Before::Unfinished(Some(rev)) = before
            && rev != target
            && self.runner.commit(&rev).await?.is_some()
        {
            self.runner.step(&Step::Checkout { rev, force }).await?;
        }
        if is_clean {
            self.remove_submodules(&target).await?;
        }
        self.folder.begin(Some(&target))?;
        for step in self.repository.place_steps(&target, force) {
            if is_new && matches!(step, Step::Checkout { .. }) {
                self.write_new(&step, &target).await?;
            } else {
                self.runner.step(&step).await?;
            }
        }
        let tracked = self.runner.tracked(&target).await?;
        report::warn_of_clashes(tracked, &self.repository.name());
        stamp::write(&self.repository.folder, tracked)?;
        let note = self.repository.note(fetched, &target);
        self.folder.finish(Some(&note))
    }

    /// Removes submodules that the commit does not have, or that are not wanted: git leaves their
    /// files where they are. One with somebody's changes is an error.
    async fn remove_submodules(&self, target: &str) -> Result<()> {
        if !self.folder.has_modules() {
            return Ok(());
        }
        let wanted = if self.repository.refs.skip_submodules {
            Vec::new()
        } else {
            self.runner.submodules(target).await?
        };
        let is_there = |path: &String| self.repository.folder.join(path).join(".git").exists();
        let mut paths = self.runner.submodules("HEAD").await?;
        paths.retain(|path| !wanted.contains(path) && is_there(path));
        if !paths.is_empty() {
            let step = Step::RemoveSubmodules { paths };
            self.runner.step(&step).await?;
        }
        Ok(())
    }

    /// Writes the files of a commit where none are, and asks meanwhile what there is to know of it.
    /// What git has just written is as the commit has it: nothing is dirty.
    async fn write_new(&self, step: &Step, target: &str) -> Result<()> {
        let describe = ["describe", "--tags", "--always", target];
        let (_, _, describe) = tokio::try_join!(
            self.runner.step(step),
            self.runner.tracked(target),
            self.runner.ask(&describe),
        )?;
        self.describe.replace(Some(describe));
        Ok(())
    }

    /// After a failure that left the files as some commit has them, a merge conflict for
    /// example, there is nothing that the next run might overwrite.
    pub(super) async fn settle(&self, end: Result<()>, note: Option<&str>) -> Result<()> {
        let Err(error) = end else { return Ok(()) };
        let clean = self
            .runner
            .commit("HEAD")
            .await
            .is_ok_and(|head| head.is_some())
            && self
                .runner
                .changed_files(false)
                .await
                .is_ok_and(|files| files.is_empty());
        if clean {
            self.folder.finish(note)?;
        }
        Err(error)
    }
}
