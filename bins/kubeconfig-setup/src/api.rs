//! Requests to a Kubernetes API server, as the user of a kubeconfig or of the pod.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use common::{Error, Result, google};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, StatusCode};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

/// How long one request may take, its connection included.
const LIMIT: Duration = Duration::from_secs(20);

/// The pause after a server's first "not now", where it does not say how long to wait.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// An API server and who we are there.
pub(crate) struct Api {
    client: kube::Client,
    /// Its URL.
    pub(crate) server: String,
    /// The namespace of the context.
    pub(crate) namespace: String,
}

/// An answer, whatever its status.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Bytes,
}

impl Api {
    /// The server of a context, the current one by default, of a file or of several, which count
    /// as one as for kubectl.
    pub(crate) async fn of_kubeconfig(paths: &[PathBuf], context: Option<&str>) -> Result<Self> {
        let names: Vec<String> = paths.iter().map(|it| it.display().to_string()).collect();
        let what = format!("read {}", names.join(" and "));
        let file = read(paths).map_err(|error| Error::usage(&what).because(error))?;
        let options = KubeConfigOptions {
            context: context.map(str::to_owned),
            ..KubeConfigOptions::default()
        };
        let config = kube::Config::from_custom_kubeconfig(file, &options).await;
        Api::new(config.map_err(|error| Error::usage(&what).because(error))?).await
    }

    /// The server of the cluster that this pod runs in.
    pub(crate) async fn in_cluster() -> Result<Self> {
        let config = kube::Config::incluster().map_err(|error| {
            Error::usage("find the cluster that this pod runs in")
                .because(error)
                .hint("outside of a cluster, name a kubeconfig")
        })?;
        Api::new(config).await
    }

    async fn new(mut config: kube::Config) -> Result<Self> {
        config.connect_timeout = Some(Duration::from_secs(10));
        config.read_timeout = Some(LIMIT);
        config.write_timeout = Some(LIMIT);
        // The library's own tries would hide what the server said.
        config.default_retry = false;
        let agent = HeaderValue::from_static(google::USER_AGENT);
        config.headers.push((USER_AGENT, agent));
        let server = config.cluster_url.to_string();
        let namespace = config.default_namespace.clone();
        let server_name = server.clone();
        // An exec plugin is run here, and waited for.
        let client = tokio::task::spawn_blocking(move || kube::Client::try_from(config)).await;
        let client = client
            .map_err(|panic| {
                Error::failed(format!("prepare requests to {server_name}")).because(panic)
            })?
            .map_err(|error| explain(error, &format!("prepare requests to {server_name}")))?;
        Ok(Api {
            client,
            server,
            namespace,
        })
    }

    async fn send(&self, request: http::Request<Body>) -> Result<Reply, kube::Error> {
        let (head, body) = self.client.send(request).await?.into_parts();
        let body = body.collect_bytes().await?;
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    /// Makes a request; gives its answer whatever its status is, unless it says that the server
    /// cannot do it now or does not know us.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        what: &str,
    ) -> Result<Reply> {
        let body = body.map(serde_json::to_vec).transpose();
        let body = body.map_err(|error| Error::failed(what).because(error))?;
        let body = body.unwrap_or_default();
        let end = Instant::now() + LIMIT;
        let mut pause = FIRST_PAUSE;
        let reply = loop {
            let request = http::Request::builder()
                .method(method.clone())
                .uri(path)
                .header(CONTENT_TYPE, "application/json")
                .body(Body::from(body.clone()))
                .map_err(|error| Error::failed(what).because(error))?;
            let reply = match tokio::time::timeout_at(end, self.send(request)).await {
                Ok(asked) => asked.map_err(|error| explain(error, what))?,
                Err(_) => {
                    return Err(Error::unavailable(what)
                        .because(format!("{} did not answer within {LIMIT:?}", self.server))
                        .hint(NOT_REACHED));
                }
            };
            let wait = reply.wait().unwrap_or(pause);
            if !reply.is_busy() || Instant::now() + wait >= end {
                break reply;
            }
            tracing::debug!("{what}: {}; trying again in {wait:?}", reply.message());
            tokio::time::sleep(wait).await;
            pause *= 2;
        };
        match reply.status {
            StatusCode::UNAUTHORIZED => Err(Error::usage(what)
                .because(reply.message())
                .hint("the server does not take the credentials: do they belong to this cluster?")),
            StatusCode::TOO_MANY_REQUESTS => Err(Error::unavailable(what).because(reply.message())),
            status if status.is_server_error() => {
                Err(Error::unavailable(what).because(reply.message()))
            }
            _ => Ok(reply),
        }
    }
}

/// Reads them as one. Those of a list that are not there are left out, as kubectl does it.
fn read(paths: &[PathBuf]) -> Result<Kubeconfig, KubeconfigError> {
    let is_there = |path: &&PathBuf| paths.len() == 1 || path.exists();
    let mut all = Kubeconfig::default();
    for path in paths.iter().filter(is_there) {
        all = all.merge(Kubeconfig::read_from(path)?)?;
    }
    Ok(all)
}

impl std::fmt::Debug for Api {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Api")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Reply {
    /// Whether the server did nothing, and may do it soon.
    fn is_busy(&self) -> bool {
        matches!(
            self.status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        )
    }

    /// How long the server asks to wait.
    fn wait(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?;
        seconds.trim().parse().ok().map(Duration::from_secs)
    }

    /// What the server says of an error.
    pub(crate) fn message(&self) -> String {
        let said: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let status = self.status;
        match said["message"].as_str() {
            Some(message) => format!(
                "the server answered {status}: {}",
                common::on_one_line(message)
            ),
            None => format!("the server answered {status}"),
        }
    }

    /// Reads a success.
    pub(crate) fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T> {
        if !self.status.is_success() {
            let error = match self.status {
                StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Error::usage(what),
                _ => Error::failed(what),
            };
            return Err(error.because(self.message()));
        }
        serde_json::from_slice(&self.body).map_err(|error| Error::unavailable(what).because(error))
    }
}

const NOT_REACHED: &str = "a private cluster is reached from its own network, with \
    `get --internal-ip`, or by `get --dns-endpoint`; authorized networks keep others out";

/// Our credentials, or the way there.
fn explain(error: kube::Error, what: &str) -> Error {
    match error {
        kube::Error::Auth(error) => Error::usage(what).because(error).hint(
            "the kubeconfig's user has no credentials that work: is its exec plugin in the PATH?",
        ),
        kube::Error::RustlsTls(_) | kube::Error::BuildRequest(_) | kube::Error::HttpError(_) => {
            Error::usage(what).because(error)
        }
        // hyper puts what was wrong with a certificate, or a plugin, at the bottom.
        other => {
            let text = innermost(&other);
            let error = if text.contains("certificate") {
                Error::usage(what).because(text)
            } else {
                Error::unavailable(what).because(text)
            };
            error.hint(NOT_REACHED)
        }
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    common::on_one_line(&innermost.to_string())
}
