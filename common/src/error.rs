//! One error type for all binaries: what was tried, on what, why it failed, what to do next,
//! and the exit code that follows.

use std::fmt;

/// How a binary ends. The numbers are an interface: workflows and scripts decide by them
/// (Argo: `retryStrategy.expression: lastRetry.exitCode == "75"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: all is well.
    Success,
    /// 1: the tests, the build or the merge failed.
    Failed,
    /// 2: wrong usage or configuration; running it again does not help.
    Usage,
    /// 75: a service was out of reach; running it again may help (`EX_TEMPFAIL` of sysexits.h).
    Unavailable,
    /// 124: out of time, as timeout(1) reports it.
    TimedOut,
    /// 128 + the signal: interrupted, 130 for SIGINT and 143 for SIGTERM.
    Interrupted(i32),
}

impl Exit {
    /// The process exit code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Unavailable => 75,
            Exit::TimedOut => 124,
            Exit::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(130),
        }
    }
}

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error as its reader sees it. Its `Display` is what was tried and on what; the causes
/// follow in [`Error::report`], once.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    exit: Exit,
    what: String,
    hint: Option<String>,
    #[source]
    source: Option<Cause>,
}

impl Error {
    fn new(exit: Exit, what: impl fmt::Display) -> Self {
        Error {
            exit,
            what: what.to_string(),
            hint: None,
            source: None,
        }
    }

    /// Wrong usage or configuration: exit 2.
    pub fn usage(what: impl fmt::Display) -> Self {
        Error::new(Exit::Usage, what)
    }

    /// The work itself failed: exit 1.
    pub fn failed(what: impl fmt::Display) -> Self {
        Error::new(Exit::Failed, what)
    }

    /// A service was out of reach: exit 75.
    pub fn unavailable(what: impl fmt::Display) -> Self {
        Error::new(Exit::Unavailable, what)
    }

    /// A time limit passed: exit 124.
    pub fn timed_out(what: impl fmt::Display) -> Self {
        Error::new(Exit::TimedOut, what)
    }

    /// A signal asked the program to end: exit 128 + signal.
    pub fn interrupted(signal: i32, what: impl fmt::Display) -> Self {
        Error::new(Exit::Interrupted(signal), what)
    }

    /// Adds why it failed.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// The exit code class that follows from this error.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The whole story in one line, and the advice in a second one where there is any.
    pub fn report(&self) -> String {
        let mut text = self.what.clone();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let message = error.to_string();
            // Some libraries print their cause in their own message as well.
            if !text.ends_with(&message) {
                text.push_str(": ");
                text.push_str(&message);
            }
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            text.push('\n');
            text.push_str(hint);
        }
        text
    }
}

/// Gives a library's error its place in the story.
pub trait ResultExt<T> {
    /// `what` was tried and the work failed: exit 1.
    fn or_failed<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T>;
    /// `what` was tried and the usage or configuration is wrong: exit 2.
    fn or_usage<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T>;
    /// `what` was tried and a service was out of reach: exit 75.
    fn or_unavailable<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Cause>> ResultExt<T> for std::result::Result<T, E> {
    fn or_failed<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| Error::failed(what()).because(error))
    }

    fn or_usage<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| Error::usage(what()).because(error))
    }

    fn or_unavailable<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| Error::unavailable(what()).because(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_each_cause_once_and_the_advice_last() {
        let io = std::io::Error::other("disk on fire");
        let error = Error::unavailable("write started.json to file:///b")
            .because(Error::failed("create the folder").because(io))
            .hint("is the disk full?");
        assert_eq!(
            error.report(),
            "write started.json to file:///b: create the folder: disk on fire\nis the disk full?"
        );
        assert_eq!(error.exit().code(), 75);
    }

    #[test]
    fn signals_become_the_shells_exit_codes() {
        assert_eq!(Exit::Interrupted(15).code(), 143);
        assert_eq!(Exit::Interrupted(2).code(), 130);
    }
}
