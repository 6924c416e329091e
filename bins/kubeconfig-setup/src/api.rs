//! Requests to a Kubernetes API server, as the user of a kubeconfig or of the pod.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use common::{Error, Result, google};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, StatusCode};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long one request may take, its connection included.
const LIMIT: Duration = Duration::from_secs(20);

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
    /// The server of a context, the current one by default.
    pub(crate) async fn of_kubeconfig(path: &Path, context: Option<&str>) -> Result<Self> {
        let what = format!("read {}", path.display());
        let file =
            Kubeconfig::read_from(path).map_err(|error| Error::usage(&what).because(error))?;
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
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body.unwrap_or_default()))
            .map_err(|error| Error::failed(what).because(error))?;
        let asked = async {
            let (head, body) = self.client.send(request).await?.into_parts();
            let body = body.collect_bytes().await?;
            Ok(Reply {
                status: head.status,
                headers: head.headers,
                body,
            })
        };
        let reply = match tokio::time::timeout(LIMIT, asked).await {
            Ok(asked) => asked.map_err(|error| explain(error, what))?,
            Err(_) => {
                return Err(Error::unavailable(what)
                    .because(format!("{} did not answer within {LIMIT:?}", self.server))
                    .hint(NOT_REACHED));
            }
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

impl std::fmt::Debug for Api {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Api")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Reply {
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
