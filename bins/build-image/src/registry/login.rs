//! Who we are to a registry: what `docker login` left, or Google's credentials for its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::env::{self, Env};
use common::google::{Credentials, Failure};
use common::secret::Secret;
use common::{Result, ResultExt};
use serde::Deserialize;

use super::reference::Name;

/// User and password.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Secret,
}

/// The user of an access token. Source: Artifact Registry's page on authentication.
const TOKEN_USER: &str = "oauth2accesstoken";

/// What Docker calls its own registry in its configuration.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// The logins that we may have.
#[derive(Debug)]
pub(super) struct Logins {
    docker: Docker,
    /// None where credentials are switched off.
    google: Option<Credentials>,
}

/// Docker's configuration, as far as we look into it. Programs that keep credentials are not
/// asked.
#[derive(Debug, Default, Deserialize)]
struct Docker {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Debug, Default, Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
}

impl Logins {
    /// Reads Docker's configuration: `DOCKER_CONFIG`, else `~/.docker`.
    pub(super) fn of(env: &Env) -> Result<Self> {
        let folder = env.get(env::DOCKER_CONFIG).map(PathBuf::from);
        let home = || Some(PathBuf::from(env.get(env::HOME)?).join(".docker"));
        let file = folder
            .or_else(home)
            .map(|folder| folder.join("config.json"));
        let docker = match file.map(|file| (std::fs::read(&file), file)) {
            Some((Ok(text), file)) => {
                // The text holds passwords: no part of it may be in an error.
                let read = serde_json::from_slice(&text).map_err(ClassifyOnly::classify_only);
                read.or_usage(|| format!("read {}", file.display()))?
            }
            _ => Docker::default(),
        };
        let off = env.get(env::DISABLE_CREDENTIALS) == Some("true");
        let google = (!off).then(|| Credentials::of(env));
        Ok(Logins { docker, google })
    }

    /// The login for the registry of an image; `None` where there is none.
    pub(super) async fn of_registry(&self, name: &Name) -> Result<Option<Login>, Failure> {
        if let Some(login) = self.docker.login(name.registry()) {
            return Ok(Some(login));
        }
        let Some(google) = self.google.as_ref().filter(|_| name.is_of_google()) else {
            return Ok(None);
        };
        let password = Secret::new(google.bearer().await?);
        let user = TOKEN_USER.to_owned();
        Ok(Some(Login { user, password }))
    }

    /// Who that is, for the reader of an error.
    pub(super) fn identity(&self, name: &Name) -> String {
        match self.docker.login(name.registry()) {
            Some(login) => format!("{} (of docker login)", login.user),
            None => match self.google.as_ref().filter(|_| name.is_of_google()) {
                Some(google) => google.identity(),
                None => "nobody (there was no docker login)".to_owned(),
            },
        }
    }
}

impl Docker {
    fn login(&self, registry: &str) -> Option<Login> {
        let names = match registry {
            "docker.io" => vec![DOCKER_HUB.to_owned()],
            _ => vec![
                registry.to_owned(),
                format!("https://{registry}"),
                format!("https://{registry}/"),
                format!("http://{registry}"),
            ],
        };
        let entry = names.iter().find_map(|name| self.auths.get(name))?;
        let decoded = String::from_utf8(STANDARD.decode(&entry.auth).ok()?).ok()?;
        let (user, password) = decoded.split_once(':')?;
        // Docker pads what it writes with zeros.
        let password = Secret::new(password.trim_end_matches('\0'));
        let user = user.to_owned();
        Some(Login { user, password })
    }
}

/// What is wrong with a text of JSON, without the text.
trait ClassifyOnly {
    fn classify_only(self) -> String;
}

impl ClassifyOnly for serde_json::Error {
    fn classify_only(self) -> String {
        let (line, column) = (self.line(), self.column());
        format!("it is no configuration of Docker's: line {line}, column {column}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(config: &str, registry: &str) -> Option<(String, String)> {
        let docker: Docker = serde_json::from_str(config).unwrap();
        let login = docker.login(registry)?;
        Some((login.user, login.password.reveal().to_owned()))
    }

    #[test]
    fn logins_are_found_by_registry() {
        let config = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOmI6Yw=="},
            "h:5000": {"auth": "dTpw"}, "https://q.io": {"auth": "cTpw"},
            "empty.io": {}, "odd.io": {"auth": "!"}}, "credsStore": "x"}"#;
        let found = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(login(config, "docker.io"), found("hub", "b:c"));
        assert_eq!(login(config, "h:5000"), found("u", "p"));
        assert_eq!(login(config, "q.io"), found("q", "p"));
        for registry in ["empty.io", "odd.io", "h", "index.docker.io"] {
            assert_eq!(login(config, registry), None, "{registry}");
        }
    }
}
