//! What `run` would do, for `--dry-run`.

use std::fmt;
use std::path::PathBuf;

use common::Result;
use common::app::App;

use crate::engine::Engine;
use crate::opts::RunOpts;
use crate::origin::Origin;
use crate::record::Record;
use crate::selection::Selection;
use crate::session;
use crate::workflows::Maker;

/// What would be done.
#[derive(Debug)]
pub(crate) struct Plan {
    job: String,
    run_dir: PathBuf,
    place: String,
    table: String,
    actions: Vec<String>,
}

impl Plan {
    /// Selects and renders as a run does. Nothing is written.
    pub(crate) async fn make(opts: &RunOpts, app: &App) -> Result<Plan> {
        let (origin, folder) = Origin::find(&opts.source, app).await?;
        let job = origin.job();
        let run_dir = session::run_dir(opts.run_dir.as_deref(), &app.env, &job.build_id)?;
        let bucket = session::bucket_url(opts, &origin, &run_dir);
        let record = Record::new(job, bucket.as_deref(), opts.layout, &app.env)?;
        let source = origin.source(&opts.source, app).await?;
        let selection = Selection::make(&origin, &source, &opts.source, app).await?;
        let (engine, _) = Engine::choose(opts, &origin, &run_dir, app)?;
        let maker = Maker {
            origin: &origin,
            source: &source,
            source_opts: &opts.source,
            opts: &opts.render,
            bucket: bucket.as_deref(),
            layout: opts.layout,
            folder: folder.path(),
            names: engine.naming(),
            parameters: &opts.parameter,
            app,
        };
        let workflows = maker.make(&selection).await?;
        engine.can_run(&workflows)?;
        Ok(Plan {
            job: format!(
                "{} {} build {}",
                job.job_type.as_str(),
                job.name,
                job.build_id
            ),
            place: record.place(),
            table: selection.to_table(),
            actions: engine.actions(&workflows),
            run_dir,
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "job: {}", self.job)?;
        writeln!(out, "run folder: {}", self.run_dir.display())?;
        writeln!(out, "results: {}", self.place)?;
        out.write_str(&self.table)?;
        for action in &self.actions {
            writeln!(out, "{action}")?;
        }
        Ok(())
    }
}
