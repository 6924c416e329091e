//! The protocol of exec plugins: what a client asks by `KUBERNETES_EXEC_INFO`, and the answer.
//! Source: client.authentication.k8s.io, v1 and v1beta1.

use std::fmt;
use std::time::SystemTime;

use common::env::{self, Env};
use common::{Error, Result, ResultExt};
use serde::Deserialize;
use serde_json::{Value, json};

const VERSIONS: [&str; 2] = [
    "client.authentication.k8s.io/v1beta1",
    "client.authentication.k8s.io/v1",
];

/// What a client gets. It is made to be printed to the client, and not into a log.
pub(super) struct Answer {
    version: &'static str,
    status: Value,
}

/// Reads which version the client speaks; by hand it is the one that kubeconfigs of ours name.
pub(super) fn version(env: &Env) -> Result<&'static str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Info {
        api_version: String,
    }
    let Some(info) = env.get(env::KUBERNETES_EXEC_INFO) else {
        return Ok(VERSIONS[0]);
    };
    let what = || format!("read {}", env::KUBERNETES_EXEC_INFO);
    let Info { api_version } = serde_json::from_str(info).or_usage(what)?;
    let mut versions = VERSIONS.into_iter();
    versions
        .find(|version| *version == api_version)
        .ok_or_else(|| {
            let known = VERSIONS.join(" and ");
            Error::usage(what())
                .because(format!(
                    "it asks in version {api_version:?}, and there are {known}"
                ))
                .hint("set apiVersion of the user's exec in the kubeconfig")
        })
}

impl Answer {
    /// A token, and when to ask again.
    pub(super) fn token(version: &'static str, token: &str, expires: Option<SystemTime>) -> Self {
        let mut status = json!({ "token": token });
        if let Some(expires) = expires {
            let expires = humantime::format_rfc3339_seconds(expires).to_string();
            status["expirationTimestamp"] = json!(expires);
        }
        Answer { version, status }
    }

    /// A certificate and its key, both PEM.
    pub(super) fn certificate(version: &'static str, certificate: &str, key: &str) -> Self {
        let status = json!({ "clientCertificateData": certificate, "clientKeyData": key });
        Answer { version, status }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (version, status) = (self.version, &self.status);
        let answer = json!({
            "kind": "ExecCredential", "apiVersion": version, "spec": {}, "status": status,
        });
        writeln!(out, "{answer}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_answer_is_in_the_version_of_the_question() {
        let of = |info: &str| {
            let env = [(env::KUBERNETES_EXEC_INFO, info)].into_iter().collect();
            version(&env)
        };
        let v1 = r#"{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
            "spec": {"interactive": false}}"#;
        assert_eq!(of(v1).unwrap(), VERSIONS[1]);
        assert_eq!(version(&Env::default()).unwrap(), VERSIONS[0]);
        for info in [
            "{",
            r#"{"apiVersion": "client.authentication.k8s.io/v1alpha1"}"#,
        ] {
            assert_eq!(of(info).unwrap_err().exit(), common::Exit::Usage);
        }
    }

    #[test]
    fn the_time_is_what_clients_parse() {
        let expires = UNIX_EPOCH + Duration::from_secs(1_750_000_000);
        let answer = Answer::token(VERSIONS[1], "t", Some(expires)).to_string();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            answer["status"]["expirationTimestamp"],
            "2025-06-15T15:06:40Z"
        );
        assert_eq!(answer["status"]["token"], "t");
    }
}
