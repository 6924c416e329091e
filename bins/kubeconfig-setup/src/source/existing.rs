//! One context of another kubeconfig.

use std::path::{Path, PathBuf};

use common::yaml::Document;
use common::{Error, Result, ResultExt};
use reqwest::Url;
use serde_json::{Map, Value, json};

use super::plugin::borrowed;
use crate::kubeconfig::Entry;

/// What a user has in the file itself, and may not be copied: whoever needs it reads it there.
const SECRETS: [&str; 2] = ["token", "client-key-data"];

/// Another kubeconfig.
#[derive(Debug)]
pub(crate) struct Existing {
    path: PathBuf,
    document: Document,
}

impl Existing {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        // The entry is used from other folders as well.
        let path = std::path::absolute(path).or_usage(|| format!("find {}", path.display()))?;
        let document = Document::read(&path)?;
        Ok(Existing { path, document })
    }

    /// The entry of a context, the current one by default; `command` calls this program.
    pub(crate) fn entry(&self, context: Option<&str>, command: &str) -> Result<Entry> {
        let name = match context {
            Some(name) => name,
            None => self.document.value["current-context"]
                .as_str()
                .unwrap_or_default(),
        };
        if name.is_empty() {
            return Err(self.error("it has no current-context: name one with --context"));
        }
        let context = self.find("contexts", "context", name)?;
        let text = |field: &str| {
            context
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let mut cluster = self.find("clusters", "cluster", text("cluster"))?.clone();
        self.make_absolute(&mut cluster, &["certificate-authority"]);
        for field in ["server", "proxy-url"] {
            if cluster.get(field).is_some_and(has_login) {
                return Err(self
                    .error(&format!(
                        "the {field} of cluster {} has a login in it, which is not copied",
                        text("cluster")
                    ))
                    .hint("HTTPS_PROXY in the environment may name a proxy with its login"));
            }
        }
        let namespace = text("namespace");
        Ok(Entry {
            name: name.to_owned(),
            cluster: Value::Object(cluster),
            user: self.user(text("user"), command)?,
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
        })
    }

    /// What gives a user's credentials, without them.
    fn user(&self, name: &str, command: &str) -> Result<Value> {
        let mut user = self.find("users", "user", name)?.clone();
        if user.contains_key("password") {
            return Err(self
                .error(&format!("user {name} has a password, which is not copied"))
                .hint("API servers of today take no passwords: use a token or a certificate"));
        }
        if let Some(secret) = secret_of_provider(&user) {
            return Err(self
                .error(&format!("user {name} has a {secret}, which is not copied"))
                .hint("auth-provider is gone from Kubernetes: use an exec plugin"));
        }
        let exec = user.get("exec").and_then(Value::as_object);
        if SECRETS.iter().any(|secret| user.contains_key(*secret))
            || exec.is_some_and(may_hold_secret)
        {
            return Ok(json!({ "exec": borrowed(command, &self.path, name) }));
        }
        self.make_absolute(
            &mut user,
            &["client-certificate", "client-key", "tokenFile"],
        );
        self.make_command_absolute(&mut user);
        Ok(Value::Object(user))
    }

    /// A plugin that is named without a folder is found in the PATH.
    fn make_command_absolute(&self, user: &mut Map<String, Value>) {
        if let Some(exec) = user.get_mut("exec").and_then(Value::as_object_mut)
            && exec
                .get("command")
                .and_then(Value::as_str)
                .is_some_and(|it| it.contains('/'))
        {
            self.make_absolute(exec, &["command"]);
        }
    }

    /// The token, the certificate and key, or the plugin of a user, for our own plugin.
    pub(crate) fn secrets(&self, name: &str) -> Result<Map<String, Value>> {
        let mut user = self.find("users", "user", name)?.clone();
        self.make_absolute(
            &mut user,
            &["client-certificate", "client-key", "tokenFile"],
        );
        self.make_command_absolute(&mut user);
        Ok(user)
    }

    fn find(&self, list: &str, kind: &str, name: &str) -> Result<&Map<String, Value>> {
        let items = self.document.value[list].as_array();
        let mut items = items.into_iter().flatten();
        items
            .find(|item| item["name"] == name)
            .and_then(|item| item[kind].as_object())
            .ok_or_else(|| self.error(&format!("there is no {kind} {name:?} in it")))
    }

    /// Paths in a kubeconfig are relative to its folder.
    fn make_absolute(&self, map: &mut Map<String, Value>, fields: &[&str]) {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        for field in fields {
            if let Some(Value::String(path)) = map.get_mut(*field)
                && !path.is_empty()
            {
                *path = folder.join(&*path).display().to_string();
            }
        }
    }

    fn error(&self, what: &str) -> Error {
        Error::usage(format!("{}: {what}", self.path.display()))
    }
}

/// Whether a URL carries a name or password.
fn has_login(url: &Value) -> bool {
    let url = url.as_str().and_then(|url| Url::parse(url).ok());
    url.is_some_and(|url| !url.username().is_empty() || url.password().is_some())
}

