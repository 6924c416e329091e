//! Waits for workflows that are there already.

use std::collections::HashMap;

use common::app::App;
use common::workflow::Phase;
use common::{Error, Exit, Result};
use futures::future::join_all;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info};

use super::Objects;
use crate::engine::argo::feed::News;
use crate::engine::argo::track::Tracker;
use crate::engine::argo::view::Seen;
use crate::opts::ObjectsOpts;

/// How many news may wait to be looked at.
const WAITING: usize = 16;

/// What is known of one workflow.
#[derive(Default)]
struct Awaited {
    tracker: Tracker,
    uid: String,
    /// How it ended; an error where it was deleted.
    end: Option<Phase>,
}

/// Waits until all have come to their ends; the exit code tells how.
pub(crate) async fn wait(opts: ObjectsOpts, app: App) -> Result<Exit> {
    let until = Instant::now().checked_add(opts.timeout);
    let until = until.ok_or_else(|| Error::usage("--timeout is longer than time lasts"))?;
    let objects = Objects::new(&opts, &app).await?;
    let mut awaited: HashMap<String, Awaited> = HashMap::new();
    for seen in objects.all().await? {
        awaited
            .entry(seen.name.clone())
            .or_default()
            .uid
            .clone_from(&seen.uid);
        see(&mut awaited, &seen, false);
    }
    let (sender, mut news) = mpsc::channel(WAITING);
    let feeds = objects.feeds().into_iter();
    let feeds = join_all(feeds.map(|feed| feed.run(&objects.cluster, sender.clone())));
    tokio::pin!(feeds);
    let mut feeds_ended = false;
    while awaited.values().any(|one| one.end.is_none()) {
        tokio::select! {
            // What ended them they have told.
            _ = &mut feeds, if !feeds_ended => feeds_ended = true,
            Some(news) = news.recv() => match news {
                News::Object { seen, is_deleted, .. } => see(&mut awaited, &seen, is_deleted),
                News::All { uids, .. } => {
                    let is_gone = |one: &&mut Awaited| one.end.is_none() && !uids.contains(&one.uid);
                    // A list of one feed does not tell of another one's objects.
                    if objects.feeds().len() == 1 {
                        for one in awaited.values_mut().filter(is_gone) {
                            one.end = Some(Phase::Error);
                        }
                    }
                }
                News::Lost(error) => return Err(error),
            },
            signal = app.stop.wait() => {
                return Err(Error::interrupted(signal, "interrupted: the workflows go on"));
            }
            () = sleep_until(until) => {
                return Err(Error::timed_out("not all workflows have ended within --timeout"));
            }
        }
    }
    let all_succeeded = awaited
        .values()
        .all(|one| one.end == Some(Phase::Succeeded));
    Ok(if all_succeeded {
        Exit::Success
    } else {
        Exit::Failed
    })
}

fn see(awaited: &mut HashMap<String, Awaited>, seen: &Seen, is_deleted: bool) {
    let name = &seen.name;
    let Some(one) = awaited
        .get_mut(name)
        .filter(|one| one.end.is_none() && one.uid == seen.uid)
    else {
        return;
    };
    for transition in one.tracker.observe(seen) {
        info!("{name}/{}", transition.text());
    }
    if seen.is_final() {
        one.end = Some(seen.status.phase);
        let message = &seen.status.message;
        if seen.status.phase == Phase::Succeeded {
            info!("{name} ends: Succeeded");
        } else {
            error!("{name} ends: {}: {message}", seen.status.phase);
        }
    } else if is_deleted {
        error!("{name} was deleted while it ran");
        one.end = Some(Phase::Error);
    }
}
