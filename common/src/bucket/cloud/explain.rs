//! What a failure means for whoever reads the error.

use reqwest::StatusCode;

use super::client::Client;
use super::failure::Failure;
use crate::Error;

/// What was tried, for the permissions that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl Access {
    /// The predefined role that allows it. Replacing an object takes the permission to delete it,
    /// which `storage.objectCreator` has not.
    fn role(self) -> &'static str {
        match self {
            Access::Read => "roles/storage.objectViewer",
            Access::Write => "roles/storage.objectUser",
        }
    }
}

impl Client {
    /// The error of what was tried, as in `write gs://b/x`.
    pub(super) fn explain(&self, failure: Failure, what: String, access: Access) -> Error {
        let bucket = self.bucket();
        match &failure {
            Failure::Local(_) => Error::failed(what).because(failure),
            Failure::Credentials(_, true) => Error::unavailable(what).because(failure),
            Failure::Credentials(_, false) => Error::usage(what).because(failure).hint(CREDENTIALS),
            _ => match failure.status() {
                Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                    let (who, role) = (self.identity(), access.role());
                    Error::usage(what).because(failure).hint(format!(
                        "{who} needs {role} on gs://{bucket}: gcloud storage buckets \
                         add-iam-policy-binding gs://{bucket} --role={role} --member=…"
                    ))
                }
                Some(StatusCode::NOT_FOUND) => {
                    let who = self.identity();
                    Error::usage(what).because(failure).hint(format!(
                        "is there a bucket gs://{bucket}, and may {who} see it?"
                    ))
                }
                Some(status) if status.is_client_error() && !failure.may_pass() => {
                    Error::failed(what).because(failure)
                }
                _ => Error::unavailable(what).because(failure),
            },
        }
    }
}

const CREDENTIALS: &str = "on GKE use workload identity; elsewhere set \
    GOOGLE_APPLICATION_CREDENTIALS, or run gcloud auth application-default login";
