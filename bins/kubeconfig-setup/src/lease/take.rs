//! Taking one of several clusters, first come first served.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use common::app::Stop;
use common::{Error, Exit, Result};

use super::place::Place;
use super::record::Record;

/// What is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    /// The name of the queue of those who want one of them.
    pub(crate) queue: String,
    /// Who takes it; nobody else has this name.
    pub(crate) holder: String,
    /// What processes of this run took before, which are gone.
    pub(crate) earlier: Vec<Taken>,
    /// How long it is good for after a heartbeat.
    pub(crate) seconds: u32,
    /// How long to wait for one.
    pub(crate) wait: Duration,
    /// How long a place that is out of reach is tried, if that is longer.
    pub(crate) timeout: Duration,
}

impl Want {
    /// Whether a lease is this run's: by an attempt of ours whose answer was lost, or by a process
    /// that is gone.
    fn has(&self, name: &str, record: &Record) -> bool {
        let is_it =
            |taken: &Taken| taken.name == name && record.is_of(&taken.holder, taken.fencing);
        record.holder == self.holder || self.earlier.iter().any(is_it)
    }
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
    /// Of how many clusters, who has them, and how many wait before us.
    Nothing(usize, Vec<String>, usize),
}

/// How long it may take to leave nothing behind.
const LEAVING: Duration = Duration::from_secs(10);

/// Waits for a free cluster and takes it. `names` gives the names of the leases that will do, the
/// best cluster's first; they change while we wait.
pub(crate) async fn take(
    place: &Place,
    want: &Want,
    mut names: impl AsyncFnMut() -> Vec<String>,
    stop: &Stop,
) -> Result<Taken> {
    let begun = Instant::now();
    let interrupted = |signal| Error::interrupted(signal, "interrupted: waiting for a cluster");
    let mut waiting = Waiting::default();
    let taken = loop {
        let look = async {
            let names = names().await;
            waiting.look(place, want, &names).await
        };
        let look = tokio::select! {
            look = look => look,
            signal = stop.wait() => break Err(interrupted(signal)),
        };
        match look {
            Ok(Look::Taken(taken)) => break Ok(taken),
            Ok(Look::Nothing(count, holders, before)) if begun.elapsed() >= want.wait => {
                break Err(none_free(want, count, &holders, before));
            }
            Ok(Look::Nothing(_, holders, before)) => waiting.tell(&holders, before),
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
            signal = stop.wait() => break Err(interrupted(signal)),
        }
    };
    let failed = taken.is_err();
    tokio::join!(waiting.leave(place, want), async {
        if failed {
            waiting.give_back(place, want).await;
        }
    });
    taken
}

/// Our place in the queue.
#[derive(Debug, Default)]
struct Waiting {
    /// When we were last heard of.
    heard: Option<Instant>,
    told: Option<usize>,
    /// What we tried to take: an answer that was lost may have been a yes.
    tried: BTreeSet<String>,
}

