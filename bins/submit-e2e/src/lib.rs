//! TO BE WRITTEN.

mod config;
mod fnmatch;
mod opts;

use common::app::App;
use common::{Error, Exit, Result};

pub use opts::Opts;

/// Plans and runs.
pub async fn run(_opts: Opts, _app: App) -> Result<Exit> {
    Err(Error::usage("nothing is built yet"))
}
