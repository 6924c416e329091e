//! A build's log, read while it grows.

use std::time::{Duration, Instant};

use common::Result;
use common::bucket::{Bucket, ObjectName};
use common::env::Env;

use super::build::Build;
use super::settings::Folder;
use crate::lines::Lines;

/// How long the log is tried to be read while the build goes on: the next look is soon.
const A_LOOK: Duration = Duration::from_secs(5);

/// How long its end is tried to be read.
const THE_END: Duration = Duration::from_secs(30);

/// Where the log is, and how far it was read.
#[derive(Debug)]
pub(crate) struct Log {
    object: Option<(Bucket, ObjectName)>,
    read: u64,
    pub(crate) lines: Lines,
    /// Why it could not be read the last time.
    fault: Option<String>,
}

impl Log {
    /// Of a build that was started. One whose log is not in a bucket has none here.
    pub(crate) fn of(build: &Build, env: &Env) -> Self {
        let elsewhere = matches!(
            build.options.logging.as_str(),
            "NONE" | "CLOUD_LOGGING_ONLY" | "STACKDRIVER_ONLY"
        );
        if elsewhere {
            tracing::info!("the log is not in a bucket: {}", build.log_url);
        }
        let object = (!elsewhere).then(|| object(build, env)).flatten();
        Log {
            object,
            read: 0,
            lines: Lines::default(),
            fault: None,
        }
    }

    /// Shows what is new. A log that cannot be read says nothing of the build: it is no error.
    pub(crate) async fn look(&mut self) {
        let end = Instant::now() + A_LOOK;
        // One piece at a time, so that the build's status is not forgotten over a long log.
        if let Err(error) = self.read(end).await {
            self.note(&error);
        }
    }

    /// Shows the rest, of a build that has ended.
    pub(crate) async fn finish(&mut self) {
        let end = Instant::now() + THE_END;
        loop {
            match self.read(end).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    self.note(&error);
                    break;
                }
            }
        }
        self.lines.end();
        if let Some(fault) = &self.fault {
            tracing::warn!("the end of the build's log may be missing: {fault}");
        }
    }

    async fn read(&mut self, end: Instant) -> Result<u64> {
        let Some((bucket, name)) = &self.object else {
            return Ok(0);
        };
        let piece = bucket.clone().until(end).read_from(name, self.read).await?;
        self.fault = None;
        // None yet: the build has not begun.
        let piece = piece.unwrap_or_default();
        self.lines.add(&piece);
        self.read += piece.len() as u64;
        Ok(piece.len() as u64)
    }

    fn note(&mut self, error: &common::Error) {
        let report = error.report();
        if self.fault.is_none() {
            tracing::warn!("the build goes on, and its log cannot be read just now: {report}");
        }
        self.fault = Some(report);
    }
}

fn object(build: &Build, env: &Env) -> Option<(Bucket, ObjectName)> {
    let folder = Folder::of_build(&build.logs_bucket)?;
    let name = ObjectName::parse(&folder.object(&format!("log-{}.txt", build.id))).ok()?;
    let bucket = Bucket::parse(&format!("gs://{}", folder.bucket), env);
    match bucket {
        Ok(bucket) => Some((bucket, name)),
        Err(error) => {
            tracing::warn!("the build's log cannot be read: {}", error.report());
            None
        }
    }
}
