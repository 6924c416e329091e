//! Requests to one of Google's APIs, and the attempts at them.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};

use super::body::{Pieces, Progress};
use super::credentials::Credentials;
use super::failure::{Failure, Refusal};
use super::request::{Answer, Request};
use super::retry::Retry;
use super::service::{STORAGE, Service};
use crate::Result;
use crate::env::{self, Env};

/// What each request of ours says of its sender.
pub const USER_AGENT: &str = concat!("test-worker/", env!("CARGO_PKG_VERSION"));

/// The most of an answer that is taken into memory. A page of a listing has 1,000 objects.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// The server of one of Google's APIs.
#[derive(Debug)]
pub struct Client {
    pub(super) service: Service,
    base: Url,
    credentials: Credentials,
    http: OnceLock<reqwest::Client>,
}

impl Client {
    /// Finds the server and the credentials. An emulator gets no credentials, ever.
    pub fn new(service: Service, env: &Env) -> Result<Self> {
        let server = service.server(env)?;
        Ok(Client {
            service,
            base: server.url,
            credentials: if server.with_credentials {
                Credentials::of(env)
            } else {
                Credentials::anonymous()
            },
            http: OnceLock::new(),
        })
    }

    /// One for servers that ask for no credentials, or give them: each request names its own.
    pub fn anonymous() -> Result<Self> {
        let off = [(env::DISABLE_CREDENTIALS, "true")].into_iter().collect();
        Client::new(STORAGE, &off)
    }

    /// Who we are, for an error's reader.
    pub fn identity(&self) -> String {
        self.credentials.identity()
    }

    /// Each part is one segment: a `/` in it is escaped.
    pub fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(parts);
        }
        url
    }

    /// Makes the request until it succeeds or there is no hope; gives the whole answer. Not for
    /// one that does harm when the server gets it twice.
    pub async fn ask(&self, request: &Request, until: Option<Instant>) -> Result<Answer, Failure> {
        let mut retry = Retry::new(until);
        loop {
            let failure = match self.attempt(request, retry.stall()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let host = request.url.host_str().unwrap_or_default();
            let what = format!("{} {host}{}", request.method, request.url.path());
            retry.pause(failure, &what).await?;
        }
    }

    /// Makes the request once; gives the whole answer if it is a success, or a 308, which is
    /// how an unfinished upload is answered.
    pub async fn attempt(&self, request: &Request, stall: Duration) -> Result<Answer, Failure> {
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
    pub(crate) async fn open(
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
            .user_agent(USER_AGENT)
            // A server that closes idle connections must not meet a request of ours.
            .pool_idle_timeout(Duration::from_secs(20))
            .connect_timeout(Duration::from_secs(10))
            // 308 is an answer here, and nothing else of this API redirects.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(self.http.get_or_init(|| built))
    }
}

/// A server's own time, in seconds, when it answered.
pub fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
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
pub(crate) async fn piece(
    response: &mut Response,
    stall: Duration,
) -> Result<Option<Bytes>, Failure> {
    match tokio::time::timeout(stall, response.chunk()).await {
        Ok(piece) => Ok(piece?),
        Err(_) => Err(Failure::Stalled(stall)),
    }
}
