//! How much time is left once the program has been asked to end.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::app::Stop;
use common::bucket::{Bucket, ObjectName};
use common::{Error, Result};

/// The part of the grace period that looking may take: the rest is for copying.
const LOOKING: u32 = 3;

/// The grace period of a run; it begins with the first signal, whatever is done at that time.
#[derive(Debug)]
pub(crate) struct Clock {
    stop: Stop,
    grace_period: Duration,
    asked_at: OnceLock<Instant>,
}

impl Clock {
    pub(crate) fn new(stop: Stop, grace_period: Duration) -> Self {
        Clock {
            stop,
            grace_period,
            asked_at: OnceLock::new(),
        }
    }

    /// The signal that asked the program to end, if one has.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.stop.asked()
    }

    /// Waits until the program is asked to end; gives the time when it was.
    pub(crate) async fn asked(&self) -> Instant {
        self.stop.wait().await;
        *self.asked_at.get_or_init(Instant::now)
    }

    /// Waits until it is time to copy, whatever is not known yet; `since`: when the look at
    /// things began.
    pub(crate) async fn looked_enough(&self, since: Instant) {
        let asked_at = self.asked().await;
        let since = since.max(asked_at);
        let left = (asked_at + self.grace_period).saturating_duration_since(since);
        self.until(since + left / LOOKING).await;
    }

    /// Waits until the grace period is over.
    pub(crate) async fn out_of_grace(&self) {
        let asked_at = self.asked().await;
        self.until(asked_at + self.grace_period).await;
    }

    /// Writes an object, for as long as the grace period lasts once the program is asked to end.
    /// A second signal, which perhaps cut the copying short, does not skip the record of it.
    pub(crate) async fn in_time(
        &self,
        bucket: &Bucket,
        name: &ObjectName,
        content: &[u8],
    ) -> Result<()> {
        let out_of_time = async {
            let asked_at = self.asked().await;
            tokio::time::sleep_until((asked_at + self.grace_period).into()).await;
        };
        tokio::select! {
            biased;
            written = bucket.write(name, content) => written,
            () = out_of_time => {
                let signal = self.signal().unwrap_or_default();
                Err(Error::interrupted(signal, format!("write {}", bucket.url(name))))
            }
        }
    }

    /// A second signal skips what is left.
    async fn until(&self, end: Instant) {
        tokio::select! {
            () = tokio::time::sleep_until(end.into()) => {}
            _ = self.stop.insisted() => {}
        }
    }
}
