//! One of several runs that share a suite: each test belongs to exactly one of them.

mod cargo;
mod divide;
mod durations;
mod go;
mod pytest;
mod sharding;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

pub(crate) use divide::{Context, deadline, divide};
pub(crate) use durations::Durations;
pub(crate) use pytest::junit_names;
pub(crate) use sharding::{Divided, Sharding};

/// `I/N`: the I-th of N parts, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    of: u32,
}

impl Shard {
    /// The tests of this part. With durations the parts take about the same time: the longest
    /// test goes first, each to the part that has least to do. Without, a test's name alone
    /// decides, so that it stays where it is when others come and go.
    ///
    /// `seconds` gives how long a test took before; one that nobody knows counts as average.
    pub(crate) fn choose(
        self,
        tests: &BTreeSet<String>,
        seconds: impl Fn(&str) -> Option<f64>,
    ) -> BTreeSet<String> {
        let known: BTreeMap<&str, f64> = tests
            .iter()
            .filter_map(|test| Some((test.as_str(), seconds(test)?)))
            .collect();
        if known.is_empty() {
            let mine = |test: &&String| hash(test) % u64::from(self.of) == self.place() as u64;
            return tests.iter().filter(mine).cloned().collect();
        }
        let count = u32::try_from(known.len()).unwrap_or(u32::MAX);
        let average = known.values().sum::<f64>() / f64::from(count);
        let cost = |test: &str| known.get(test).copied().unwrap_or(average);
        // The set is sorted by name, and the sort is stable: all parts see the same order.
        let mut longest_first: Vec<&String> = tests.iter().collect();
        longest_first.sort_by(|one, other| cost(other).total_cmp(&cost(one)));
        let mut loads = vec![0.0_f64; self.of as usize];
        let mut chosen = BTreeSet::new();
        for test in longest_first {
            let least = (0..loads.len()).min_by(|one, other| loads[*one].total_cmp(&loads[*other]));
            let least = least.unwrap_or_default();
            loads[least] += cost(test);
            if least == self.place() {
                chosen.insert(test.clone());
            }
        }
        chosen
    }

    /// Counted from 0.
    fn place(self) -> usize {
        self.index as usize - 1
    }
}

/// FNV-1a: the same on every machine and in every version, unlike the standard library's.
fn hash(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    // The low bits alone are not well mixed.
    hash ^ (hash >> 32)
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('/')
            .and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((index, of)) if (1..=of).contains(&index) && of <= MOST => Ok(Shard { index, of }),
            _ => Err(format!(
                "expected I/N with I from 1 to N, such as 2/5, and N up to {MOST}"
            )),
        }
    }
}

/// The most parts.
const MOST: u32 = 10_000;

impl fmt::Display for Shard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shard(index: u32, of: u32) -> Shard {
        Shard { index, of }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_test_is_in_exactly_one_part(
            tests in prop::collection::btree_map("[a-z]{1,4}", prop::option::of(0.0..1e6_f64), 0..60),
            of in 1_u32..8,
        ) {
            let names: BTreeSet<String> = tests.keys().cloned().collect();
            let mut all = Vec::new();
            for index in 1..=of {
                all.extend(shard(index, of).choose(&names, |test| tests[test]));
            }
            all.sort();
            prop_assert_eq!(all, names.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn durations_make_parts_of_the_same_length() {
        let tests: BTreeSet<String> = (0..100).map(|number| format!("t{number}")).collect();
        let seconds = |test: &str| test[1..].parse().ok();
        let totals = [1, 2, 3].map(|index| {
            let part = shard(index, 3).choose(&tests, seconds);
            part.iter().filter_map(|test| seconds(test)).sum::<f64>()
        });
        // 4950 in all.
        assert!(
            totals.iter().all(|total| (1640.0..1660.0).contains(total)),
            "{totals:?}"
        );
    }

    #[test]
    fn without_durations_a_test_stays_where_it_is_when_others_come() {
        let few: BTreeSet<String> = (0..100).map(|number| format!("t{number}")).collect();
        let many: BTreeSet<String> = (0..300).map(|number| format!("t{number}")).collect();
        for index in 1..=4 {
            let before = shard(index, 4).choose(&few, |_| None);
            let after = shard(index, 4).choose(&many, |_| None);
            assert!(before.is_subset(&after));
            assert!((50..=100).contains(&after.len()), "{}", after.len());
        }
    }

    #[test]
    fn parts_are_counted_from_one() {
        assert_eq!("2/3".parse(), Ok(shard(2, 3)));
        for wrong in ["0/3", "4/3", "1", "a/b", "1/0", "-1/2", "1/99999", ""] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
