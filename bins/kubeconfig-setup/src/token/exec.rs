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

/// The question for another plugin, which speaks a version of its own and is told of the cluster
/// where it asks for that.
pub(super) fn question(version: &str, with_cluster: bool, env: &Env) -> String {
    let asked = env.get(env::KUBERNETES_EXEC_INFO).unwrap_or_default();
    let mut info: Value = serde_json::from_str(asked).unwrap_or_default();
    let cluster = info["spec"]["cluster"].take();
    // Nobody can be asked anything: our own input is the client's.
    let mut spec = json!({ "interactive": false });
    if with_cluster && !cluster.is_null() {
        spec["cluster"] = cluster;
    }
    json!({ "apiVersion": version, "kind": "ExecCredential", "spec": spec }).to_string()
}

impl Answer {
    /// What another plugin gave, in our version; it ends no later than `expires`.
    pub(super) fn of_other(
        version: &'static str,
        mut status: Value,
        expires: Option<SystemTime>,
    ) -> Self {
        let told = status["expirationTimestamp"].as_str();
        let told = told.and_then(|told| humantime::parse_rfc3339_weak(told).ok());
        let is_sooner = |end: &SystemTime| told.is_none_or(|told| *end < told);
        if let Some(end) = expires.filter(is_sooner) {
            status["expirationTimestamp"] =
                json!(humantime::format_rfc3339_seconds(end).to_string());
        }
        Answer { version, status }
    }

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
    fn another_plugin_is_asked_in_its_version_and_ends_with_the_lease() {
        let info = r#"{"apiVersion": "client.authentication.k8s.io/v1beta1",
            "spec": {"cluster": {"server": "https://s"}, "interactive": true}}"#;
        let env = [(env::KUBERNETES_EXEC_INFO, info)].into_iter().collect();
        let asked: Value = serde_json::from_str(&question(VERSIONS[1], true, &env)).unwrap();
        assert_eq!(asked["apiVersion"], VERSIONS[1]);
        let spec = json!({"interactive": false, "cluster": {"server": "https://s"}});
        assert_eq!(asked["spec"], spec);
        let asked: Value = serde_json::from_str(&question(VERSIONS[1], false, &env)).unwrap();
        assert_eq!(asked["spec"], json!({"interactive": false}));
        let ends = |status: Value, end: u64| {
            let end = Some(UNIX_EPOCH + Duration::from_secs(end));
            let answer = Answer::of_other(VERSIONS[0], status, end);
            answer.status["expirationTimestamp"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let told = json!({"token": "t", "expirationTimestamp": "1970-01-01T00:01:00Z"});
        assert_eq!(ends(told.clone(), 30), "1970-01-01T00:00:30Z");
        assert_eq!(ends(told, 90), "1970-01-01T00:01:00Z");
        assert_eq!(ends(json!({"token": "t"}), 90), "1970-01-01T00:01:30Z");
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
