//! One request to Google Cloud Storage's JSON API, and the attempts at it.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};

use super::body::{Part, Pieces, Progress};
use super::credentials::Credentials;
use super::failure::{Failure, Refusal};
use super::retry::Retry;
use crate::env::{self, Env};
use crate::{Error, Result};

const GOOGLE: &str = "https://storage.googleapis.com";

/// The most of an answer that is taken into memory. A page of a listing has 1,000 objects.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// A bucket's server.
#[derive(Debug)]
pub(super) struct Client {
    base: Url,
    bucket: String,
    credentials: Credentials,
    http: OnceLock<reqwest::Client>,
}

/// A request, which can be made again.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) parts: Vec<Part>,
    /// Counts what is sent of it.
    sent: Arc<AtomicU64>,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Request {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Request {
            method,
            url,
            headers: Vec::new(),
            parts: Vec::new(),
            sent: Arc::default(),
        }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn json(self, body: &serde_json::Value) -> Self {
        self.header("content-type", "application/json")
            .part(Part::Memory(body.to_string().into()))
    }

    pub(super) fn part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    pub(super) fn counting(self, sent: &Arc<AtomicU64>) -> Self {
        let sent = sent.clone();
        Request { sent, ..self }
    }

    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }
}

impl Client {
    /// Finds the server and the credentials. An emulator gets no credentials, ever.
    pub(super) fn new(bucket: &str, env: &Env) -> Result<Self> {
        let emulator = env.get(env::STORAGE_EMULATOR_HOST);
        let endpoint = env.get(env::STORAGE_ENDPOINT);
        let switched_off = env.get(env::DISABLE_CREDENTIALS) == Some("true");
        let (variable, host) = match (emulator, endpoint) {
            (Some(host), _) => (env::STORAGE_EMULATOR_HOST, host),
            // gcloud has the API's own path in it.
            (None, Some(host)) => (
                env::STORAGE_ENDPOINT,
                host.trim_end_matches('/').trim_end_matches("/storage/v1"),
            ),
            (None, None) => ("", GOOGLE),
        };
        let scheme = if host.contains("://") { "" } else { "http://" };
        let base = Url::parse(&format!("{scheme}{host}"))
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| Error::usage(format!("{variable}={host:?} is not a server's URL")))?;
        Ok(Client {
            base,
            bucket: bucket.to_owned(),
            credentials: if emulator.is_some() || switched_off {
                Credentials::anonymous()
            } else {
                Credentials::of(env)
            },
            http: OnceLock::new(),
        })
    }

    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(super) fn identity(&self) -> String {
        self.credentials.identity()
    }

    /// `…/b/BUCKET/o`, the objects.
    pub(super) fn objects(&self) -> Url {
        self.url(&["storage", "v1", "b", &self.bucket, "o"])
    }

    /// `…/b/BUCKET/o/NAME`, one object.
    pub(super) fn object(&self, name: &str) -> Url {
        self.url(&["storage", "v1", "b", &self.bucket, "o", name])
    }

    /// Where content goes.
    pub(super) fn uploads(&self) -> Url {
        self.url(&["upload", "storage", "v1", "b", &self.bucket, "o"])
    }

    /// Each part is one segment: a `/` in it is escaped.
    pub(super) fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(parts);
        }
        url
    }

    /// Makes the request until it succeeds or there is no hope; gives the whole answer.
    pub(super) async fn ask(
        &self,
        request: &Request,
        until: Option<Instant>,
    ) -> Result<Answer, Failure> {
        let mut retry = Retry::new(until);
        loop {
            let failure = match self.attempt(request, retry.stall()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            retry.pause(failure, request.url.path()).await?;
        }
    }

    /// Makes the request once; gives the whole answer if it is a success, or a 308, which is
    /// how an unfinished upload is answered.
    pub(super) async fn attempt(
        &self,
        request: &Request,
        stall: Duration,
    ) -> Result<Answer, Failure> {
        let mut response = self.open(request, stall).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = rest(&mut response, stall).await?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// Makes the request once; gives the start of the answer.
    pub(super) async fn open(
        &self,
        request: &Request,
        stall: Duration,
    ) -> Result<Response, Failure> {
        let (headers, version) = self.credentials.headers().await?;
        let failure = match self.send(request, headers, stall).await {
            Ok(response) => return Ok(response),
            Err(failure) => failure,
        };
        // A token that expired or was withdrawn: once more, with a fresh one.
        if failure.is(StatusCode::UNAUTHORIZED) && self.credentials.renew(version).await {
            tracing::debug!("{failure}; asking for a fresh token");
            let (headers, _) = self.credentials.headers().await?;
            return self.send(request, headers, stall).await;
        }
        Err(failure)
    }

    async fn send(
        &self,
        request: &Request,
        headers: HeaderMap,
        stall: Duration,
    ) -> Result<Response, Failure> {
        let progress = Progress::counting(request.sent.clone());
        let body = Pieces::new(request.parts.iter().cloned(), progress.clone());
        let mut builder = self
            .http()?
            .request(request.method.clone(), request.url.clone())
            .headers(headers);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let sent = builder.body(reqwest::Body::wrap(body)).send();
        let mut response = getting_on(sent, &progress, stall).await??;
        let status = response.status();
        if status.is_success() || status == StatusCode::PERMANENT_REDIRECT {
            return Ok(response);
        }
        let wait = response.headers().get(RETRY_AFTER).cloned();
        let body = rest(&mut response, stall).await.unwrap_or_default();
        let wait = wait.as_ref().and_then(|value| value.to_str().ok());
        Err(Failure::Refused(Refusal::new(status, wait, &body)))
    }

    fn http(&self) -> Result<&reqwest::Client, Failure> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let built = reqwest::Client::builder()
            .user_agent(concat!("test-worker/", env!("CARGO_PKG_VERSION")))
            // A server that closes idle connections must not meet a request of ours.
            .pool_idle_timeout(Duration::from_secs(20))
            .connect_timeout(Duration::from_secs(10))
            // 308 is an answer here, and nothing else of this API redirects.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(self.http.get_or_init(|| built))
    }
}

/// Waits for work as long as pieces are sent; not for longer than `stall` without one.
async fn getting_on<T>(
    work: impl Future<Output = T>,
    progress: &Progress,
    stall: Duration,
) -> Result<T, Failure> {
    let mut work = std::pin::pin!(work);
    let (mut count, mut since) = (progress.count(), Instant::now());
    loop {
        if let Ok(done) = tokio::time::timeout(stall / 4, &mut work).await {
            return Ok(done);
        }
        let now = progress.count();
        if now != count {
            (count, since) = (now, Instant::now());
        } else if since.elapsed() >= stall {
            return Err(Failure::Stalled(stall));
        }
    }
}

async fn rest(response: &mut Response, stall: Duration) -> Result<Bytes, Failure> {
    let mut body = Vec::new();
    while let Some(piece) = piece(response, stall).await? {
        if body.len() + piece.len() > ANSWER_LIMIT {
            return Err(Failure::Nonsense("it does not end".to_owned()));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}

/// The next piece of an answer.
pub(super) async fn piece(
    response: &mut Response,
    stall: Duration,
) -> Result<Option<Bytes>, Failure> {
    match tokio::time::timeout(stall, response.chunk()).await {
        Ok(piece) => Ok(piece?),
        Err(_) => Err(Failure::Stalled(stall)),
    }
}
