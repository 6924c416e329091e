//! `--delete`: removes the objects that have no file. And what killed uploads have left behind.

use std::sync::Arc;

use common::Result;
use common::bucket::{Bucket, ObjectName, Present};
use tokio::task::JoinSet;

/// How many objects are removed at once.
const AT_ONCE: usize = 16;

/// Removes these objects, in the generation that was listed; gives how many.
pub(crate) async fn remove(
    bucket: &Bucket,
    present: &Arc<Present>,
    names: Vec<ObjectName>,
) -> Result<u64> {
    let mut removed = 0;
    let mut names = names.into_iter();
    let mut tasks: JoinSet<Result<()>> = JoinSet::new();
    loop {
        while tasks.len() < AT_ONCE
            && let Some(name) = names.next()
        {
            let (bucket, present) = (bucket.clone(), present.clone());
            tasks.spawn(async move {
                bucket.remove(&name, &present).await?;
                tracing::info!("removed {}", bucket.url(&name));
                Ok(())
            });
        }
        match tasks.join_next().await {
            Some(Ok(ended)) => ended?,
            Some(Err(error)) => return Err(common::Error::failed("remove").because(error)),
            None => return Ok(removed),
        }
        removed += 1;
    }
}

/// Removes what killed uploads have left behind. It harms nobody who cannot.
pub(crate) async fn remove_leftovers(bucket: &Bucket, present: &Present) {
    match bucket.remove_leftovers(present).await {
        Ok(0) => {}
        Ok(removed) => tracing::info!("removed {removed} leftovers of uploads that were killed"),
        Err(error) => tracing::warn!(
            "leftovers of uploads that were killed stay: {}",
            error.report()
        ),
    }
}
