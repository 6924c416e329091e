//! Which runs leave.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::scan::Run;

/// What may stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Time after its last change for which a run stays.
    pub(super) age: Duration,
    /// Bytes that all of them together may take.
    pub(super) size: Option<u64>,
    /// Time after its last change in which nothing removes a run: it may be going on.
    pub(super) rest: Duration,
}

/// Why a run leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Nothing in it was changed for this long.
    Old(Duration),
    /// All together are too large, and this is one of the oldest.
    Large,
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Old(age) => {
                let hours = Duration::from_secs(age.as_secs() / 3600 * 3600);
                let shown = humantime::format_duration(hours);
                write!(out, "unchanged for {shown}")
            }
            Reason::Large => out.write_str("the oldest of more than --max-size allows"),
        }
    }
}

/// What happens to all runs.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// Those that leave, the oldest first.
    pub(super) leave: Vec<(Run, Reason)>,
    /// How many stay.
    pub(super) stay: u64,
    /// Their bytes.
    pub(super) stay_size: u64,
    /// Whether these are more than they may be.
    pub(super) too_large: bool,
}

/// Takes those that are too old, then the oldest until the rest is small enough.
pub(super) fn choose(mut runs: Vec<Run>, limits: Limits, now: SystemTime) -> Chosen {
    runs.sort_by(|one, other| (one.changed, &one.folder).cmp(&(other.changed, &other.folder)));
    let mut total: u64 = runs.iter().map(|run| run.size).sum();
    let mut chosen = Chosen::default();
    let is_large = |total| limits.size.is_some_and(|size| total > size);
    for run in runs {
        // A clock that was ahead when it was written: as if it were new.
        let age = now.duration_since(run.changed).unwrap_or_default();
        let reason = if age <= limits.rest {
            None
        } else if age > limits.age {
            Some(Reason::Old(age))
        } else {
            is_large(total).then_some(Reason::Large)
        };
        match reason {
            Some(reason) => {
                total -= run.size;
                chosen.leave.push((run, reason));
            }
            None => chosen.stay += 1,
        }
    }
    chosen.stay_size = total;
    chosen.too_large = is_large(total);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// Runs of 10 bytes that were changed so many hours ago, by name.
    fn left(ages: &[(&str, u32)], size: Option<u64>) -> (Vec<String>, bool) {
        let now = SystemTime::UNIX_EPOCH + HOUR * 1000;
        let runs = ages.iter().map(|(name, age)| Run {
            folder: name.into(),
            size: 10,
            changed: now - HOUR * *age,
        });
        let limits = Limits {
            age: HOUR * 100,
            size,
            rest: HOUR * 24,
        };
        let chosen = choose(runs.collect(), limits, now);
        let names = chosen.leave.iter();
        let names = names.map(|(run, _)| run.folder.display().to_string());
        (names.collect(), chosen.too_large)
    }

    #[test]
    fn old_runs_leave_the_oldest_first() {
        let ages = [("b", 101), ("a", 100), ("c", 300), ("d", 0)];
        assert_eq!(left(&ages, None), (vec!["c".into(), "b".into()], false));
    }

    #[test]
    fn the_oldest_leave_until_the_rest_is_small_enough() {
        let ages = [("a", 50), ("b", 60), ("c", 70), ("d", 1)];
        assert_eq!(left(&ages, Some(20)).0, ["c", "b"]);
        assert_eq!(left(&ages, Some(40)).0, [""; 0]);
    }

    #[test]
    fn what_may_be_going_on_stays_however_large_all_are() {
        let ages = [("a", 1), ("b", 24), ("c", 25)];
        assert_eq!(left(&ages, Some(0)), (vec!["c".into()], true));
    }
}
