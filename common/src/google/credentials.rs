//! Who we are: Application Default Credentials, perhaps on behalf of somebody else, or nobody.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use google_cloud_auth::credentials::{self, CacheableResource};
use google_cloud_auth::errors::CredentialsError;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::Value;
use tokio::sync::Mutex;

use super::explain::CREDENTIALS as SOURCES;
use super::failure::Failure;
use crate::env::{self, Env};

const SCOPES: &[&str] = &["https://www.googleapis.com/auth/cloud-platform"];

/// The metadata server of a fresh pod answers after some seconds only; one that is not there,
/// never.
const LIMIT: Duration = Duration::from_secs(30);

/// Who waits longer is told what for.
const SLOW: Duration = Duration::from_secs(5);

/// Credentials; nothing is read before they are needed.
#[derive(Debug)]
pub struct Credentials {
    /// None: no credentials are wanted.
    kind: Option<Kind>,
    current: Mutex<Current>,
    /// Whether it was said that they take their time.
    slow: AtomicBool,
}

#[derive(Debug)]
struct Kind {
    impersonate: Option<String>,
    /// The file that the library will read, to say who we are.
    file: Option<PathBuf>,
    scopes: &'static [&'static str],
}

#[derive(Debug, Default)]
struct Current {
    /// Counts how often the credentials were renewed.
    version: u64,
    built: Option<credentials::Credentials>,
}

impl Credentials {
    /// None, for an emulator or where they are switched off.
    pub(crate) fn anonymous() -> Self {
        Credentials {
            kind: None,
            current: Mutex::default(),
            slow: AtomicBool::default(),
        }
    }

    /// Those of the environment, as Google's client libraries find them: the file of
    /// `GOOGLE_APPLICATION_CREDENTIALS` (a service account's key, workload identity federation,
    /// impersonation), the file that `gcloud auth application-default login` writes, or the
    /// metadata server (workload identity on GKE).
    pub fn of(env: &Env) -> Self {
        Credentials::with_scopes(env, SCOPES)
    }

    /// The same with other scopes; with none, those of the source.
    pub fn with_scopes(env: &Env, scopes: &'static [&'static str]) -> Self {
        let kind = Kind {
            impersonate: env.get(env::IMPERSONATE_SERVICE_ACCOUNT).map(str::to_owned),
            file: credentials_file(env),
            scopes,
        };
        Credentials {
            kind: Some(kind),
            current: Mutex::default(),
            slow: AtomicBool::default(),
        }
    }

    /// The headers that prove who we are, and the version of the credentials they come from.
    pub(crate) async fn headers(&self) -> Result<(HeaderMap, u64), Failure> {
        let Some(kind) = &self.kind else {
            return Ok((HeaderMap::new(), 0));
        };
        let mut current = self.current.lock().await;
        let version = current.version;
        let built = match &current.built {
            Some(built) => built.clone(),
            None => current.built.insert(kind.build()?).clone(),
        };
        drop(current);
        let asked = tokio::time::timeout(LIMIT, built.headers(http::Extensions::new()));
        let slow = async {
            tokio::time::sleep(SLOW).await;
            self.say_slow();
            std::future::pending().await
        };
        let asked = tokio::select! {
            asked = asked => asked,
            asked = slow => asked,
        };
        match asked {
            Ok(Ok(CacheableResource::New { data, .. })) => Ok((data, version)),
            // Only said to those who name an entity they have.
            Ok(Ok(CacheableResource::NotModified)) => Ok((HeaderMap::new(), version)),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => {
                let what = "neither a credentials file nor a metadata server was found in time";
                Err(Failure::Credentials(what.to_owned(), false))
            }
        }
    }

    /// Once: many requests may wait for them.
    fn say_slow(&self) {
        if !self.slow.swap(true, Ordering::Relaxed) {
            let who = self.identity();
            tracing::warn!("still waiting for credentials, {who}; {SOURCES}");
        }
    }

    /// The token itself, for others than Google.
    pub async fn bearer(&self) -> Result<String, Failure> {
        let (headers, _) = self.headers().await?;
        let header = headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok());
        let token = header.and_then(|header| header.strip_prefix("Bearer "));
        let none = || Failure::Credentials("they are no token".to_owned(), false);
        token.map(str::to_owned).ok_or_else(none)
    }

    /// The server refused what this version gave: the next one asks anew. False if there is
    /// nothing to renew.
    pub(crate) async fn renew(&self, refused: u64) -> bool {
        if self.kind.is_none() {
            return false;
        }
        let mut current = self.current.lock().await;
        // Another task may have been faster.
        if current.version == refused {
            current.version += 1;
            current.built = None;
        }
        true
    }

    /// Who we are, for an error's reader.
    pub fn identity(&self) -> String {
        let Some(kind) = &self.kind else {
            return "anonymous".to_owned();
        };
        if let Some(account) = &kind.impersonate {
            return account.clone();
        }
        match &kind.file {
            Some(file) => of_file(file),
            None => "this machine's service account (of the metadata server)".to_owned(),
        }
    }
}

