//! Gives the steps of a test a cluster: writes a kubeconfig, is its credential plugin, and keeps
//! runs from sharing a cluster.

mod api;
mod check;
mod get;
mod kubeconfig;
mod lease;
mod list;
mod opts;
mod plan;
mod pool;
mod release;
mod source;
mod token;

use common::app::App;
use common::{Exit, Result};

pub use opts::{
    CheckOpts, Command, ExecPlugin, FileOpts, GetOpts, LeaseOpts, LeasePlaceOpts, ListOpts, Opts,
    Output, PlaceOpts, ReleaseOpts, TokenOpts,
};

/// Plans and runs.
pub async fn run(opts: Opts, app: App) -> Result<Exit> {
    match opts.command {
        Command::Token(opts) => app.print(token::answer(&opts, &app).await?),
        Command::Get(opts) => {
            let dry_run = opts.dry_run;
            let plan = plan::Get::new(*opts, &app.env)?;
            if dry_run {
                return app.print(plan);
            }
            get::run(plan, &app).await
        }
        Command::Release(opts) => release::run(opts, &app).await,
        Command::List(opts) => list::run(opts, &app).await,
        Command::Check(opts) => check::run(opts, &app).await,
    }
}