impl Waiting {
    async fn look(&mut self, place: &Place, want: &Want, names: &[String]) -> Result<Look> {
        let queue = place.queue(&want.queue).await?;
        let before = queue.value.before(&want.holder, place.at(queue.now));
        let (mut free, mut holders) = (Vec::new(), Vec::new());
        for name in names {
            let asked = Instant::now();
            let seen = place.lease(name).await?;
            if seen.value.is_free(seen.now) {
                free.push((name, seen, asked));
            } else if want.has(name, &seen.value) {
                // How much of its time is left is not ours to guess: it begins anew.
                let record = (seen.value).take_over(&want.holder, seen.now, want.seconds);
                if self.put(place, name, &record, &seen.version).await? {
                    return Ok(Look::Taken(taken(name, &record, asked)));
                }
            } else {
                holders.push(seen.value.holder);
            }
        }
        // Whoever is third takes the third one, so that they do not all try for the first.
        if before < free.len() {
            free.rotate_left(before);
            for (name, seen, asked) in free {
                let record = seen.value.take(&want.holder, seen.now, want.seconds);
                if let Some(record) = record
                    && self.put(place, name, &record, &seen.version).await?
                {
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
        Ok(Look::Nothing(names.len(), holders, before))
    }

    async fn put(
        &mut self,
        place: &Place,
        name: &str,
        record: &Record,
        version: &str,
    ) -> Result<bool> {
        self.tried.insert(name.to_owned());
        place.set_lease(name, record, version).await
    }

    fn tell(&mut self, holders: &[String], before: usize) {
        if self.told == Some(before) {
            return;
        }
        self.told = Some(before);
        if holders.is_empty() {
            tracing::info!("no cluster is free; {before} wait before us");
        } else {
            let holders = holders.join(", ");
            tracing::info!("no cluster is free: taken by {holders}; {before} wait before us");
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
                    return Ok(());
                }
            }
        };
        try_to("leave the queue", leave).await;
    }

    /// Gives back what was taken without our hearing of it; what cannot be given back is free
    /// when it has run out.
    async fn give_back(&self, place: &Place, want: &Want) {
        let give = async {
            for name in &self.tried {
                let seen = place.lease(name).await?;
                if seen.value.holder == want.holder
                    && place
                        .set_lease(name, &seen.value.release(), &seen.version)
                        .await?
                {
                    tracing::info!("gave {name} back");
                }
            }
            Ok(())
        };
        try_to("give back", give).await;
    }
}

/// Does what is good to be done and harms nobody if it is not.
async fn try_to(what: &str, work: impl Future<Output = Result<()>>) {
    match tokio::time::timeout(LEAVING, work).await {
        Ok(Err(error)) => tracing::debug!("{what}: {}", error.report()),
        Err(_) => tracing::debug!("{what}: it takes too long"),
        Ok(Ok(())) => {}
    }
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

fn none_free(want: &Want, count: usize, holders: &[String], before: usize) -> Error {
    let what = match (count, holders) {
        (0, _) => "no cluster of the pool is RUNNING".to_owned(),
        (_, []) => format!("none of the {count} clusters is free: {before} others wait for them"),
        _ => {
            let holders = holders.join(", ");
            format!("none of the {count} clusters is free: taken by {holders}")
        }
    };
    let waited = humantime::format_duration(want.wait);
    Error::unavailable(what).hint(format!("waited for {waited}; --wait says how long"))
}

#[cfg(test)]
mod tests {
    use common::env::Env;

    use super::super::place::{Address, Seen};
    use super::super::record::Moment;
    use super::*;

    const NAME: &str = "gke.p.z.c";

    fn want() -> Want {
        Want {
            queue: "queue.p.0".to_owned(),
            holder: "job-1-a".to_owned(),
            earlier: Vec::new(),
            seconds: 60,
            wait: Duration::ZERO,
            timeout: Duration::ZERO,
        }
    }

    /// A lease that `holder` took so many seconds ago, and what comes of wanting it.
    async fn after(seconds: u64, holder: &str, want: &Want) -> (Result<Taken>, Seen<Record>) {
        let folder = tempfile::tempdir().unwrap();
        let place = Address::Folder(folder.path().into());
        let place = place.open(&Env::default()).await.unwrap();
        let seen = place.lease(NAME).await.unwrap();
        let then = Moment(seen.now.0.saturating_sub(seconds * 1000));
        let record = seen.value.take(holder, then, 60).unwrap();
        assert!(place.set_lease(NAME, &record, "").await.unwrap());
        let names = async || vec![NAME.to_owned()];
        let taken = take(&place, want, names, &Stop::never()).await;
        (taken, place.lease(NAME).await.unwrap())
    }

    #[tokio::test]
    async fn a_taking_whose_answer_was_lost_is_good_for_no_longer_than_its_record() {
        for (seconds, fencing) in [(0, 2), (50, 2), (61, 2), (100, 2)] {
            let begun = Instant::now();
            let (taken, seen) = after(seconds, "job-1-a", &want()).await;
            let taken = taken.unwrap();
            assert_eq!((taken.fencing, seen.value.fencing), (fencing, fencing));
            assert!(!seen.value.is_free(seen.now));
            let left = seen.value.renewed.plus(Duration::from_mins(1));
            // Places tell their time in whole milliseconds.
            let slack = Duration::from_millis(5);
            let left = left.since(seen.now) + begun.elapsed() + slack;
            assert!(taken.good_until <= begun + left, "{seconds}: {left:?}");
        }
    }

    #[tokio::test]
    async fn a_step_that_runs_again_takes_over_what_its_first_try_took() {
        let mut want = want();
        want.earlier = vec![Taken {
            name: NAME.to_owned(),
            holder: "job-1-b".to_owned(),
            fencing: 1,
            good_until: Instant::now(),
        }];
        let (taken, seen) = after(10, "job-1-b", &want).await;
        assert_eq!(taken.unwrap().fencing, 2);
        assert_eq!(seen.value.holder, "job-1-a");
        // A later taking, of another holder or of none that we know, is not ours.
        want.earlier[0].fencing = 7;
        let (taken, seen) = after(10, "job-1-b", &want).await;
        let error = taken.unwrap_err();
        assert!(error.report().contains("taken by job-1-b"), "{error}");
        assert_eq!(seen.value.fencing, 1);
    }
}
