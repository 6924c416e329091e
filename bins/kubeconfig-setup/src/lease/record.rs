//! Who has a cluster: pure, in the time of the place that keeps it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// How much longer than its time a lease is honoured. Places tell their time in whole seconds, and
/// its servers agree to a fraction of one.
const GRACE: Duration = Duration::from_secs(2);

/// A time of a place's own clock: milliseconds since its epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    /// Of a place whose epoch is that of Unix.
    pub(crate) fn of(time: SystemTime) -> Self {
        Moment(0).plus(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Moment(self.0.saturating_add(milliseconds))
    }

    /// How long after an earlier one it is.
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// The state of one lease.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Who has it, unique for each taking; nobody, if empty.
    pub(crate) holder: String,
    /// How often it was taken: whoever has it has a number that nobody had before.
    pub(crate) fencing: u32,
    /// When it was taken.
    pub(crate) taken: Moment,
    /// The last heartbeat.
    pub(crate) renewed: Moment,
    /// How long it is good for after a heartbeat, in seconds.
    pub(crate) seconds: u32,
}

impl Record {
    /// When others may take it.
    fn ends(&self) -> Moment {
        let good_for = Duration::from_secs(self.seconds.into());
        self.renewed.plus(good_for + GRACE)
    }

    /// Whether nobody has it.
    pub(crate) fn is_free(&self, now: Moment) -> bool {
        self.holder.is_empty() || now >= self.ends()
    }

    /// Whether this is that taking of it, and not a later one.
    pub(crate) fn is_of(&self, holder: &str, fencing: u32) -> bool {
        !holder.is_empty() && self.holder == holder && self.fencing == fencing
    }

    /// The state once `holder` has taken it; none, if somebody has it.
    pub(crate) fn take(&self, holder: &str, now: Moment, seconds: u32) -> Option<Record> {
        self.is_free(now)
            .then(|| self.take_over(holder, now, seconds))
    }

    /// The state once `holder` has taken what is its run's already. It counts as a taking of its
    /// own, so that a process of the run that lives on nevertheless finds out.
    pub(crate) fn take_over(&self, holder: &str, now: Moment, seconds: u32) -> Record {
        Record {
            holder: holder.to_owned(),
            fencing: self.fencing.saturating_add(1),
            taken: now,
            renewed: now,
            seconds,
        }
    }

    /// The state after a heartbeat; it never lasts longer than `limit` after the taking.
    pub(crate) fn renew(&self, now: Moment, seconds: u32, limit: Duration) -> Option<Record> {
        let left = self.taken.plus(limit).since(now).as_secs();
        let seconds = seconds.min(u32::try_from(left).unwrap_or(u32::MAX));
        (seconds > 0).then(|| Record {
            renewed: now,
            seconds,
            ..self.clone()
        })
    }

    /// The state once it has been given back. The count stays.
    pub(crate) fn release(&self) -> Record {
        Record {
            holder: String::new(),
            seconds: 0,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: Moment = Moment(1_000_000);

    fn after(seconds: u64) -> Moment {
        NOON.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_lease_is_taken_once_and_again_when_it_has_run_out() {
        let taken = Record::default().take("a", NOON, 60).unwrap();
        assert_eq!(taken.take("b", after(61), 60), None);
        let next = taken.take("b", after(62), 60).unwrap();
        assert_eq!((next.holder.as_str(), next.fencing), ("b", 2));
        assert!(!next.is_of("a", 1));
    }

    #[test]
    fn a_heartbeat_keeps_it_and_the_limit_ends_it() {
        let taken = Record::default().take("a", NOON, 60).unwrap();
        let limit = Duration::from_secs(100);
        let renewed = taken.renew(after(50), 60, limit).unwrap();
        assert_eq!(renewed.seconds, 50, "not beyond the limit");
        assert!(!renewed.is_free(after(101)));
        assert!(renewed.is_free(after(102)));
        assert_eq!(renewed.renew(after(100), 60, limit), None);
    }

    #[test]
    fn what_was_given_back_is_free_at_once_and_counts_on() {
        let taken = Record::default().take("a", NOON, 60).unwrap();
        let given_back = taken.release();
        assert!(given_back.is_free(NOON));
        assert_eq!(given_back.take("b", NOON, 60).unwrap().fencing, 2);
        assert!(!given_back.is_of("", 1), "nobody is not somebody");
    }

    proptest! {
        /// Whatever is done in whatever order: no two takings overlap, and numbers grow.
        #[test]
        fn no_two_have_it(steps in prop::collection::vec((0_u64..90, 0_u8..3), 1..60)) {
            let (mut now, mut record) = (NOON, Record::default());
            let mut believed: Option<(Moment, u32)> = None;
            for (wait, step) in steps {
                now = now.plus(Duration::from_secs(wait));
                match step {
                    0 => if let Some(taken) = record.take("x", now, 60) {
                        if let Some((until, fencing)) = believed {
                            prop_assert!(until <= now && fencing < taken.fencing);
                        }
                        believed = Some((now.plus(Duration::from_mins(1)), taken.fencing));
                        record = taken;
                    },
                    1 => if let Some((until, fencing)) = believed
                        && now < until
                        && let Some(renewed) = record.renew(now, 60, Duration::from_mins(10))
                    {
                        let good_for = Duration::from_secs(renewed.seconds.into());
                        believed = Some((now.plus(good_for), fencing));
                        record = renewed;
                    },
                    _ => if let Some((until, fencing)) = believed && now < until {
                        believed = Some((now, fencing));
                        record = record.release();
                    },
                }
            }
        }
    }
}
