//! The metadata server: workload identity on GKE, the machine's account elsewhere at Google.

use std::time::{Duration, Instant, SystemTime};

use common::google::{Client, Request};
use common::{Error, Result, ResultExt};
use reqwest::{Method, Url};

use super::Token;
use super::google::{OAuthToken, SCOPES};

/// How long the server's name is looked up: a fresh pod may have no DNS for a moment, and a machine
/// elsewhere never knows it.
const RESOLVING: Duration = Duration::from_secs(4);

/// Asks for a token. The server gives one that it made for somebody before while that is good for
/// some minutes more.
pub(super) async fn token(host: &str, asked: SystemTime, until: Instant) -> Result<Token> {
    let what = format!("get a token from the metadata server {host}");
    let path = "computeMetadata/v1/instance/service-accounts/default/token";
    let url = Url::parse(&format!("http://{host}/{path}")).or_usage(|| what.clone())?;
    let request = Request::new(Method::GET, url)
        .query("scopes", &SCOPES.join(","))
        .header("metadata-flavor", "Google");
    let client = Client::anonymous()?;
    let mut answer = client.ask(&request, Some(Instant::now() + RESOLVING)).await;
    if let Err(failure) = &answer {
        if failure.is_unknown_host() {
            let error =
                Error::usage(&what).because(format!("{failure}: this is no machine of Google's"));
            return Err(explain(error));
        }
        if failure.may_pass() {
            answer = client.ask(&request, Some(until)).await;
        }
    }
    let token: OAuthToken = answer
        .and_then(|answer| answer.json())
        .map_err(|failure| explain(failure.into_error(what.clone())))?;
    token.into_token(asked, &what)
}

fn explain(error: Error) -> Error {
    error.hint(
        "on GKE bind the Kubernetes service account to one of Google (workload identity); \
         elsewhere set GOOGLE_APPLICATION_CREDENTIALS, or run gcloud auth application-default \
         login",
    )
}
