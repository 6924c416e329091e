//! The cluster that a pod runs in, and a server whose URL and token are given.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::env::{self, Env};
use common::{Error, Result, ResultExt};
use http::Uri;
use serde_json::json;

use crate::kubeconfig::Entry;

/// Where Kubernetes puts what a pod's service account has.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A server with a token. The token stays in its file, which whoever uses the kubeconfig reads
/// whenever it is needed: Kubernetes renews such files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    name: String,
    server: String,
    token: PathBuf,
    authority: Option<PathBuf>,
}

impl Given {
    /// Checks what was typed. A token goes to no server that could be anybody.
    pub(crate) fn new(server: &str, token: &Path, authority: Option<&Path>) -> Result<Self> {
        let url: Uri = server
            .parse()
            .or_usage(|| format!("read the URL {server:?}"))?;
        let address = url
            .authority()
            .filter(|_| url.scheme_str() == Some("https"));
        let address = address.ok_or_else(|| {
            Error::usage(format!("--server {server:?} is no https:// URL"))
                .hint("a token is sent over TLS only")
        })?;
        if address.as_str().contains('@') {
            return Err(Error::usage("--server has a user or password in it")
                .hint("put the token in a file and name that with --token-file"));
        }
        let absolute =
            |path: &Path| std::path::absolute(path).or_usage(|| format!("find {}", path.display()));
        Ok(Given {
            name: address.as_str().replace(':', "_"),
            server: server.trim_end_matches('/').to_owned(),
            token: absolute(token)?,
            authority: authority.map(absolute).transpose()?,
        })
    }

    /// The URL.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Reads the certificates, and whether there is a token.
    pub(crate) fn entry(&self) -> Result<Entry> {
        let mut cluster = json!({});
        if let Some(authority) = &self.authority {
            let pem = fs::read(authority).or_usage(|| format!("read {}", authority.display()))?;
            cluster["certificate-authority-data"] = json!(STANDARD.encode(pem));
        }
        cluster["server"] = json!(self.server);
        let token = fs::read_to_string(&self.token);
        let token = token.or_usage(|| format!("read the token in {}", self.token.display()))?;
        if token.trim().is_empty() {
            return Err(Error::usage(format!("{} is empty", self.token.display()))
                .hint("it has to hold the token"));
        }
        Ok(Entry {
            name: self.name.clone(),
            cluster,
            user: json!({ "tokenFile": self.token }),
            namespace: None,
        })
    }
}

/// The cluster that this pod runs in; its namespace is that of the pod.
pub(crate) fn in_cluster(env: &Env) -> Result<Entry> {
    of_account(env, Path::new(ACCOUNT))
}

fn of_account(env: &Env, folder: &Path) -> Result<Entry> {
    let outside = || {
        Error::usage("this is no pod of a cluster").hint(
            "--in-cluster needs KUBERNETES_SERVICE_HOST and a mounted service account \
             (automountServiceAccountToken)",
        )
    };
    let host = env.get(env::KUBERNETES_SERVICE_HOST).ok_or_else(outside)?;
    let port = env.get(env::KUBERNETES_SERVICE_PORT).unwrap_or("443");
    // IPv6 addresses come without brackets.
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let token = folder.join("token");
    if !token.exists() {
        return Err(outside());
    }
    let authority = folder.join("ca.crt");
    let given = Given::new(&format!("https://{host}:{port}"), &token, Some(&authority))?;
    let namespace = fs::read_to_string(folder.join("namespace")).unwrap_or_default();
    let namespace = namespace.trim();
    Ok(Entry {
        name: "in-cluster".to_owned(),
        namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
        ..given.entry()?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_over_tls_only() {
        let new = |server| Given::new(server, Path::new("/t"), None);
        for server in [
            "http://h",
            "h",
            "ftp://h",
            "https://u:p@h",
            "https:///x",
            "",
        ] {
            assert!(new(server).is_err(), "{server}");
        }
        assert_eq!(new("https://h:6443/").unwrap().name, "h_6443");
    }

    #[test]
    fn a_pod_uses_its_service_account_in_its_namespace() {
        let folder = tempfile::tempdir().unwrap();
        let variables = [
            (env::KUBERNETES_SERVICE_HOST, "fd00::1"),
            (env::KUBERNETES_SERVICE_PORT, "6443"),
        ];
        let env: Env = variables.into_iter().collect();
        assert!(of_account(&env, folder.path()).is_err(), "no account");
        for (name, content) in [
            ("token", "s3cr3t"),
            ("ca.crt", "PEM"),
            ("namespace", "ci\n"),
        ] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let entry = of_account(&env, folder.path()).unwrap();
        assert_eq!(entry.name, "in-cluster");
        assert_eq!(entry.cluster["server"], "https://[fd00::1]:6443");
        assert_eq!(entry.cluster["certificate-authority-data"], "UEVN");
        assert_eq!(entry.namespace.as_deref(), Some("ci"));
        assert_eq!(
            entry.user,
            json!({ "tokenFile": folder.path().join("token") })
        );
        assert!(
            of_account(&Env::default(), folder.path()).is_err(),
            "no pod"
        );
    }

    #[test]
    fn the_token_stays_in_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        let given = Given::new("https://h", &token, None).unwrap();
        assert!(given.entry().is_err());
        fs::write(&token, "s3cr3t").unwrap();
        let entry = given.entry().unwrap();
        assert_eq!(entry.user, json!({ "tokenFile": token }));
        assert!(!format!("{entry:?}").contains("s3cr3t"));
    }
}
