//! Checking out the job's repositories, for a job that starts with nothing.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use common::app::Stop;
use common::exec::{self, Cause, Limits};
use common::{Error, Result, ResultExt};
use tokio::time::Instant;
use tracing::info;

use crate::output::{Lines, Output};
use crate::siblings;

/// Places them below a folder, as `checkout.sh` does; what it says goes to the build log.
pub(crate) async fn place(
    folder: &Path,
    deadline: Instant,
    grace: Duration,
    stop: &Stop,
    output: Rc<Output>,
) -> Result<()> {
    let command = exec::Command::new(siblings::program("checkout"))
        .arg("--called-as=checkout.sh")
        .arg("--src-dir")
        .arg(folder);
    info!("{command}");
    let limits = Limits {
        deadline: Some(deadline),
        grace,
    };
    let mut lines = Lines::new(output, limits, stop.clone());
    let ended = exec::run(&command, limits, stop, &mut lines).await;
    lines.finish().await.or_failed(|| "write the build log")?;
    let ended = ended.or_failed(|| format!("run {}", command.program.display()))?;
    let what = "the job's repositories could not be checked out";
    match (ended.cause, ended.code()) {
        (Cause::Itself, 0) => Ok(()),
        (Cause::Deadline, _) => Err(Error::timed_out(what)),
        (Cause::Stopped(signal), _) => Err(Error::interrupted(signal, what)),
        (Cause::Itself, 2) => Err(Error::usage(what)),
        (Cause::Itself, 75) => Err(Error::unavailable(what)),
        (Cause::Itself, _) => Err(Error::failed(what)),
    }
}
