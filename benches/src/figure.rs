//! A measured value and its limit, as a row of a Markdown table.

use std::fmt;
use std::time::Duration;

/// The head of the table.
pub(crate) const HEADER: &str = "| figure | measured | limit | |\n| --- | ---: | ---: | --- |";

/// One row.
#[derive(Debug)]
pub(crate) struct Figure {
    what: String,
    measured: f64,
    unit: &'static str,
    limit: Option<Limit>,
}

/// What the value has to keep, in its unit.
#[derive(Debug, Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Figure {
    /// A value without a limit; see [`Figure::at_most`].
    pub(crate) fn new(what: impl Into<String>, measured: f64, unit: &'static str) -> Self {
        Figure {
            what: what.into(),
            measured,
            unit,
            limit: None,
        }
    }

    /// A time in milliseconds.
    pub(crate) fn milliseconds(what: impl Into<String>, time: Duration) -> Self {
        Figure::new(what, time.as_secs_f64() * 1000.0, "ms")
    }

    /// A size in megabytes of 10⁶ bytes, the smaller of the two that go by this name.
    pub(crate) fn megabytes(what: impl Into<String>, bytes: u64) -> Self {
        // Exact up to 2⁵³ bytes.
        #[expect(clippy::cast_precision_loss, reason = "sizes here are far below 2⁵³")]
        let megabytes = bytes as f64 / 1e6;
        Figure::new(what, megabytes, "MB")
    }

    /// Sets the limit, in the unit of the value.
    #[must_use]
    pub(crate) fn at_most(mut self, limit: f64) -> Self {
        self.limit = Some(Limit::AtMost(limit));
        self
    }

    /// Sets a limit below which the value must not be.
    #[must_use]
    pub(crate) fn at_least(mut self, limit: f64) -> Self {
        self.limit = Some(Limit::AtLeast(limit));
        self
    }

    /// Whether the value keeps its limit.
    pub(crate) fn is_good(&self) -> bool {
        match self.limit {
            None => true,
            Some(Limit::AtMost(limit)) => self.measured <= limit,
            Some(Limit::AtLeast(limit)) => self.measured >= limit,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figure {
            what,
            measured,
            unit,
            limit,
        } = self;
        write!(out, "| {what} | {measured:.1} {unit} | ")?;
        let verdict = if self.is_good() { "kept" } else { "MISSED" };
        match limit {
            None => out.write_str("| |"),
            Some(Limit::AtMost(limit)) => write!(out, "{} {unit} | {verdict} |", round(*limit)),
            Some(Limit::AtLeast(limit)) => write!(out, "≥ {limit} {unit} | {verdict} |"),
        }
    }
}

/// A limit may be a measured value itself.
fn round(limit: f64) -> f64 {
    (limit * 10.0).round() / 10.0
}

/// The median of some times; of an even number the upper one.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_above_its_limit_is_missed() {
        let good = Figure::megabytes("size", 20_000_000).at_most(20.0);
        let bad = Figure::milliseconds("time", Duration::from_micros(10_100)).at_most(10.0);
        assert!(good.is_good() && !bad.is_good());
        assert_eq!(good.to_string(), "| size | 20.0 MB | 20 MB | kept |");
        assert_eq!(bad.to_string(), "| time | 10.1 ms | 10 ms | MISSED |");
        let slow = Figure::new("ratio", 3.9, "×").at_least(4.0);
        assert_eq!(slow.to_string(), "| ratio | 3.9 × | ≥ 4 × | MISSED |");
        let free = Figure::new("rate", 5.0, "MB/s");
        assert_eq!(free.to_string(), "| rate | 5.0 MB/s | | |");
    }

    #[test]
    fn the_median_ignores_an_outlier() {
        let times = [9000, 2, 1].map(Duration::from_millis).to_vec();
        assert_eq!(median(times), Duration::from_millis(2));
    }
}
