//! Puts the programs of the image on a volume, for steps that run in other images.

mod install;
mod opts;
mod plan;

use common::app::App;
use common::{Exit, Result};

pub use opts::Opts;

use opts::Command;
use plan::Plan;

/// Plans and runs.
pub async fn run(opts: Opts, app: App) -> Result<Exit> {
    let Command::Install { folder, dry_run } = opts.command;
    let plan = Plan::new(folder)?;
    if dry_run {
        return app.print(&plan);
    }
    install::install(&plan, &app.stop).await?;
    Ok(Exit::Success)
}
