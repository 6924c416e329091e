//! The workflows of `prow_config.yaml` with the decision about each.

use std::fmt::Write as _;

use common::Result;
use common::app::App;
use serde_json::{Value, json};
use tracing::{info, warn};

use crate::changes::changed_files;
use crate::config::{Config, Entry};
use crate::opts::SourceOpts;
use crate::origin::{Origin, Source};
use crate::select::{Changes, Decision, select, select_all};

/// The decision about every entry.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) config: Config,
    decisions: Vec<Decision>,
}

impl Selection {
    /// Reads the configuration and decides.
    pub(crate) async fn make(
        origin: &Origin,
        source: &Source,
        opts: &SourceOpts,
        app: &App,
    ) -> Result<Selection> {
        let config = Config::read(&source.config)?;
        for warning in &config.warnings {
            warn!("{warning}");
        }
        let job = origin.job();
        let changes = changed_files(&source.repository, job, &source.head, &app.stop).await?;
        match &changes {
            Changes::Unknown(why) => {
                warn!("the changed files cannot be computed, so every workflow runs: {why}");
            }
            Changes::Files(files) => info!("changed files: {}", files.len()),
        }
        let decisions = select(&config, job.job_type, &changes, opts.only.as_deref())?;
        Ok(Selection { config, decisions })
    }

    /// Every entry, or the one that is asked for, whatever the job and its change are.
    pub(crate) fn of_all(source: &Source, opts: &SourceOpts) -> Result<Selection> {
        let config = Config::read(&source.config)?;
        let decisions = select_all(&config, opts.only.as_deref())?;
        Ok(Selection { config, decisions })
    }

    /// The entries that run.
    pub(crate) fn selected(&self) -> impl Iterator<Item = &Entry> {
        let entries = self.entries().filter(|(_, decision)| decision.run);
        entries.map(|(entry, _)| entry)
    }

    /// Why nothing runs: what is said of the entry that is asked for, or of all.
    pub(crate) fn why_nothing(&self, only: Option<&str>) -> &str {
        let asked = (self.entries()).find(|(entry, _)| only == Some(entry.name.as_str()));
        asked.map_or("no workflow is called for by this change", |(_, own)| {
            &own.reason
        })
    }

    fn entries(&self) -> impl Iterator<Item = (&Entry, &Decision)> {
        self.config.workflows.iter().zip(&self.decisions)
    }

    /// `[{"name", "kind", "run", "reason"}]`.
    pub(crate) fn to_json(&self) -> Value {
        self.entries()
            .map(|(entry, decision)| {
                json!({
                    "name": entry.name,
                    "kind": entry.kind.as_str(),
                    "run": decision.run,
                    "reason": decision.reason,
                })
            })
            .collect()
    }

    /// A table for people.
    pub(crate) fn to_table(&self) -> String {
        let width = |title: &str, texts: Vec<String>| {
            let longest = texts.iter().map(|text| text.chars().count()).max();
            longest.unwrap_or_default().max(title.len())
        };
        let names: Vec<_> = self
            .entries()
            .map(|(entry, _)| common::on_one_line(&entry.name))
            .collect();
        let kinds: Vec<_> = self
            .entries()
            .map(|(entry, _)| entry.kind.as_str().to_owned())
            .collect();
        let (name_width, kind_width) = (width("NAME", names), width("KIND", kinds));
        let mut table = format!(
            "{:name_width$}  {:kind_width$}  RUN  REASON\n",
            "NAME", "KIND"
        );
        for (entry, decision) in self.entries() {
            // Writing to a string cannot fail.
            let _ = writeln!(
                table,
                "{:name_width$}  {:kind_width$}  {:3}  {}",
                common::on_one_line(&entry.name),
                entry.kind.as_str(),
                if decision.run { "yes" } else { "no" },
                decision.reason
            );
        }
        table
    }
}
