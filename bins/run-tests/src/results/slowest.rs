//! The tests that took longest.

use std::time::Duration;

/// How many are named.
const NAMED: usize = 5;
/// What is not worth being named.
const SLOW: Duration = Duration::from_millis(500);

/// The slowest tests, the slowest first.
#[derive(Default)]
pub(crate) struct Slowest {
    tests: Vec<Slow>,
}

/// A slow test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slow {
    pub(crate) time: Duration,
    pub(crate) suite: String,
    pub(crate) name: String,
}

impl Slowest {
    pub(super) fn add(&mut self, time: Option<Duration>, suite: &str, name: &str) {
        let Some(time) = time.filter(|time| *time >= SLOW) else {
            return;
        };
        let place = self.tests.partition_point(|slow| slow.time >= time);
        if place >= NAMED {
            return;
        }
        let (suite, name) = (suite.to_owned(), name.to_owned());
        self.tests.insert(place, Slow { time, suite, name });
        self.tests.truncate(NAMED);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slow> {
        self.tests.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_slowest_are_named_and_none_that_is_quick() {
        let mut slowest = Slowest::default();
        for tenths in [3, 9, 7, 30, 8, 6, 31] {
            let time = Duration::from_millis(tenths * 100);
            slowest.add(Some(time), "s", &tenths.to_string());
        }
        let names: Vec<&str> = slowest.iter().map(|slow| slow.name.as_str()).collect();
        assert_eq!(names, ["31", "30", "9", "8", "7"]);
    }
}
