//! A build as Cloud Build tells of it. Source: the REST reference of `projects.locations.builds`.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

/// As far as we look into it. What is not there is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Build {
    pub(crate) id: String,
    pub(crate) status: Status,
    pub(crate) status_detail: String,
    pub(crate) log_url: String,
    pub(crate) logs_bucket: String,
    pub(crate) options: Options,
    pub(crate) steps: Vec<Step>,
    pub(crate) results: Results,
    pub(crate) failure_info: FailureInfo,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) start_time: String,
    pub(crate) finish_time: String,
    pub(crate) source: Source,
}

/// Where a build stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    Pending,
    Queued,
    Working,
    Success,
    Failure,
    InternalError,
    Timeout,
    Cancelled,
    Expired,
    #[default]
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    pub(crate) logging: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) status: Status,
    pub(crate) timing: Span,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Span {
    pub(crate) start_time: String,
    pub(crate) end_time: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Results {
    pub(crate) images: Vec<BuiltImage>,
}

/// An image that was pushed, and its digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct BuiltImage {
    pub(crate) name: String,
    pub(crate) digest: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct FailureInfo {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) detail: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Warning {
    pub(crate) text: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Source {
    pub(crate) storage_source: StorageSource,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct StorageSource {
    pub(crate) bucket: String,
    pub(crate) object: String,
}

impl Status {
    /// Whether it will not change any more.
    pub(crate) fn is_final(self) -> bool {
        !matches!(
            self,
            Status::Unknown | Status::Pending | Status::Queued | Status::Working
        )
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Status::Unknown => "STATUS_UNKNOWN",
            Status::Pending => "PENDING",
            Status::Queued => "QUEUED",
            Status::Working => "WORKING",
            Status::Success => "SUCCESS",
            Status::Failure => "FAILURE",
            Status::InternalError => "INTERNAL_ERROR",
            Status::Timeout => "TIMEOUT",
            Status::Cancelled => "CANCELLED",
            Status::Expired => "EXPIRED",
        })
    }
}

impl Build {
    /// Whether it failed through no fault of its own: Cloud Build broke, had no machine, lost
    /// the log, or could not push just then.
    pub(crate) fn may_pass(&self) -> bool {
        match self.status {
            Status::InternalError | Status::Expired => true,
            Status::Failure => {
                matches!(
                    self.failure_info.kind.as_str(),
                    "LOGGING_FAILURE" | "PUSH_FAILED"
                )
            }
            _ => false,
        }
    }

    /// How long it ran.
    pub(crate) fn took(&self) -> Option<Duration> {
        between(&self.start_time, &self.finish_time)
    }

    /// Why it did not succeed, in Cloud Build's words.
    pub(crate) fn reason(&self) -> String {
        let details = [
            &self.failure_info.kind,
            &self.failure_info.detail,
            &self.status_detail,
        ];
        let mut reason = self.status.to_string();
        for detail in details.into_iter().filter(|detail| !detail.is_empty()) {
            reason.push_str(": ");
            reason.push_str(&common::on_one_line(detail.trim()));
        }
        reason
    }
}

impl Step {
    /// How long it ran.
    pub(crate) fn took(&self) -> Option<Duration> {
        between(&self.timing.start_time, &self.timing.end_time)
    }

    /// What people call it.
    pub(crate) fn title(&self) -> String {
        let title = if self.id.is_empty() {
            &self.name
        } else {
            &self.id
        };
        common::on_one_line(title)
    }
}

fn between(start: &str, end: &str) -> Option<Duration> {
    let time = |text: &str| humantime::parse_rfc3339(text).ok();
    let (start, end): (SystemTime, SystemTime) = (time(start)?, time(end)?);
    end.duration_since(start).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_read_as_the_api_tells_it() {
        let build: Build = serde_json::from_str(
            r#"{"id": "1", "status": "FAILURE", "steps": [{"name": "a", "id": "b",
                "status": "SUCCESS", "timing": {"startTime": "2024-01-01T00:00:00.500Z",
                "endTime": "2024-01-01T00:00:12.750Z"}}, {"name": "c"}],
                "failureInfo": {"type": "USER_BUILD_STEP", "detail": "no\nluck"},
                "unknown": {"member": 1}}"#,
        )
        .unwrap();
        assert_eq!(build.steps[0].took(), Some(Duration::from_millis(12_250)));
        assert_eq!(
            (build.steps[0].title(), build.steps[1].title()),
            ("b".into(), "c".into())
        );
        assert_eq!(build.steps[1].took(), None);
        assert_eq!(build.reason(), "FAILURE: USER_BUILD_STEP: no\\nluck");
        assert!(!build.may_pass() && build.status.is_final());
    }

    #[test]
    fn a_status_that_we_do_not_know_is_no_end() {
        let build: Build = serde_json::from_str(r#"{"status": "DANCING"}"#).unwrap();
        assert!(!build.status.is_final());
        let retried: Build = serde_json::from_str(r#"{"status": "INTERNAL_ERROR"}"#).unwrap();
        assert!(retried.may_pass());
    }
}
