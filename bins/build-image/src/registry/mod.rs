//! What is in a registry already. Source: the OCI distribution specification.

mod challenge;
mod login;
mod reference;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use challenge::Challenge;
use common::env::Env;
use common::google::{Failure, Refusal, Retry, USER_AGENT};
use common::secret::Secret;
use common::{Error, Result, ResultExt};
use login::{Login, Logins};
pub(crate) use reference::{Image, LATEST, Name};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE,
};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

/// The kinds of manifest whose digest is an image's; one that is not named is translated by some
/// registries, and has another digest then.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// How long a request may take in all: what is asked for is small.
const LIMIT: Duration = Duration::from_secs(30);

/// The largest manifest, as registries have it.
const MOST: usize = 4 * 1024 * 1024;

/// Registries, each asked as whoever we are there.
#[derive(Debug)]
pub(crate) struct Registries {
    http: reqwest::Client,
    logins: Logins,
    /// What a request carries, by registry, path and whether it writes.
    known: Mutex<HashMap<(String, String, bool), Secret>>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// A request that can be made again.
struct Asked<'a> {
    method: Method,
    name: &'a Name,
    tag: &'a str,
    content: Option<(String, Vec<u8>)>,
}

impl Registries {
    /// Finds out who we are.
    pub(crate) fn new(env: &Env) -> Result<Self> {
        let http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(Duration::from_secs(10))
            .timeout(LIMIT)
            .build()
            .or_failed(|| "set up requests to registries")?;
        Ok(Registries {
            http,
            logins: Logins::of(env)?,
            known: Mutex::default(),
        })
    }

    /// The digest of an image, `sha256:…`; `None` if there is none of this tag.
    pub(crate) async fn digest(&self, image: &Image) -> Result<Option<String>> {
        let what = || format!("look for {image}");
        let asked = Asked {
            method: Method::HEAD,
            name: &image.name,
            tag: &image.tag,
            content: None,
        };
        let answer = self.ask(&asked).await;
        let answer = answer.map_err(|failure| self.explain(failure, what(), &image.name))?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let digest = answer.headers.get("docker-content-digest");
        match digest.and_then(|digest| digest.to_str().ok()) {
            Some(digest) if is_digest(digest) => Ok(Some(digest.to_owned())),
            _ => Err(Error::unavailable(what()).because("the registry does not say its digest")),
        }
    }

    /// Whether what a tag means is the image with this id: an engine's id of an image is the
    /// digest of its configuration, which the manifest names, or of the manifest itself.
    pub(crate) async fn holds(&self, image: &Image, id: &str) -> Result<bool> {
        #[derive(Deserialize)]
        struct Manifest {
            config: Config,
        }
        #[derive(Deserialize)]
        struct Config {
            digest: String,
        }
        let asked = Asked {
            method: Method::GET,
            name: &image.name,
            tag: &image.tag,
            content: None,
        };
        let answer = self.ask(&asked).await;
        let what = || format!("look at {image}");
        let answer = answer.map_err(|failure| self.explain(failure, what(), &image.name))?;
        let digest = answer.headers.get("docker-content-digest");
        let manifest: Option<Manifest> = serde_json::from_slice(&answer.body).ok();
        Ok(digest.is_some_and(|digest| digest == id)
            || manifest.is_some_and(|manifest| manifest.config.digest == id))
    }