impl Kind {
    fn build(&self) -> Result<credentials::Credentials, Failure> {
        let mut default = credentials::Builder::default();
        if !self.scopes.is_empty() {
            default = default.with_scopes(self.scopes.iter().copied());
        }
        let built = default.build().and_then(|source| match &self.impersonate {
            None => Ok(source),
            Some(account) => credentials::impersonated::Builder::from_source_credentials(source)
                .with_target_principal(account)
                .with_scopes(self.scopes.iter().copied())
                .build(),
        });
        built.map_err(|error| Failure::Credentials(with_causes(&error), false))
    }
}

/// The file that holds the credentials, where they are in one; it need not be there if it is
/// named.
pub fn credentials_file(env: &Env) -> Option<PathBuf> {
    let named = env.get(env::GOOGLE_APPLICATION_CREDENTIALS);
    let well_known = || {
        let home = Path::new(env.get(env::HOME)?);
        let file = home.join(".config/gcloud/application_default_credentials.json");
        file.exists().then_some(file)
    };
    named.map(PathBuf::from).or_else(well_known)
}

fn failure(error: &CredentialsError) -> Failure {
    Failure::Credentials(with_causes(error), error.is_transient())
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    crate::on_one_line(&text)
}

/// Whose a credentials file is. It holds secrets: only what names somebody is looked at.
fn of_file(file: &Path) -> String {
    let content = std::fs::read(file).unwrap_or_default();
    let json: Value = serde_json::from_slice(&content).unwrap_or_default();
    let field = |name: &str| json.get(name).and_then(Value::as_str);
    if let Some(email) = field("client_email") {
        return email.to_owned();
    }
    // …/serviceAccounts/NAME:generateAccessToken
    let account = field("service_account_impersonation_url")
        .and_then(|url| url.rsplit('/').next()?.split(':').next());
    if let Some(account) = account {
        return account.to_owned();
    }
    format!("the credentials of {}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_named_and_no_secret_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.json");
        let identity = |content: &str| {
            std::fs::write(&file, content).unwrap();
            let variables = [(
                env::GOOGLE_APPLICATION_CREDENTIALS,
                file.display().to_string(),
            )];
            Credentials::of(&variables.into_iter().collect()).identity()
        };
        let key = r#"{"type": "service_account", "client_email": "a@p.iam", "private_key": "s3"}"#;
        assert_eq!(identity(key), "a@p.iam");
        let url = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/b@p.iam:generateAccessToken";
        let other = format!(r#"{{"service_account_impersonation_url": "{url}"}}"#);
        assert_eq!(identity(&other), "b@p.iam");
        let user = identity(r#"{"type": "authorized_user", "refresh_token": "s3"}"#);
        assert_eq!(user, format!("the credentials of {}", file.display()));
        assert_eq!(Credentials::anonymous().identity(), "anonymous");
    }
}
