//! A GitHub App: its key signs a token for GitHub's API, which gives tokens for the repositories
//! of each owner where the App is installed. Source: GitHub's "Authenticating as a GitHub App
//! installation".

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use common::app::Stop;
use common::git::Git;
use common::{Error, Result, ResultExt};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::Place;
use super::Secret;
use super::request::{Login, Request};
use crate::retry;

/// GitHub takes a signed token that is valid for 10 minutes at most; a minute each way is for
/// clocks that differ.
const SIGNED_FOR: u64 = 8 * 60;
const CLOCKS_DIFFER: u64 = 60;

/// A token that ends within this time is renewed: git is about to use it for a while.
const RENEWED_BEFORE: Duration = Duration::from_mins(5);

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(30);

/// The most that is waited because GitHub says so.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// An App, with the tokens that it has got so far.
pub(crate) struct App {
    id: String,
    key: EncodingKey,
    api: String,
    client: Client,
    stop: Stop,
    /// By owner and repository in lower case. Locked while GitHub is asked, so that repositories
    /// of one owner that are fetched at once get one token.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    installations: HashMap<(String, String), u64>,
    tokens: HashMap<u64, Token>,
}

#[derive(Clone)]
struct Token {
    value: Secret,
    ends: SystemTime,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

#[derive(Deserialize)]
struct AccessToken {
    token: String,
    expires_at: String,
}

impl App {
    /// Reads the key; GitHub is asked when git wants the first token.
    pub(super) async fn new(id: &str, key: &Path, api: &str, stop: &Stop) -> Result<App> {
        let api = api.trim_end_matches('/');
        if Place::of_url(api).is_none() {
            return Err(Error::usage(format!(
                "--github-api-url {api:?}: use an https URL"
            )));
        }
        let what = || format!("--github-app-private-key-file {}", key.display());
        let pem = std::fs::read(key).or_usage(what)?;
        let key = EncodingKey::from_rsa_pem(&pem)
            .map_err(|_| Error::usage(what()).because("it holds no RSA private key in PEM form"))?;
        Ok(App {
            id: id.to_owned(),
            key,
            api: api.to_owned(),
            client: client(api, stop).await?,
            stop: stop.clone(),
            known: Mutex::default(),
        })
    }

    /// The login for a repository; `None` where the App is not installed.
    pub(super) async fn login(&self, request: &Request) -> Result<Option<Login>> {
        let Some((org, repo)) = request.repository() else {
            return Ok(None);
        };
        let mut known = self.known.lock().await;
        let name = (org.to_lowercase(), repo.to_lowercase());
        let installation = match known.installations.get(&name) {
            Some(id) => *id,
            None => match self.installation(org, repo).await? {
                Some(id) => *known.installations.entry(name).or_insert(id),
                None => return Ok(None),
            },
        };
        let still = known
            .tokens
            .get(&installation)
            .filter(|token| token.ends > SystemTime::now() + RENEWED_BEFORE);
        let token = match still {
            Some(token) => token.clone(),
            None => self.token(installation).await?,
        };
        known.tokens.insert(installation, token.clone());
        Ok(Some(Login::token(token.value)))
    }

    async fn installation(&self, org: &str, repo: &str) -> Result<Option<u64>> {
        let path = format!("repos/{org}/{repo}/installation");
        let installation: Option<Installation> = self.ask(Method::GET, &path).await?;
        if installation.is_none() {
            tracing::warn!(
                "the GitHub App {} is not installed on {org}/{repo}: it is read without credentials",
                self.id
            );
        }
        Ok(installation.map(|installation| installation.id))
    }

    async fn token(&self, installation: u64) -> Result<Token> {
        let path = format!("app/installations/{installation}/access_tokens");
        let given: Option<AccessToken> = self.ask(Method::POST, &path).await?;
        let given = given.ok_or_else(|| self.failed(&path, "the installation is gone"))?;
        let ends = humantime::parse_rfc3339_weak(&given.expires_at)
            .or_failed(|| format!("read when the token of the GitHub App {} ends", self.id))?;
        Ok(Token {
            value: Secret::new(given.token),
            ends,
        })
    }

