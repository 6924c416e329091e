//! When to try again, and when to give up.

use std::time::{Duration, Instant};

use super::failure::Failure;

/// The first pause is at most this long, each further one at most twice the one before.
const FIRST: Duration = Duration::from_millis(500);

/// The longest pause, unless the server asks for more.
const LONGEST: Duration = Duration::from_secs(32);

/// Work that is held up for longer than this is told of, once: its reader would take us for dead.
const SILENCE: Duration = Duration::from_secs(5);

/// How long one piece of work is tried in all without getting on.
const PATIENCE: Duration = Duration::from_mins(3);

/// How long an attempt may stand still, at first; each further one gets twice the time, for a
/// server that is slow rather than gone.
const STALL: Duration = Duration::from_secs(10);
const LONGEST_STALL: Duration = Duration::from_secs(80);

/// The attempts at one piece of work.
#[derive(Debug)]
pub struct Retry {
    /// When all work ends, whatever comes.
    until: Option<Instant>,
    patience: Instant,
    attempts: u32,
    /// When it was last known to get on.
    begun: Instant,
    told: bool,
}

impl Retry {
    /// None has been made yet; `until` is when all work ends, whatever comes.
    pub fn new(until: Option<Instant>) -> Self {
        Retry {
            until,
            patience: Instant::now() + PATIENCE,
            attempts: 0,
            begun: Instant::now(),
            told: false,
        }
    }

    /// How long this attempt may stand still.
    pub fn stall(&self) -> Duration {
        let stall = STALL.saturating_mul(1 << self.attempts.min(3));
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        let longest = self.until.map_or(LONGEST_STALL, left);
        stall.min(longest).max(Duration::from_millis(1))
    }

    /// Something was achieved: what failed before does not count any more.
    pub fn got_on(&mut self) {
        *self = Retry {
            told: self.told,
            ..Retry::new(self.until)
        };
    }

    /// Waits before the next attempt; gives the failure back if there is none.
    pub async fn pause(&mut self, failure: Failure, what: &str) -> Result<(), Failure> {
        if !failure.may_pass() {
            return Err(failure);
        }
        let pause = self.next_pause(failure.wait(), fastrand::f64());
        let end = Instant::now() + pause;
        let until = self
            .until
            .map_or(self.patience, |until| until.min(self.patience));
        if end >= until {
            return Err(failure);
        }
        if self.is_to_be_told(pause) {
            let left = until.saturating_duration_since(Instant::now()).as_secs();
            tracing::warn!("{what}: {failure}; trying again for at most {left}s");
        } else {
            tracing::debug!("{what}: {failure}; trying again in {pause:.1?}");
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn is_to_be_told(&mut self, pause: Duration) -> bool {
        let is_long = self.begun.elapsed() + pause >= SILENCE;
        is_long && !std::mem::replace(&mut self.told, true)
    }

    /// Full jitter: many clients that failed at once do not come back at once. Never less than
    /// the server asks for.
    fn next_pause(&mut self, asked: Option<Duration>, random: f64) -> Duration {
        let longest = FIRST
            .saturating_mul(1 << self.attempts.min(10))
            .min(LONGEST);
        self.attempts += 1;
        let pause = longest.mul_f64(random).max(Duration::from_millis(10));
        asked.map_or(pause, |asked| asked + pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_heed_the_server() {
        let mut retry = Retry::new(None);
        let seconds = |pause: Duration| pause.as_secs_f64();
        let pauses: Vec<f64> = (0..8)
            .map(|_| seconds(retry.next_pause(None, 1.0)))
            .collect();
        assert_eq!(pauses, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 32.0]);
        retry.got_on();
        let asked = Some(Duration::from_secs(5));
        assert_eq!(retry.next_pause(asked, 0.5), Duration::from_millis(5250));
    }

    #[test]
    fn work_that_is_held_up_is_told_of_once() {
        let mut retry = Retry::new(None);
        assert!(!retry.is_to_be_told(Duration::from_secs(1)));
        assert!(retry.is_to_be_told(Duration::from_secs(6)));
        assert!(!retry.is_to_be_told(Duration::from_secs(6)));
    }

    #[test]
    fn a_slow_server_gets_more_time_with_each_attempt_but_not_past_the_end() {
        let mut retry = Retry::new(None);
        assert_eq!(retry.stall(), Duration::from_secs(10));
        retry.next_pause(None, 0.0);
        assert_eq!(retry.stall(), Duration::from_secs(20));
        let soon = Retry::new(Some(Instant::now() + Duration::from_secs(1)));
        assert!(soon.stall() <= Duration::from_secs(1));
    }
}
