//! Why a request to the API server failed, and what to do about it.

use std::fmt;
use std::time::Duration;

use common::Error;
use http::StatusCode;
use kube::client::AuthError;
use serde::Deserialize;

use crate::siblings::last_error;

/// Where the permissions that this program needs are written down.
const PERMISSIONS: &str = "manifests/base/rbac/submit-e2e.yaml grants what submit-e2e needs";

/// A request that failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server refused it.
    Refused(Refusal),
    /// It did not get through.
    Broken(kube::Error),
    /// Nothing was answered for so long.
    Stalled(Duration),
    /// What was answered is not what it should be.
    Garbled(String),
}

/// An answer that is a refusal: Kubernetes' `Status`, or what a proxy says in its place.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    pub(super) code: u16,
    pub(super) reason: String,
    message: String,
    /// How long the server wants to be left alone.
    wait: Option<Duration>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    kind: String,
    code: u16,
    reason: String,
    message: String,
    details: Details,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    retry_after_seconds: u64,
}

/// Longest text of a proxy's error page that is shown, in characters.
const SHOWN: usize = 200;

impl Refusal {
    /// Reads an answer that is none.
    pub(super) fn read(code: StatusCode, retry_after: Option<&str>, body: &[u8]) -> Self {
        let status = serde_json::from_slice::<Status>(body).unwrap_or_default();
        let wait = retry_after.and_then(|text| text.trim().parse().ok());
        let wait = wait.or(Some(status.details.retry_after_seconds));
        let wait = wait.filter(|seconds| *seconds > 0).map(Duration::from_secs);
        if status.kind == "Status" {
            return Refusal {
                code: if status.code == 0 {
                    code.as_u16()
                } else {
                    status.code
                },
                reason: status.reason,
                message: status.message,
                wait,
            };
        }
        let text = String::from_utf8_lossy(body);
        let text: String = text.trim().chars().take(SHOWN).collect();
        Refusal {
            code: code.as_u16(),
            reason: String::new(),
            message: if text.is_empty() {
                code.to_string()
            } else {
                format!("{code}: {text}")
            },
            wait,
        }
    }

    /// Reads the object of a watch's `ERROR` event.
    pub(super) fn of_event(object: &[u8]) -> Self {
        Refusal::read(StatusCode::INTERNAL_SERVER_ERROR, None, object)
    }
}

impl Fault {
    /// Whether the same request may succeed later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Fault::Refused(refusal) => {
                matches!(refusal.code, 408 | 429 | 500 | 502 | 503 | 504)
                    && refusal.reason != "Invalid"
            }
            Fault::Broken(kube::Error::BuildRequest(_) | kube::Error::HttpError(_))
            | Fault::Garbled(_) => false,
            Fault::Broken(error) => {
                plugin_failure(error).is_none_or(|plugin| plugin.code != Some(2))
            }
            Fault::Stalled(_) => true,
        }
    }

    /// The code of a refusal.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Fault::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }

    /// Whether it is about us: no credentials, or not the right to do this.
    pub(super) fn is_denied(&self) -> bool {
        matches!(self.code(), Some(401 | 403))
    }

    /// How long the server wants to be left alone.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Fault::Refused(refusal) => refusal.wait,
            _ => None,
        }
    }

    /// As the error of what was tried. Kubernetes' own message names verb, resource, namespace and
    /// identity where a right is missing.
    pub(super) fn explain(self, what: impl fmt::Display) -> Error {
        let may_pass = self.may_pass();
        let cause = self.to_string();
        let (error, hint) = match self.code() {
            Some(401) => (
                Error::usage(what),
                Some(
                    "the cluster does not know these credentials: are they of this cluster, and still valid?",
                ),
            ),
            Some(403) => (Error::usage(what), Some(PERMISSIONS)),
            Some(400 | 404 | 409 | 413 | 422) => (Error::usage(what), None),
            Some(_) if !may_pass => (Error::failed(what), None),
            None if !may_pass && matches!(self, Fault::Broken(_)) => (Error::usage(what), None),
            _ => (Error::unavailable(what), None),
        };
        let error = error.because(cause);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Refused(refusal) => out.write_str(&refusal.message),
            Fault::Stalled(waited) => write!(
                out,
                "nothing was answered for {}",
                humantime::format_duration(*waited)
            ),
            Fault::Garbled(what) => out.write_str(what),
            Fault::Broken(error) => match plugin_failure(error) {
                Some(plugin) => write!(out, "{plugin}"),
                None => out.write_str(&chain(error)),
            },
        }
    }
}

