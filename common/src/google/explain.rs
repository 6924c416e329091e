//! What a failure means for whoever reads the error.

use reqwest::StatusCode;

use super::client::Client;
use super::failure::{Failure, Refusal};
use crate::Error;

/// What a request needs, for the reader of its error.
#[derive(Debug, Clone)]
pub struct Needs {
    role: &'static str,
    /// What the role is needed on, as in `project p`.
    on: String,
    /// The command that gives it, up to the role.
    grant: String,
    /// What to ask oneself when something is not there.
    absent: String,
}

impl Needs {
    /// A role on a bucket.
    pub fn on_bucket(bucket: &str, role: &'static str) -> Self {
        Needs {
            role,
            on: format!("gs://{bucket}"),
            grant: format!("gcloud storage buckets add-iam-policy-binding gs://{bucket}"),
            absent: format!("is there a bucket gs://{bucket}"),
        }
    }

    /// A role on a project.
    pub fn on_project(project: &str, role: &'static str) -> Self {
        Needs {
            role,
            on: format!("project {project}"),
            grant: format!("gcloud projects add-iam-policy-binding {project}"),
            absent: format!("is there a project {project}"),
        }
    }

    /// A role on a service account.
    pub fn on_account(account: &str, role: &'static str) -> Self {
        Needs {
            role,
            on: account.to_owned(),
            grant: format!("gcloud iam service-accounts add-iam-policy-binding {account}"),
            absent: format!("is there an account {account}"),
        }
    }

    /// What to ask oneself when something is not there, as in `is there a bucket gs://b`.
    #[must_use]
    pub fn or_absent(mut self, absent: impl Into<String>) -> Self {
        self.absent = absent.into();
        self
    }
}

impl Failure {
    /// The error of what was tried, where no role is at stake.
    pub fn into_error(self, what: String) -> Error {
        match &self {
            Failure::Local(_) => Error::failed(what).because(self),
            Failure::Credentials(_, false) => Error::usage(what).because(self).hint(CREDENTIALS),
            // A metadata server that does not answer may not be there at all.
            Failure::Credentials(_, true) => {
                Error::unavailable(what).because(self).hint(CREDENTIALS)
            }
            Failure::Refused(refusal) if !self.may_pass() => match refusal.status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                    Error::usage(what).because(self)
                }
                _ => Error::failed(what).because(self),
            },
            _ => Error::unavailable(what).because(self),
        }
    }
}

impl Client {
    /// The error of what was tried, as in `write gs://b/x`.
    pub fn explain(&self, failure: Failure, what: String, needs: &Needs) -> Error {
        let hint = match &failure {
            Failure::Refused(refusal) => self.hint(refusal, needs),
            _ => None,
        };
        let error = failure.into_error(what);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    fn hint(&self, refusal: &Refusal, needs: &Needs) -> Option<String> {
        let (who, Needs { role, on, .. }) = (self.identity(), needs);
        let service = refusal.service.as_deref().unwrap_or(self.service.host);
        let project = (refusal.consumer.as_deref()).map_or(on.as_str(), |consumer| {
            consumer.trim_start_matches("projects/")
        });
        if refusal.is_because(&["SERVICE_DISABLED", "accessNotConfigured"]) {
            return Some(format!(
                "the API is off: gcloud services enable {service} --project={project}"
            ));
        }
        if refusal.is_because(&["BILLING_DISABLED"]) {
            return Some(format!("{project} has no billing account: link one"));
        }
        if refusal.is_because(&["ACCESS_TOKEN_SCOPE_INSUFFICIENT"]) {
            return Some(format!(
                "the token of {who} lacks the scope cloud-platform: on GKE use workload identity, \
                 on a machine give it --scopes=cloud-platform"
            ));
        }
        match refusal.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(format!(
                "{who} needs {role} on {on}: {} --role={role} --member=…",
                needs.grant
            )),
            StatusCode::NOT_FOUND => Some(format!("{}, and may {who} see it?", needs.absent)),
            StatusCode::TOO_MANY_REQUESTS => Some(format!(
                "a quota of {service} is used up in {project}: wait, or ask for more"
            )),
            _ => None,
        }
    }
}

/// Where credentials come from.
pub(super) const CREDENTIALS: &str = "on GKE use workload identity; elsewhere set \
    GOOGLE_APPLICATION_CREDENTIALS, or run gcloud auth application-default login";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::google::CONTAINER;
    use crate::{Exit, env};

    fn explained(status: u16, body: &str) -> Error {
        let off = [(env::DISABLE_CREDENTIALS, "true")].into_iter().collect();
        let client = Client::new(CONTAINER, &off).unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        let failure = Failure::Refused(Refusal::new(status, None, body.as_bytes()));
        let needs = Needs::on_project("p", "roles/container.clusterViewer");
        client.explain(failure, "look up cluster c".to_owned(), &needs)
    }

    #[test]
    fn an_api_that_is_off_is_named_with_its_project() {
        let error = explained(
            403,
            r#"{"error": {"message": "off", "details": [{"reason": "SERVICE_DISABLED",
                "metadata": {"service": "container.googleapis.com", "consumer": "projects/7"}}]}}"#,
        );
        assert_eq!(error.exit(), Exit::Usage);
        assert_eq!(
            error.report(),
            "look up cluster c: the server answered 403 Forbidden: off\nthe API is off: gcloud \
             services enable container.googleapis.com --project=7"
        );
    }

    #[test]
    fn credentials_that_cannot_be_had_now_may_not_be_there_at_all() {
        for (transient, exit) in [(true, Exit::Unavailable), (false, Exit::Usage)] {
            let failure = Failure::Credentials("no answer".to_owned(), transient);
            let error = failure.into_error("write gs://b/x".to_owned());
            assert_eq!(error.exit(), exit);
            let report = error.report();
            assert!(
                report.contains("GOOGLE_APPLICATION_CREDENTIALS"),
                "{report}"
            );
        }
    }

    #[test]
    fn a_missing_role_is_named_with_who_needs_it() {
        let error = explained(403, r#"{"error": {"message": "no"}}"#);
        let hint = "anonymous needs roles/container.clusterViewer on project p: gcloud projects \
                    add-iam-policy-binding p --role=roles/container.clusterViewer --member=…";
        assert!(error.report().ends_with(hint), "{}", error.report());
    }

    #[test]
    fn quotas_and_bad_requests_differ_in_what_comes_next() {
        let quota = explained(429, r#"{"error": {"message": "too many"}}"#);
        assert_eq!(quota.exit(), Exit::Unavailable);
        assert!(
            quota
                .report()
                .contains("a quota of container.googleapis.com")
        );
        assert_eq!(explained(400, "").exit(), Exit::Failed);
        assert_eq!(explained(503, "").exit(), Exit::Unavailable);
        assert_eq!(explained(404, "").exit(), Exit::Usage);
    }
}
