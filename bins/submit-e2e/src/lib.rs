//! The Prow entrypoint: selects the workflows that a change calls for, runs each, and leaves
//! the verdict and its evidence in a bucket.

mod changes;
mod config;
mod engine;
mod evaluate;
mod fnmatch;
mod lint;
mod names;
mod opts;
mod origin;
mod output;
mod plan;
mod produce;
mod record;
mod render;
mod select;
mod selection;
mod session;
mod siblings;
mod summary;
mod verdict;
mod workflows;
mod worktree;

use common::app::App;
use common::bucket::Layout;
use common::{Exit, Result, yaml};
use serde_json::Value;
use tracing::info;

use opts::{Command, PlanOpts, PlanOutput, RunOpts, ShowOpts, ShowOutput};
use origin::Origin;
use plan::Plan;
use selection::Selection;
use workflows::{Maker, Workflow};

pub use opts::Opts;

/// When this program was started by itself, for a child: becomes that. `None` in every other call.
pub fn enter() -> Option<std::process::ExitCode> {
    common::view::enter().or_else(evaluate::enter)
}

/// Plans and runs.
pub async fn run(opts: Opts, app: App) -> Result<Exit> {
    match opts.command {
        Some(Command::Plan(opts)) => plan(opts, app).await,
        Some(Command::Show(opts)) => show(opts, app).await,
        Some(Command::Lint(opts)) => lint::run(opts, app).await,
        Some(Command::Run(opts)) => run_or_explain(opts, app).await,
        None => run_or_explain(opts.run, app).await,
    }
}

async fn run_or_explain(opts: RunOpts, app: App) -> Result<Exit> {
    if opts.dry_run {
        let plan = Plan::make(&opts, &app).await?;
        return app.print(plan);
    }
    session::run(opts, app).await
}

async fn plan(opts: PlanOpts, app: App) -> Result<Exit> {
    let (origin, _folder) = Origin::find(&opts.source, &app).await?;
    let source = origin.source(&opts.source, &app).await?;
    let selection = Selection::make(&origin, &source, &opts.source, &app).await?;
    match opts.output {
        PlanOutput::Table => app.print(selection.to_table()),
        PlanOutput::Json => app.print(format!("{:#}\n", selection.to_json())),
    }
}

async fn show(opts: ShowOpts, app: App) -> Result<Exit> {
    let (origin, folder) = Origin::find(&opts.source, &app).await?;
    let source = origin.source(&opts.source, &app).await?;
    let selection = Selection::make(&origin, &source, &opts.source, &app).await?;
    let maker = Maker {
        origin: &origin,
        source: &source,
        source_opts: &opts.source,
        opts: &opts.render,
        bucket: opts.render.bucket.as_deref(),
        layout: Layout::Prow,
        folder: folder.path(),
        app: &app,
    };
    let workflows = maker.make(&selection).await?;
    if workflows.is_empty() {
        let why = selection.why_nothing(opts.source.only.as_deref());
        info!("nothing would be submitted: {why}");
    }
    let objects = workflows.iter().flat_map(Workflow::objects);
    let manifests = objects.map(record::masked);
    match opts.output {
        ShowOutput::Json => app.print(format!("{:#}\n", manifests.collect::<Value>())),
        ShowOutput::Yaml => {
            let documents = manifests.map(|manifest| yaml::to_string(&manifest));
            app.print(documents.collect::<Result<Vec<_>>>()?.join("---\n"))
        }
    }
}
