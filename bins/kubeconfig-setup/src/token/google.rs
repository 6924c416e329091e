//! A new token from Google, and until when it is good.
//!
//! Google's library gives tokens for Google's own APIs. It does not say when they expire, and for
//! a service account's key it signs one itself, which the API servers of GKE do not know; so for a
//! key, the metadata server and impersonation we ask, and for the rest (a person's login, workload
//! identity federation, a file of impersonation) the library does.

use std::time::{Duration, Instant, SystemTime};

use common::env::{self, Env};
use common::google::{Client, Credentials, IAM_CREDENTIALS, Needs, Request};
use common::{Error, Result, ResultExt};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::identity::{Identity, Source};
use super::{Token, key_file, metadata};

/// GKE tells accounts by their email, so a token has to show it.
pub(super) static SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/userinfo.email",
];

/// How long a token is asked for: a client of Kubernetes waits for it.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// What the library gives was made just now. Google makes such tokens for an hour; half of it is
/// counted on.
const OF_LIBRARY: Duration = Duration::from_mins(30);

/// Asks for a token.
pub(super) async fn fresh(identity: &Identity, env: &Env) -> Result<Token> {
    let asked = SystemTime::now();
    let until = Instant::now() + LIMIT;
    if let Some(account) = &identity.account {
        return impersonate(account, env, until).await;
    }
    match &identity.source {
        Source::Key(key) => key_file::token(key, asked, until).await,
        Source::Metadata(host) => metadata::token(host, asked, until).await,
        Source::File { of_person } => {
            // The scopes of a person are those of their login.
            let scopes: &[&str] = if *of_person { &[] } else { &SCOPES };
            let credentials = Credentials::with_scopes(env, scopes);
            let what = || format!("get a token for {}", credentials.identity());
            let secret = credentials.bearer().await;
            let secret = secret.map_err(|failure| failure.into_error(what()))?;
            let expires = asked + OF_LIBRARY;
            Ok(Token { secret, expires })
        }
    }
}

/// Acts on behalf of an account, as those who we are. Source: the IAM Service Account Credentials
/// API, `projects.serviceAccounts.generateAccessToken`.
async fn impersonate(account: &str, env: &Env, until: Instant) -> Result<Token> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        access_token: String,
        expire_time: String,
    }
    // Who asks is not the account that is asked for.
    let variable = env::IMPERSONATE_SERVICE_ACCOUNT;
    let env: Env = env.iter().filter(|(name, _)| *name != variable).collect();
    let client = Client::new(IAM_CREDENTIALS, &env)?;
    let method = format!("{account}:generateAccessToken");
    let url = client.url(&["v1", "projects", "-", "serviceAccounts", &method]);
    let request =
        Request::new(Method::POST, url).json(&json!({ "scope": SCOPES, "lifetime": "3600s" }));
    let needs = Needs::on_account(account, "roles/iam.serviceAccountTokenCreator");
    let what = format!("get a token for {account}");
    let asked = client.ask(&request, Some(until)).await;
    let answer: Answer = asked
        .and_then(|answer| answer.json())
        .map_err(|failure| client.explain(failure, what.clone(), &needs))?;
    let expires = humantime::parse_rfc3339(&answer.expire_time).or_unavailable(|| what)?;
    Ok(Token {
        secret: answer.access_token,
        expires,
    })
}

/// A token as OAuth 2 servers give it (RFC 6749, section 5.1).
#[derive(Deserialize)]
pub(super) struct OAuthToken {
    access_token: String,
    expires_in: u64,
}

impl OAuthToken {
    /// Its time is counted from before it was asked for.
    pub(super) fn into_token(self, asked: SystemTime, what: &str) -> Result<Token> {
        if self.access_token.is_empty() {
            return Err(Error::unavailable(what).because("the server's answer has no token"));
        }
        Ok(Token {
            secret: self.access_token,
            expires: asked + Duration::from_secs(self.expires_in),
        })
    }
}
