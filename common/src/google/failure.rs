//! Why one attempt failed, whether another one may help, and what its reader is told.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;

use super::status::Status;

/// Reasons of those who asked too often and may ask again.
const TOO_FAST: [&str; 3] = [
    "RATE_LIMIT_EXCEEDED",
    "rateLimitExceeded",
    "userRateLimitExceeded",
];

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server said no.
    #[error("{0}")]
    Refused(Refusal),
    /// The connection was not made, or was cut.
    #[error("{}", innermost(.0))]
    Cut(reqwest::Error),
    /// Nothing moved for this long.
    #[error("nothing moved for {}", humantime::format_duration(*.0))]
    Stalled(Duration),
    /// No credentials could be had; true where trying again may help.
    #[error("no credentials: {0}")]
    Credentials(String, bool),
    /// The file, not the bucket.
    #[error("{0}")]
    Local(#[from] io::Error),
    /// The server's answer makes no sense.
    #[error("the server's answer makes no sense: {0}")]
    Nonsense(String),
}

/// A server's refusal.
#[derive(Debug)]
pub struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
    /// Google's names for why.
    pub(super) reasons: Vec<String>,
    /// The API that is meant.
    pub(super) service: Option<String>,
    /// The project that pays, as `projects/ID`.
    pub(super) consumer: Option<String>,
    /// How long the server asks to wait.
    pub(super) wait: Option<Duration>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        match self.message.as_str() {
            "" => write!(out, "the server answered {status}"),
            message => write!(out, "the server answered {status}: {message}"),
        }
    }
}

impl Refusal {
    /// Reads an answer that is no success; `wait` is its `Retry-After`.
    pub fn new(status: StatusCode, wait: Option<&str>, body: &[u8]) -> Self {
        let said = Status::parse(body).unwrap_or_else(|| Status {
            message: String::from_utf8_lossy(body).into_owned(),
            ..Status::default()
        });
        let seconds = wait.and_then(|text| text.trim().parse().ok());
        Refusal {
            status,
            message: crate::on_one_line(said.message.trim())
                .chars()
                .take(500)
                .collect(),
            reasons: said.reasons,
            service: said.service,
            consumer: said.consumer,
            wait: said.wait.max(seconds.map(Duration::from_secs)),
        }
    }

    /// Whether Google gives one of these reasons.
    pub(super) fn is_because(&self, reasons: &[&str]) -> bool {
        (self.reasons.iter()).any(|reason| reasons.contains(&reason.as_str()))
    }

    /// Source: Google Cloud Storage's page on retry strategy; `google.api.ErrorReason` for the
    /// quotas that older APIs refuse with 403.
    fn may_pass(&self) -> bool {
        let status = self.status;
        status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
            )
            || status == StatusCode::FORBIDDEN && self.is_because(&TOO_FAST)
    }
}

impl Failure {
    /// The status of a refusal.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Failure::Refused(refusal) => Some(refusal.status),
            _ => None,
        }
    }

    /// Whether the server refused with this status.
    pub fn is(&self, status: StatusCode) -> bool {
        self.status() == Some(status)
    }

    /// The refusal of a writer that somebody else was faster than.
    pub(crate) fn lost_race() -> Self {
        let status = StatusCode::PRECONDITION_FAILED;
        Failure::Refused(Refusal::new(status, None, b""))
    }

    /// Whether another attempt may do better.
    pub fn may_pass(&self) -> bool {
        match self {
            Failure::Refused(refusal) => refusal.may_pass(),
            // A file that cannot be read comes back as the error of the body that reads it.
            Failure::Cut(error) => !error.is_builder() && local(error).is_none(),
            Failure::Credentials(_, transient) => *transient,
            Failure::Local(_) => false,
            // An answer that makes no sense was cut short on its way, or is a proxy's page.
            Failure::Stalled(_) | Failure::Nonsense(_) => true,
        }
    }

    /// Whether the server heard nothing of the request: what it asks for was not done.
    pub fn did_not_arrive(&self) -> bool {
        match self {
            Failure::Cut(error) => error.is_connect(),
            Failure::Credentials(..) | Failure::Local(_) => true,
            Failure::Refused(_) | Failure::Stalled(_) | Failure::Nonsense(_) => false,
        }
    }

    /// Whether there is no address to the server's name.
    pub fn is_unknown_host(&self) -> bool {
        let Failure::Cut(error) = self else {
            return false;
        };
        let mut cause = error.source();
        while let Some(error) = cause {
            // What hyper calls it; it has no type of its own.
            if error.to_string() == "dns error" {
                return true;
            }
            cause = error.source();
        }
        false
    }

    /// How long the server asks to wait.
    pub(crate) fn wait(&self) -> Option<Duration> {
        match self {
            Failure::Refused(refusal) => refusal.wait,
            _ => None,
        }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        match local(&error) {
            Some(local) => Failure::Local(io::Error::new(local.kind(), local.to_string())),
            // Its URL holds the object's name, which is said already, and a session's secret id.
            None => Failure::Cut(error.without_url()),
        }
    }
}

/// The error of reading our own file, wrapped so that a network's is not taken for it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct OfFile(pub(crate) io::Error);

fn local(error: &reqwest::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(OfFile(cause)) = cause.downcast_ref() {
            return Some(cause);
        }
        source = cause.source();
    }
    None
}

/// What is at the bottom of an error; the layers above only say that something failed.
fn innermost(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        Failure::Refused(Refusal::new(status, None, b""))
    }

    #[test]
    fn what_the_server_may_get_over_is_tried_again() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(refused(status).may_pass(), "{status}");
        }
        let quota = br#"{"error": {"errors": [{"reason": "rateLimitExceeded"}]}}"#;
        let quota = Refusal::new(StatusCode::FORBIDDEN, None, quota);
        assert!(Failure::Refused(quota).may_pass());
        for status in [400, 401, 403, 404, 412, 501] {
            assert!(!refused(status).may_pass(), "{status}");
        }
        assert!(Failure::Stalled(Duration::from_secs(1)).may_pass());
        assert!(!Failure::Local(io::Error::other("x")).may_pass());
    }

    #[test]
    fn a_refusal_is_told_on_one_line() {
        let body = br#"{"error": {"code": 403, "message": "a@b has no access\nat all"}}"#;
        let refusal = Refusal::new(StatusCode::FORBIDDEN, Some("7"), body);
        assert_eq!(refusal.wait, Some(Duration::from_secs(7)));
        let told = refusal.to_string();
        assert!(told.starts_with("the server answered 403 Forbidden: a@b has no access"));
        assert!(!told.contains('\n'));
        let page = Refusal::new(StatusCode::BAD_GATEWAY, None, b"<html>\x1b[31m");
        assert!(!page.to_string().contains('\x1b'));
    }
}
