//! The verdict: after everything else, and with the names of what is missing.

use common::Result;
use common::app::Stop;

use crate::clock::Clock;
use crate::plan::{Finish, Sync};
use crate::sync;

/// What the record's metadata call what is missing.
const MISSING: &str = "missing-artifacts";

/// Copies what is not in the bucket yet, and writes the verdict in any case: a job without its
/// end is worse than one that says what is missing.
pub(crate) async fn run(plan: Finish, stop: &Stop) -> Result<()> {
    let mut finished = plan.finished;
    let copied = match &plan.before {
        Some(before) => copy(before, stop).await,
        None => Ok(()),
    };
    if let Err(error) = &copied {
        let missing = error.report().into();
        finished.metadata.insert(MISSING.to_owned(), missing);
    }
    // A grace period of its own: the copying may have used up the other one.
    let clock = Clock::new(stop.clone(), plan.grace_period);
    let content = finished.to_json()?;
    let written = clock.in_time(&plan.bucket, &plan.name, &content).await;
    if let (Err(_), Err(error)) = (&written, &copied) {
        // The one that is returned is the other.
        tracing::error!("{}", error.report());
    }
    written?;
    tracing::info!("wrote {}", plan.bucket.url(&plan.name));
    copied
}

async fn copy(plan: &Sync, stop: &Stop) -> Result<()> {
    sync::run(plan, stop).await?.end(plan)
}
