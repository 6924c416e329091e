//! This program's stdout while children run: what they say, as they say it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncWriteExt, Stdout};
use tokio::sync::Mutex;

/// stdout, shared by everything that runs at once; each piece is written whole.
///
/// That nobody reads it is no reason to end the work, nor may a reader who does not read on
/// hold up the end: once, the log says so, and nothing is shown any more.
#[derive(Debug)]
pub struct Live {
    stdout: Mutex<Stdout>,
    given_up: AtomicBool,
}

impl Default for Live {
    fn default() -> Self {
        Live {
            stdout: Mutex::new(tokio::io::stdout()),
            given_up: AtomicBool::new(false),
        }
    }
}

impl Live {
    /// Shows a piece; waits for the reader, which keeps memory bounded, but not beyond
    /// `out_of_time`. The piece is on its way afterwards; see [`Live::flush`].
    pub async fn show(&self, piece: &[u8], out_of_time: impl Future<Output = ()>) {
        if !piece.is_empty() {
            let shown = async { self.stdout.lock().await.write_all(piece).await };
            self.unless_given_up(shown, out_of_time).await;
        }
    }

    /// Waits until everything has reached the reader, but not beyond `out_of_time`.
    pub async fn flush(&self, out_of_time: impl Future<Output = ()>) {
        let flushed = async { self.stdout.lock().await.flush().await };
        self.unless_given_up(flushed, out_of_time).await;
    }

    async fn unless_given_up(
        &self,
        shown: impl Future<Output = io::Result<()>>,
        out_of_time: impl Future<Output = ()>,
    ) {
        if self.given_up.load(Ordering::Relaxed) {
            return;
        }
        let reason = tokio::select! {
            biased;
            shown = shown => match shown {
                Ok(()) => return,
                Err(error) => error.to_string(),
            },
            () = out_of_time => "nobody reads it".to_owned(),
        };
        if !self.given_up.swap(true, Ordering::Relaxed) {
            tracing::warn!("the output is not shown any more: write to stdout: {reason}");
        }
    }
}
