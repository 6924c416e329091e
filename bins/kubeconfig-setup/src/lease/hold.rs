//! The heartbeat of a lease, and its end.

use std::path::Path;
use std::time::{Duration, Instant};

use common::app::Stop;
use common::{Error, Exit, Result};

use super::place::Place;
use super::take::Taken;

/// How often the file that ends it is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// How long giving back may take: a pod that is told to end has not much more.
const GIVING_BACK: Duration = Duration::from_secs(15);

/// The pause before a place that was out of reach is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// How it is to be held.
#[derive(Debug, Clone)]
pub(crate) struct Holding<'a> {
    /// How long a heartbeat is good for.
    pub(crate) seconds: u32,
    /// How long it may be held in all.
    pub(crate) limit: Duration,
    /// Ends it when it is there.
    pub(crate) until_file: Option<&'a Path>,
}

/// What becomes of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Renewed,
    /// It is used no more, and given back next.
    Ending,
}

/// Renews the lease, telling each time, until it is to end; then gives it back.
pub(crate) async fn hold(
    place: &Place,
    mut taken: Taken,
    holding: &Holding<'_>,
    stop: &Stop,
    mut tell: impl FnMut(Event, &Taken) -> Result<()>,
) -> Result<()> {
    let beat = Duration::from_secs(holding.seconds.into()) / 3;
    let mut next = Instant::now() + beat;
    loop {
        if stop.asked().is_some() || holding.until_file.is_some_and(Path::exists) {
            tell(Event::Ending, &taken)?;
            return give_back(place, &taken).await;
        }
        let until_next = next.saturating_duration_since(Instant::now());
        if !until_next.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(until_next.min(LOOK)) => {}
                _ = stop.wait() => {}
            }
            continue;
        }
        let attempt = renew(place, &taken, holding);
        match tokio::time::timeout_at(taken.good_until.into(), attempt).await {
            Ok(Ok(Renewed::Until(good_until))) => {
                taken.good_until = good_until;
                tell(Event::Renewed, &taken)?;
                next = Instant::now() + beat;
            }
            Ok(Ok(Renewed::Again)) => {}
            Ok(Ok(Renewed::Limit)) => {
                tell(Event::Ending, &taken)?;
                give_back(place, &taken).await?;
                let limit = humantime::format_duration(holding.limit);
                return Err(Error::timed_out(format!("held {} for {limit}", taken.name))
                    .hint("--time-limit says how long a run may hold a cluster"));
            }
            Ok(Err(error))
                if error.exit() == Exit::Unavailable && Instant::now() < taken.good_until =>
            {
                tracing::warn!("{}; trying again", error.report());
                next = Instant::now() + beat / 10;
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                return Err(Error::unavailable(format!(
                    "the lease {} ran out before it could be renewed",
                    taken.name
                )));
            }
        }
    }
}

enum Renewed {
    Until(Instant),
    /// The place changed under us: look again.
    Again,
    Limit,
}

async fn renew(place: &Place, taken: &Taken, holding: &Holding<'_>) -> Result<Renewed> {
    let asked = Instant::now();
    let seen = place.lease(&taken.name).await?;
    if !seen.value.is_of(&taken.holder, taken.fencing) {
        return Err(lost(taken, &seen.value.holder));
    }
    let Some(record) = seen.value.renew(seen.now, holding.seconds, holding.limit) else {
        return Ok(Renewed::Limit);
    };
    if !place.set_lease(&taken.name, &record, &seen.version).await? {
        return Ok(Renewed::Again);
    }
    let good_for = Duration::from_secs(record.seconds.into());
    Ok(Renewed::Until(asked + good_for))
}

fn lost(taken: &Taken, holder: &str) -> Error {
    let whose = match holder {
        "" => "it was given back".to_owned(),
        holder => format!("{holder} has it"),
    };
    Error::failed(format!(
        "the lease {} is not ours any more: {whose}",
        taken.name
    ))
    .hint("nothing may use the cluster in this run's name from now on")
}

/// Gives it back, if it still is this taking's. A place that is out of reach is tried for a while.
pub(crate) async fn give_back(place: &Place, taken: &Taken) -> Result<()> {
    let what = format!("give {} back", taken.name);
    try_until_reached(what, GIVING_BACK, async || {
        give_back_now(place, taken).await
    })
    .await
}

/// The same, tried once.
pub(crate) async fn give_back_now(place: &Place, taken: &Taken) -> Result<()> {
    loop {
        let seen = place.lease(&taken.name).await?;
        if !seen.value.is_of(&taken.holder, taken.fencing) {
            tracing::info!("{} was ours no more", taken.name);
            return Ok(());
        }
        let free = seen.value.release();
        if place.set_lease(&taken.name, &free, &seen.version).await? {
            tracing::info!("gave {} back", taken.name);
            return Ok(());
        }
    }
}

/// Tries as long as a place is out of reach, within a limit; the error is the last try's.
pub(crate) async fn try_until_reached(
    what: String,
    limit: Duration,
    mut attempt: impl AsyncFnMut() -> Result<()>,
) -> Result<()> {
    let mut last = None;
    let tries = async {
        loop {
            match attempt().await {
                Err(error) if error.exit() == Exit::Unavailable => {
                    if last.is_none() {
                        tracing::warn!("{}; trying again", error.report());
                    }
                    last = Some(error);
                    tokio::time::sleep(PAUSE).await;
                }
                ended => return ended,
            }
        }
    };
    let ended = tokio::time::timeout(limit, tries).await;
    ended.unwrap_or_else(|_| {
        let error = Error::unavailable(what).hint("it becomes free when it has run out");
        Err(match last {
            Some(last) => error.because(last.report()),
            None => error,
        })
    })
}
