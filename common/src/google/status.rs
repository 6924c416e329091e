//! Google's errors as their APIs give them: `google.rpc.Status` with its details. Source: AIP-193
//! and `google/rpc/error_details.proto`; older APIs have `errors[].reason` in place of details.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

/// What is read of an error's body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) message: String,
    /// Such as `SERVICE_DISABLED` or `rateLimitExceeded`.
    pub(super) reasons: Vec<String>,
    /// The API that is meant.
    pub(super) service: Option<String>,
    /// The project that pays, as `projects/ID`.
    pub(super) consumer: Option<String>,
    /// How long to wait.
    pub(super) wait: Option<Duration>,
}

#[derive(Deserialize)]
struct Body {
    error: Error,
}

#[derive(Deserialize)]
struct Error {
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Vec<Detail>,
    #[serde(default)]
    errors: Vec<Detail>,
}

/// Any detail: the members that we know of all kinds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    reason: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    retry_delay: Option<String>,
}

impl Status {
    /// Reads a body; none, if it is not one of Google's errors.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let Body { error } = serde_json::from_slice(body).ok()?;
        let mut status = Status {
            message: error.message,
            ..Status::default()
        };
        for detail in error.details.into_iter().chain(error.errors) {
            status.reasons.extend(detail.reason);
            let mut metadata = detail.metadata;
            status.service = status.service.or_else(|| metadata.remove("service"));
            status.consumer = status.consumer.or_else(|| metadata.remove("consumer"));
            let wait = detail.retry_delay.as_deref().and_then(seconds);
            status.wait = status.wait.or(wait);
        }
        Some(status)
    }
}

/// A `google.protobuf.Duration` in JSON, as in `1.5s`.
fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_read() {
        // The shape of a real answer of a project in which the API is off.
        let body = br#"{"error": {"code": 403, "status": "PERMISSION_DENIED",
            "message": "Kubernetes Engine API has not been used in project 1 before",
            "details": [
                {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED",
                 "domain": "googleapis.com",
                 "metadata": {"service": "container.googleapis.com", "consumer": "projects/1"}},
                {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"}]}}"#;
        let status = Status::parse(body).unwrap();
        assert_eq!(status.reasons, ["SERVICE_DISABLED"]);
        assert_eq!(status.service.as_deref(), Some("container.googleapis.com"));
        assert_eq!(status.consumer.as_deref(), Some("projects/1"));
        assert_eq!(status.wait, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn older_errors_are_read_and_others_are_not() {
        let body = br#"{"error": {"code": 403, "message": "Rate Limit Exceeded",
            "errors": [{"domain": "usageLimits", "reason": "rateLimitExceeded"}]}}"#;
        assert_eq!(Status::parse(body).unwrap().reasons, ["rateLimitExceeded"]);
        for body in [&b"<html>"[..], b"{}", b"[]", br#"{"error": "x"}"#] {
            assert_eq!(Status::parse(body), None);
        }
        let hostile =
            br#"{"error": {"details": [{"retryDelay": "-1s"}, {"retryDelay": "1e999s"}]}}"#;
        assert_eq!(Status::parse(hostile), Some(Status::default()));
    }
}