    /// Lets another tag of the same name mean this image.
    pub(crate) async fn tag(&self, image: &Image, tag: &str) -> Result<()> {
        let what = || format!("make {image} {}", image.with_tag(tag));
        let asked = |method, tag, content| Asked {
            method,
            name: &image.name,
            tag,
            content,
        };
        let put = async {
            let manifest = self.ask(&asked(Method::GET, &image.tag, None)).await?;
            let kind = manifest.headers.get(CONTENT_TYPE);
            let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            let content = Some((kind.to_owned(), manifest.body));
            self.ask(&asked(Method::PUT, tag, content)).await
        };
        let answer = put.await;
        let answer = answer.map_err(|failure| self.explain(failure, what(), &image.name))?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(Error::failed(what()).because("it is not there any more"));
        }
        Ok(())
    }

    /// Asks until there is an answer: a success, or that nothing is there.
    async fn ask(&self, asked: &Asked<'_>) -> Result<Answer, Failure> {
        let mut retry = Retry::new(None);
        loop {
            let failure = match self.attempt(asked).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            retry.pause(failure, asked.name.registry()).await?;
        }
    }

    async fn attempt(&self, asked: &Asked<'_>) -> Result<Answer, Failure> {
        let mut answer = self.send(asked, self.known(asked)).await?;
        if answer.status == StatusCode::UNAUTHORIZED
            && let Some(authorization) = self.authorize(asked, &answer.headers).await?
        {
            answer = self.send(asked, Some(authorization.clone())).await?;
            if let Ok(mut known) = self.known.lock() {
                known.insert(asked.key(), authorization);
            }
        }
        if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND {
            return Ok(answer);
        }
        let wait = answer.headers.get(RETRY_AFTER);
        let wait = wait.and_then(|value| value.to_str().ok());
        let message = message(&answer.body);
        let refusal = Refusal::new(answer.status, wait, message.as_bytes());
        Err(Failure::Refused(refusal))
    }

    fn known(&self, asked: &Asked<'_>) -> Option<Secret> {
        let known = self.known.lock().ok()?;
        known.get(&asked.key()).cloned()
    }

    async fn send(
        &self,
        asked: &Asked<'_>,
        authorization: Option<Secret>,
    ) -> Result<Answer, Failure> {
        let mut request = self
            .http
            .request(asked.method.clone(), asked.url()?)
            .header(ACCEPT, MANIFESTS);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization.reveal());
        }
        if let Some((kind, content)) = &asked.content {
            request = request.header(CONTENT_TYPE, kind).body(content.clone());
        }
        read(request.send().await?).await
    }

    /// What a request has to carry; `None` where we are nobody to this registry.
    async fn authorize(
        &self,
        asked: &Asked<'_>,
        headers: &HeaderMap,
    ) -> Result<Option<Secret>, Failure> {
        let challenge = headers.get(WWW_AUTHENTICATE);
        let challenge = challenge.and_then(|value| Challenge::parse(value.to_str().ok()?));
        let login = self.logins.of_registry(asked.name).await?;
        match (challenge, login) {
            (Some(Challenge::Basic), Some(login)) => Ok(Some(login.basic())),
            (
                Some(Challenge::Bearer {
                    realm,
                    service,
                    scope,
                }),
                login,
            ) => {
                let action = if asked.writes() { "pull,push" } else { "pull" };
                let scope =
                    scope.unwrap_or_else(|| format!("repository:{}:{action}", asked.name.path()));
                let token = self.token(&realm, service.as_deref(), &scope, login.as_ref());
                token.await.map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: &str,
        login: Option<&Login>,
    ) -> Result<Secret, Failure> {
        #[derive(Deserialize)]
        struct Token {
            #[serde(alias = "access_token")]
            token: String,
        }
        let nonsense = |what: &str| Failure::Nonsense(format!("{what} {realm:?}"));
        let mut url = Url::parse(realm).map_err(|_| nonsense("a token is to be had at"))?;
        let is_here = url.host_str().is_some_and(is_loopback);
        if url.scheme() != "https" && !is_here && login.is_some() {
            return Err(nonsense("a password would go unencrypted to"));
        }
        url.query_pairs_mut()
            .extend_pairs(service.map(|service| ("service", service)))
            .append_pair("scope", scope);
        let mut request = self.http.get(url);
        if let Some(login) = login {
            request = request.header(AUTHORIZATION, login.basic().reveal());
        }
        let answer = read(request.send().await?).await?;
        if !answer.status.is_success() {
            let message = message(&answer.body);
            let refusal = Refusal::new(answer.status, None, message.as_bytes());
            return Err(Failure::Refused(refusal));
        }
        let token: Token = serde_json::from_slice(&answer.body)
            .map_err(|_| nonsense("there is no token in the answer of"))?;
        Ok(Secret::new(format!("Bearer {}", token.token)))
    }

    fn explain(&self, failure: Failure, what: String, name: &Name) -> Error {
        match failure.status() {
            Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                let (who, registry) = (self.logins.identity(name), name.registry());
                let hint = match name.project() {
                    Some(project) => {
                        format!("{who} needs roles/artifactregistry.reader on project {project}")
                    }
                    None => format!("{who} may not: docker login {registry}"),
                };
                Error::usage(what).because(failure).hint(hint)
            }
            _ if matches!(failure, Failure::Credentials(_, false)) => {
                Error::usage(what).because(failure)
            }
            Some(status) if status.is_client_error() && !failure.may_pass() => {
                Error::failed(what).because(failure)
            }
            _ => Error::unavailable(what).because(failure),
        }
    }
}

