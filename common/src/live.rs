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
    /// `out_of_time`.
    pub async fn show(&self, piece: &[u8], out_of_time: impl Future<Output = ()>) {
        if piece.is_empty() || self.given_up.load(Ordering::Relaxed) {
            return;
        }
        let reason = tokio::select! {
            biased;
            shown = self.write(piece) => match shown {
                Ok(()) => return,
                Err(error) => error.to_string(),
            },
            () = out_of_time => "nobody reads it".to_owned(),
        };
        if !self.given_up.swap(true, Ordering::Relaxed) {
            tracing::warn!("the output is not shown any more: write to stdout: {reason}");
        }
    }

    async fn write(&self, piece: &[u8]) -> io::Result<()> {
        let mut stdout = self.stdout.lock().await;
        stdout.write_all(piece).await?;
        stdout.flush().await
    }
}
