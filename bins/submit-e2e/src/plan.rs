//! What `run` would do, for `--dry-run`.

use std::fmt;
use std::path::PathBuf;

use common::Result;
use common::app::App;
use common::exec::Command;

use crate::engine::Local;
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
    commands: Vec<Command>,
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
        let maker = Maker {
            origin: &origin,
            source: &source,
            source_opts: &opts.source,
            opts: &opts.render,
            bucket: bucket.as_deref(),
            layout: opts.layout,
            folder: folder.path(),
            app,
        };
        let workflows = maker.make(&selection).await?;
        Local::can_run(&workflows)?;
        let engine = Local::new(&run_dir, opts);
        let prefix = session::prefix(&workflows);
        Ok(Plan {
            job: format!(
                "{} {} build {}",
                job.job_type.as_str(),
                job.name,
                job.build_id
            ),
            place: record.place(),
            table: selection.to_table(),
            commands: (workflows.iter())
                .map(|workflow| engine.run_command(workflow, &prefix(workflow)))
                .collect(),
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
        for command in &self.commands {
            writeln!(out, "{command}")?;
        }
        Ok(())
    }
}