impl Asked<'_> {
    fn writes(&self) -> bool {
        self.method == Method::PUT
    }

    fn key(&self) -> (String, String, bool) {
        let (registry, path) = (self.name.registry(), self.name.path());
        (registry.to_owned(), path.to_owned(), self.writes())
    }

    fn url(&self) -> Result<Url, Failure> {
        let host = match self.name.registry() {
            "docker.io" => "registry-1.docker.io",
            host => host,
        };
        // As Docker: a registry on this machine needs no certificate.
        let name = host.split(':').next().unwrap_or_default();
        let scheme = if is_loopback(name) { "http" } else { "https" };
        let (path, tag) = (self.name.path(), self.tag);
        let url = format!("{scheme}://{host}/v2/{path}/manifests/{tag}");
        Url::parse(&url).map_err(|error| Failure::Nonsense(format!("{url}: {error}")))
    }
}

impl Login {
    fn basic(&self) -> Secret {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        let pair = format!("{}:{}", self.user, self.password.reveal());
        Secret::new(format!("Basic {}", STANDARD.encode(pair)))
    }
}

async fn read(mut response: reqwest::Response) -> Result<Answer, Failure> {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > MOST {
            return Err(Failure::Nonsense("it does not end".to_owned()));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Answer {
        status,
        headers,
        body,
    })
}

/// The texts of a registry's errors. Source: the distribution specification's error codes.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<Fault>,
    }
    #[derive(Deserialize)]
    struct Fault {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    match serde_json::from_slice(body) {
        Ok(Body { errors }) => errors
            .iter()
            .map(|fault| format!("{} {}", fault.code, fault.message))
            .collect::<Vec<_>>()
            .join("; "),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    }
}

fn is_loopback(host: &str) -> bool {
    let is_address = || {
        host.parse::<std::net::IpAddr>()
            .is_ok_and(|it| it.is_loopback())
    };
    host == "localhost" || is_address()
}

/// `ALGORITHM:HEX`; it ends up in files and on command lines.
pub(crate) fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty()
            && algorithm.chars().all(|c| c.is_ascii_alphanumeric())
            && hex.len() >= 32
            && hex.chars().all(|c| c.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(image: &str) -> String {
        let image = Image::parse(image).unwrap();
        let asked = Asked {
            method: Method::HEAD,
            name: &image.name,
            tag: &image.tag,
            content: None,
        };
        asked.url().unwrap().to_string()
    }

    #[test]
    fn only_a_registry_on_this_machine_goes_without_tls() {
        assert_eq!(url("gcr.io/p/a:v1"), "https://gcr.io/v2/p/a/manifests/v1");
        assert_eq!(
            url("a:v1"),
            "https://registry-1.docker.io/v2/library/a/manifests/v1"
        );
        assert_eq!(
            url("127.0.0.1:5000/a:v1"),
            "http://127.0.0.1:5000/v2/a/manifests/v1"
        );
        assert_eq!(
            url("localhost:5000/a:v1"),
            "http://localhost:5000/v2/a/manifests/v1"
        );
        assert_eq!(
            url("127.evil.io/a:v1"),
            "https://127.evil.io/v2/a/manifests/v1"
        );
    }

    #[test]
    fn errors_of_registries_are_told_in_their_words() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no access","detail":{}}]}"#;
        assert_eq!(message(body), "DENIED no access");
        assert_eq!(message(b"<html>"), "<html>");
    }

    #[test]
    fn only_a_digest_is_a_digest() {
        assert!(is_digest(&format!("sha256:{}", "0a".repeat(32))));
        for text in ["sha256:", "sha256:xyz", "", "sha256:00 --rm"] {
            assert!(!is_digest(text), "{text}");
        }
    }
}
