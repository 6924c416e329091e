//! When to try again.

use std::time::Duration;

/// Pauses before the second and the further tries of what the network failed.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_millis(1500),
    Duration::from_secs(4),
];

/// The pauses, each up to a half longer by chance: jobs that one outage failed together do not
/// come back together.
pub(crate) fn pauses() -> impl Iterator<Item = Duration> {
    PAUSES
        .into_iter()
        .map(|pause| pause + pause.mul_f64(fastrand::f64() / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_differ() {
        let one: Vec<_> = pauses().collect();
        assert!(one.is_sorted(), "{one:?}");
        for (pause, least) in one.iter().zip(PAUSES) {
            assert!((least..=least.mul_f64(1.5)).contains(pause), "{pause:?}");
        }
        assert!((0..20).any(|_| pauses().ne(one.iter().copied())));
    }
}