/// Whether a plugin gets from the file what may be a secret: variables, or a flag that is named
/// like one. Such a plugin is called by ours, which reads the file whenever it is asked.
fn may_hold_secret(exec: &Map<String, Value>) -> bool {
    let list = |field: &str| {
        exec.get(field)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let is_of_secret = |arg: &str| {
        let flag = arg.split('=').next().unwrap_or_default();
        let words = ["secret", "password", "token"];
        flag.starts_with('-') && words.iter().any(|word| flag.contains(word))
    };
    list("env").next().is_some() || list("args").filter_map(Value::as_str).any(is_of_secret)
}

/// The secret that an old kind of plugin keeps in the file, if there is one.
fn secret_of_provider(user: &Map<String, Value>) -> Option<&str> {
    let config = user.get("auth-provider")?["config"].as_object()?;
    let mut fields = config.keys().map(String::as_str);
    fields.find(|field| field.ends_with("-token") || *field == "client-secret")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
apiVersion: v1
current-context: a
clusters:
- name: one
  cluster: {server: 'https://one', certificate-authority: pki/ca.crt, x-own: 1}
- name: proxied
  cluster: {server: 'https://one', proxy-url: 'http://me:s3cr3t@proxy:3128'}
contexts:
- name: a
  context: {cluster: one, user: cert, namespace: ci}
- name: b
  context: {cluster: one, user: files}
- name: c
  context: {cluster: one, user: tool}
- name: d
  context: {cluster: one, user: old}
- name: e
  context: {cluster: two, user: cert}
- name: g
  context: {cluster: one, user: oidc}
- name: h
  context: {cluster: one, user: aws}
- name: i
  context: {cluster: one, user: login}
- name: k
  context: {cluster: proxied, user: files}
users:
- name: cert
  user: {client-certificate-data: QQ==, client-key-data: S0VZ}
- name: files
  user: {tokenFile: t, client-certificate: /abs/c}
- name: tool
  user: {exec: {command: ./bin/plugin, args: [x]}}
- name: aws
  user: {exec: {command: aws, args: [eks, get-token],
    env: [{name: AWS_SECRET_ACCESS_KEY, value: s3cr3t}]}}
- name: login
  user: {exec: {command: kubectl, args: [oidc-login, --oidc-client-secret=s3cr3t]}}
- name: old
  user: {username: u, password: s3cr3t}
- name: oidc
  user: {auth-provider: {name: oidc, config: {refresh-token: s3cr3t}}}
";

    fn entry(context: Option<&str>) -> Result<Entry> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, FILE).unwrap();
        let entry = Existing::read(&path)
            .unwrap()
            .entry(context, "kubeconfig-setup");
        entry.map(|mut entry| {
            let folder = folder.path().display().to_string();
            for part in [&mut entry.cluster, &mut entry.user] {
                let text = part.to_string().replace(&folder, "/F");
                *part = serde_json::from_str(&text).unwrap();
            }
            entry
        })
    }

    #[test]
    fn secrets_stay_where_they_are() {
        let entry = entry(None).unwrap();
        assert_eq!(entry.name, "a");
        assert_eq!(entry.namespace.as_deref(), Some("ci"));
        assert_eq!(entry.cluster["certificate-authority"], "/F/pki/ca.crt");
        assert_eq!(entry.cluster["x-own"], 1);
        let args = ["token", "--from-kubeconfig=/F/config", "--user=cert"];
        assert_eq!(entry.user["exec"]["args"], json!(args));
        assert!(!entry.user.to_string().contains("S0VZ"));
    }

    #[test]
    fn a_plugin_with_variables_is_called_by_ours() {
        for (context, user) in [("h", "aws"), ("i", "login")] {
            let entry = entry(Some(context)).unwrap();
            let flag = format!("--user={user}");
            let args = ["token", "--from-kubeconfig=/F/config", &flag];
            assert_eq!(entry.user["exec"]["args"], json!(args));
            assert!(!entry.user.to_string().contains("s3cr3t"));
        }
    }

    #[test]
    fn paths_are_made_absolute() {
        let user = entry(Some("b")).unwrap().user;
        assert_eq!(
            user,
            json!({"tokenFile": "/F/t", "client-certificate": "/abs/c"})
        );
        let exec = &entry(Some("c")).unwrap().user["exec"];
        assert_eq!(exec["command"], "/F/./bin/plugin");
    }

    #[test]
    fn what_is_missing_or_a_password_is_told() {
        for (context, said) in [
            ("d", "has a password"),
            ("e", "no cluster \"two\""),
            ("g", "has a refresh-token"),
            ("k", "the proxy-url of cluster proxied has a login"),
            ("f", "no context \"f\""),
        ] {
            let error = entry(Some(context)).unwrap_err().report();
            assert!(error.contains(said) && !error.contains("s3cr3t"), "{error}");
        }
    }
}
