//! Taking one of several clusters, first come first served.

use std::time::{Duration, Instant};

use common::app::Stop;
use common::{Error, Exit, Result};

use super::place::{Place, Seen};
use super::record::Record;

/// What is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    /// The names of the leases, the best cluster first.
    pub(crate) names: Vec<String>,
    /// The name of the queue of those who want one of them.
    pub(crate) queue: String,
    /// Who takes it; nobody else has this name.
    pub(crate) holder: String,
    /// How long it is good for after a heartbeat.
    pub(crate) seconds: u32,
    /// How long to wait for one.
    pub(crate) wait: Duration,
    /// How long a place that is out of reach is tried, if that is longer.
    pub(crate) timeout: Duration,
}

/// A lease that we have.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) name: String,
    pub(crate) holder: String,
    pub(crate) fencing: u32,
    /// Until when it is certain that nobody else has it.
    pub(crate) good_until: Instant,
}

/// What one look found.
enum Look {
    Taken(Taken),
    /// Who has the clusters, and how many wait before us.
    Nothing(Vec<String>, usize),
}

/// Waits for a free cluster and takes it.
pub(crate) async fn take(place: &Place, want: &Want, stop: &Stop) -> Result<Taken> {
    let begun = Instant::now();
    let mut waiting = Waiting::default();
    let taken = loop {
        let look = tokio::select! {
            look = waiting.look(place, want) => look,
            signal = stop.wait() => break Err(Error::interrupted(signal, "interrupted: waiting for a cluster")),
        };
        match look {
            Ok(Look::Taken(taken)) => break Ok(taken),
            Ok(Look::Nothing(holders, before)) if begun.elapsed() >= want.wait => {
                break Err(none_free(want, &holders, before));
            }
            Ok(Look::Nothing(holders, before)) => waiting.tell(&holders, before),
            Err(error)
                if error.exit() == Exit::Unavailable
                    && begun.elapsed() < want.wait.max(want.timeout) =>
            {
                tracing::warn!("{}; trying again", error.report());
            }
            Err(error) => break Err(error),
        }
        let pause = place.rhythm().look.mul_f64(0.5 + fastrand::f64());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            signal = stop.wait() => break Err(Error::interrupted(signal, "interrupted: waiting for a cluster")),
        }
    };
    waiting.leave(place, want).await;
    taken
}

/// Our place in the queue.
#[derive(Debug, Default)]
struct Waiting {
    /// When we were last heard of.
    heard: Option<Instant>,
    told: Option<usize>,
}

impl Waiting {
    async fn look(&mut self, place: &Place, want: &Want) -> Result<Look> {
        let queue = place.queue(&want.queue).await?;
        let before = queue.value.before(&want.holder, place.at(queue.now));
        let (mut free, mut holders) = (Vec::new(), Vec::new());
        for name in &want.names {
            let asked = Instant::now();
            let seen = place.lease(name).await?;
            if seen.value.holder == want.holder {
                // Taken by an attempt whose answer was lost.
                return Ok(Look::Taken(taken(name, &seen.value, asked)));
            }
            if seen.value.is_free(seen.now) {
                free.push((name, seen, asked));
            } else {
                holders.push(seen.value.holder);
            }
        }
        // Whoever is third takes the third one, so that they do not all try for the first.
        if before < free.len() {
            free.rotate_left(before);
            for (name, seen, asked) in free {
                if let Some(record) = try_take(place, want, name, &seen).await? {
                    return Ok(Look::Taken(taken(name, &record, asked)));
                }
            }
        }
        if !want.wait.is_zero()
            && self
                .heard
                .is_none_or(|heard| heard.elapsed() >= place.rhythm().beat)
        {
            let queued = queue.value.heard(&want.holder, place.at(queue.now));
            if place
                .set_queue(&want.queue, &queued, &queue.version)
                .await?
            {
                self.heard = Some(Instant::now());
            }
        }
        Ok(Look::Nothing(holders, before))
    }

    fn tell(&mut self, holders: &[String], before: usize) {
        if self.told != Some(before) {
            self.told = Some(before);
            tracing::info!(
                "no cluster is free: taken by {}; {before} wait before us",
                holders.join(", ")
            );
        }
    }

    /// Leaves the queue; whoever cannot is forgotten after a while.
    async fn leave(&self, place: &Place, want: &Want) {
        if self.heard.is_none() {
            return;
        }
        let leave = async {
            loop {
                let queue = place.queue(&want.queue).await?;
                let left = queue.value.left(&want.holder, place.at(queue.now));
                if place.set_queue(&want.queue, &left, &queue.version).await? {
                    return Ok::<(), Error>(());
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(10), leave).await {
            Ok(Err(error)) => tracing::debug!("leave the queue: {}", error.report()),
            Err(_) => tracing::debug!("leave the queue: it takes too long"),
            Ok(Ok(())) => {}
        }
    }
}

async fn try_take(
    place: &Place,
    want: &Want,
    name: &str,
    seen: &Seen<Record>,
) -> Result<Option<Record>> {
    let Some(record) = seen.value.take(&want.holder, seen.now, want.seconds) else {
        return Ok(None);
    };
    let is_ours = place.set_lease(name, &record, &seen.version).await?;
    Ok(is_ours.then_some(record))
}

/// Counted from before the place was asked for its time.
fn taken(name: &str, record: &Record, asked: Instant) -> Taken {
    Taken {
        name: name.to_owned(),
        holder: record.holder.clone(),
        fencing: record.fencing,
        good_until: asked + Duration::from_secs(record.seconds.into()),
    }
}

fn none_free(want: &Want, holders: &[String], before: usize) -> Error {
    let count = want.names.len();
    let taken = match holders {
        [] => format!("{before} others wait for them"),
        _ => format!("taken by {}", holders.join(", ")),
    };
    let waited = humantime::format_duration(want.wait);
    Error::unavailable(format!("none of the {count} clusters is free: {taken}"))
        .hint(format!("waited for {waited}; --wait says how long"))
}
