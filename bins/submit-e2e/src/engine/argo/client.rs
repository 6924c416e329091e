//! Requests to the API server: made, bounded in time, and tried again.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use common::env::Env;
use common::{Error, Result};
use http::header::{ACCEPT_ENCODING, RETRY_AFTER};
use http::{HeaderValue, Response};
use http_body::Body as _;
use kube::client::Body;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::fault::{Fault, Refusal, plugin_failure};
use super::source::Source;

/// Longest time until a connection is there.
const CONNECT: Duration = Duration::from_secs(10);

/// Longest time until the server starts to answer, and between two pieces of an answer that is
/// there as a whole.
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// The first pause before another attempt, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Largest answer that is taken into memory, in bytes: a page of a list.
const LARGEST: usize = 256 * 1024 * 1024;

pub(super) type Request = http::Request<Vec<u8>>;

/// A connection to an API server.
pub(super) struct Cluster {
    client: kube::Client,
    /// Where it is, for people.
    pub(super) server: String,
    /// The namespace that is meant where none is named.
    pub(super) namespace: String,
    /// Since when it does not answer.
    away: Cell<Option<Instant>>,
}

impl Cluster {
    /// Prepares the connection; nothing is sent yet.
    pub(super) async fn connect(source: &Source, env: &Env) -> Result<Cluster> {
        let config = source.config(env).await?;
        Cluster::of(config).map_err(|error| refused_config(error, source))
    }

    pub(super) fn of(mut config: kube::Config) -> Result<Cluster, kube::Error> {
        config.connect_timeout = Some(CONNECT);
        // When to try again is decided here, in one place.
        config.default_retry = false;
        let server = config.cluster_url.to_string();
        let server = server.trim_end_matches('/').to_owned();
        let namespace = config.default_namespace.clone();
        Ok(Cluster {
            client: kube::Client::try_from(config)?,
            server,
            namespace,
            away: Cell::new(None),
        })
    }

    /// Sends a request; gives the answer's body as it comes.
    pub(super) async fn open(&self, mut request: Request) -> Result<Pieces, Fault> {
        let headers = request.headers_mut();
        // Watches and logs are read as they grow.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let sent = timeout(ANSWER, self.client.send(request.map(Body::from))).await;
        let sent = sent.map_err(|_| Fault::Stalled(ANSWER));
        let response = sent.and_then(|sent| sent.map_err(Fault::Broken));
        let response = response.inspect_err(|fault| self.note_absence(fault))?;
        if response.status().is_success() {
            self.note_presence();
            return Ok(Pieces(response.into_body()));
        }
        let fault = refusal(response).await;
        if fault.may_pass() {
            self.note_absence(&fault);
        } else {
            self.note_presence();
        }
        Err(fault)
    }

    /// Sends a request; gives the answer as a whole.
    pub(super) async fn send(&self, request: Request) -> Result<Vec<u8>, Fault> {
        self.open(request).await?.all(LARGEST).await
    }

    /// Sends a request again and again while it may succeed later, until this time.
    pub(super) async fn send_until(
        &self,
        until: Instant,
        request: &Request,
    ) -> Result<Vec<u8>, Fault> {
        let mut pauses = Pauses::default();
        loop {
            let fault = match self.send(request.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            let pause = pauses.next(fault.wait());
            if !fault.may_pass() || Instant::now() + pause >= until {
                return Err(fault);
            }
            sleep(pause).await;
        }
    }

    fn note_absence(&self, fault: &Fault) {
        if self.away.get().is_none() {
            self.away.set(Some(Instant::now()));
            warn!(
                "the API server {} does not answer: {fault}; trying again",
                self.server
            );
        }
    }

    fn note_presence(&self) {
        if let Some(since) = self.away.take() {
            let seconds = since.elapsed().as_secs_f64();
            info!(
                "the API server {} answers again after {seconds:.1}s",
                self.server
            );
        }
    }
}

/// A cluster that cannot even be asked: its configuration is wrong, unless its plugin for credentials
/// says otherwise.
fn refused_config(error: kube::Error, source: &Source) -> Error {
    let what = format!("use the cluster of {source}");
    if plugin_failure(&error).is_some() {
        return Fault::Broken(error).explain(what);
    }
    Error::usage(what).because(error)
}

async fn refusal(response: Response<Body>) -> Fault {
    let code = response.status();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    match Pieces(response.into_body()).all(LARGEST).await {
        Ok(body) => Fault::Refused(Refusal::read(code, retry_after.as_deref(), &body)),
        Err(fault) => fault,
    }
}

/// The body of an answer, piece by piece.
pub(super) struct Pieces(Body);

impl Pieces {
    /// The next piece; an error where none comes for so long.
    pub(super) async fn next(&mut self, longest: Duration) -> Option<Result<Bytes, Fault>> {
        loop {
            let frame = poll_fn(|context| Pin::new(&mut self.0).poll_frame(context));
            match timeout(longest, frame).await {
                Err(_) => return Some(Err(Fault::Stalled(longest))),
                Ok(None) => return None,
                Ok(Some(Err(error))) => return Some(Err(Fault::Broken(error))),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
            }
        }
    }

    async fn all(mut self, largest: usize) -> Result<Vec<u8>, Fault> {
        let mut all = Vec::new();
        while let Some(piece) = self.next(ANSWER).await {
            all.extend_from_slice(&piece?);
            if all.len() > largest {
                return Err(Fault::Garbled(format!(
                    "the answer is larger than {largest} bytes"
                )));
            }
        }
        Ok(all)
    }
}

/// Pauses between attempts: they double up to a limit, and no two clients take the same ones.
#[derive(Debug, Default)]
pub(super) struct Pauses(u32);

impl Pauses {
    /// The next pause, never less than the server asks for.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let longest = FIRST_PAUSE
            .saturating_mul(1 << self.0.min(10))
            .min(LONGEST_PAUSE);
        self.0 += 1;
        let pause = longest.mul_f64(0.5 + fastrand::f64() / 2.0);
        asked.map_or(pause, |asked| asked + pause)
    }

    /// What failed before does not count any more.
    pub(super) fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_heed_the_server() {
        let mut pauses = Pauses::default();
        let all: Vec<Duration> = (0..12).map(|_| pauses.next(None)).collect();
        assert!(
            all[0] <= FIRST_PAUSE && all[0] >= FIRST_PAUSE / 2,
            "{all:?}"
        );
        assert!(
            all[11] <= LONGEST_PAUSE && all[11] >= LONGEST_PAUSE / 2,
            "{all:?}"
        );
        pauses.reset();
        let asked = pauses.next(Some(Duration::from_secs(5)));
        assert!(
            asked > Duration::from_secs(5) && asked < Duration::from_secs(6),
            "{asked:?}"
        );
    }
}