/// The program that a kubeconfig names for credentials has failed.
#[derive(Debug)]
pub(super) struct PluginFailure {
    /// Its exit code; that of ours is 2 where trying again does not help.
    code: Option<i32>,
    said: String,
}

/// What a plugin for credentials said, if that is why a request failed.
pub(super) fn plugin_failure(error: &kube::Error) -> Option<PluginFailure> {
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        if let Some(AuthError::AuthExecRun { out, .. }) = error.downcast_ref() {
            return Some(PluginFailure {
                code: out.status.code(),
                said: last_error(&out.stderr),
            });
        }
        next = error.source();
    }
    None
}

impl fmt::Display for PluginFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the plugin for credentials gives none: {}", self.said)
    }
}

/// The innermost causes of an error: its outer layers say "`ServiceError`: client error" only.
fn chain(error: &kube::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        // Layers repeat what is within them.
        if let Some(last) = texts.last_mut().filter(|last| last.contains(&text)) {
            *last = text;
        } else {
            texts.push(text);
        }
        next = error.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, wait: Option<&str>, body: &str) -> Fault {
        let code = StatusCode::from_u16(code).unwrap();
        Fault::Refused(Refusal::read(code, wait, body.as_bytes()))
    }

    #[test]
    fn a_missing_right_is_told_in_full_with_where_it_is_granted() {
        let message = "workflows.argoproj.io is forbidden: User \\\"system:serviceaccount:ci:default\\\" \
            cannot create resource \\\"workflows\\\" in API group \\\"argoproj.io\\\" in the namespace \\\"ci\\\"";
        let body = format!(
            "{{\"kind\":\"Status\",\"code\":403,\"reason\":\"Forbidden\",\"message\":\"{message}\"}}"
        );
        let fault = refused(403, None, &body);
        assert!(fault.is_denied() && !fault.may_pass());
        let error = fault.explain("submit workflow \"e2e\"");
        assert_eq!(error.exit(), common::Exit::Usage);
        let report = error.report();
        assert!(
            report.contains("cannot create resource \"workflows\""),
            "{report}"
        );
        assert!(
            report.contains("system:serviceaccount:ci:default"),
            "{report}"
        );
        assert!(report.ends_with(PERMISSIONS), "{report}");
    }

    #[test]
    fn a_server_that_is_overloaded_says_how_long_to_wait() {
        let fault = refused(
            429,
            Some("3"),
            "Too many requests, please try again later.\n",
        );
        assert!(fault.may_pass());
        assert_eq!(fault.wait(), Some(Duration::from_secs(3)));
        let body =
            r#"{"kind":"Status","code":429,"message":"x","details":{"retryAfterSeconds":2}}"#;
        assert_eq!(
            refused(429, None, body).wait(),
            Some(Duration::from_secs(2))
        );
    }

    #[test]
    fn a_proxys_error_page_is_shown_in_short() {
        let fault = refused(502, None, &"<html>".repeat(100));
        assert!(fault.may_pass());
        let text = fault.to_string();
        assert!(
            text.starts_with("502 Bad Gateway: <html>") && text.len() < 300,
            "{text}"
        );
        assert_eq!(fault.explain("x").exit(), common::Exit::Unavailable);
    }

    #[test]
    fn an_event_may_say_that_its_watch_is_too_old() {
        let object = br#"{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version"}"#;
        let refusal = Refusal::of_event(object);
        assert_eq!((refusal.code, refusal.reason.as_str()), (410, "Expired"));
    }
}