    /// Asks the API; `None` for what is not there.
    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<Option<T>> {
        let mut pauses = retry::pauses();
        loop {
            let (reason, wait) = match self.ask_once(method.clone(), path).await? {
                Answer::Found(value) => return Ok(Some(value)),
                Answer::Nothing => return Ok(None),
                Answer::Later(reason, wait) => (reason, wait),
            };
            let Some(pause) = pauses.next() else {
                return Err(Error::unavailable(self.what(path)).because(reason));
            };
            let pause = wait.map_or(pause, |wait| wait.clamp(pause, LONGEST_WAIT));
            tracing::warn!("{}: {reason}; trying again in {pause:.1?}", self.what(path));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.stop.wait() => self.stop.check(&self.what(path))?,
            }
        }
    }

    async fn ask_once<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<Answer<T>> {
        let mut request = self
            .client
            .request(method.clone(), format!("{}/{path}", self.api))
            .bearer_auth(self.signed()?)
            .header("Accept", "application/vnd.github+json")
            .header("X-GitHub-Api-Version", "2022-11-28");
        if method == Method::POST {
            // Less than the App may do elsewhere: a checkout reads.
            request = request.json(&json!({"permissions": {"contents": "read"}}));
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ok(Answer::Later(chain(&error), None)),
        };
        let status = response.status();
        if status.is_success() {
            return match response.json().await {
                Ok(value) => Ok(Answer::Found(value)),
                Err(error) if error.is_decode() => Err(self.failed(path, &chain(&error))),
                Err(error) => Ok(Answer::Later(chain(&error), None)),
            };
        }
        if status == StatusCode::NOT_FOUND {
            return Ok(Answer::Nothing);
        }
        let wait = response
            .headers()
            .get("Retry-After")
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        // A limit on requests is a 403 with the time after which to come back.
        let is_later = status.is_server_error()
            || status == StatusCode::TOO_MANY_REQUESTS
            || (status == StatusCode::FORBIDDEN && wait.is_some());
        if is_later {
            return Ok(Answer::Later(format!("GitHub answers {status}"), wait));
        }
        let error = self.failed(path, &format!("GitHub answers {status}"));
        Err(error
            .hint("are the App's id and key right, and may it read the contents of repositories?"))
    }

    /// What proves to the API that the request is the App's (RS256, RFC 7519).
    fn signed(&self) -> Result<String> {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let claims = json!({
            "iss": self.id,
            "iat": now - CLOCKS_DIFFER,
            "exp": now + SIGNED_FOR,
        });
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key)
            .or_failed(|| format!("sign as the GitHub App {}", self.id))
    }

    fn what(&self, path: &str) -> String {
        format!("ask {}/{path} as the GitHub App {}", self.api, self.id)
    }

    fn failed(&self, path: &str, why: &str) -> Error {
        Error::failed(self.what(path)).because(why)
    }
}

enum Answer<T> {
    Found(T),
    Nothing,
    /// Why, and after which time to ask again, if GitHub said.
    Later(String, Option<Duration>),
}

/// An error with its causes; reqwest prints the first only.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A client with the proxy and the certificates that git would use.
async fn client(api: &str, stop: &Stop) -> Result<Client> {
    let what = || format!("set up a client for {api}");
    let mut client = Client::builder()
        .user_agent(format!("test-worker/{}", common::VERSION))
        .connect_timeout(CONNECT_LIMIT)
        .timeout(LIMIT);
    if let Some(proxy) = setting("http.proxy", api, stop).await? {
        client = client.proxy(reqwest::Proxy::all(proxy).or_usage(|| "git's http.proxy")?);
    }
    let certificates = match std::env::var("GIT_SSL_CAINFO") {
        Ok(file) if !file.is_empty() => Some(file),
        _ => setting("http.sslCAInfo", api, stop).await?,
    };
    if let Some(file) = certificates {
        let name = || format!("git's certificates {file}");
        let pem = std::fs::read(&file).or_usage(name)?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).or_usage(name)?;
        client = client.tls_certs_only(certificates);
    }
    client.build().or_failed(what)
}

async fn setting(name: &str, url: &str, stop: &Stop) -> Result<Option<String>> {
    let args = ["config", "--type=path", "--get-urlmatch", name, url];
    let args: &[&str] = if name.ends_with("Info") {
        &args
    } else {
        &[args[0], args[2], name, url]
    };
    let finished = Git::at("/").run(args, stop).await?;
    let value = String::from_utf8_lossy(&finished.stdout).trim().to_owned();
    Ok((finished.success() && !value.is_empty()).then_some(value))
}

impl fmt::Debug for App {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "GitHub App {}", self.id)
    }
}
