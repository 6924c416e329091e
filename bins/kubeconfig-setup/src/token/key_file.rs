//! A service account's key: a statement signed with it is exchanged for a token (RFC 7523).

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use common::google::{Client, Request};
use common::{Error, Result, ResultExt};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::Token;
use super::google::{OAuthToken, SCOPES};

/// How long the statement is good for, in seconds; Google takes an hour at most.
const SIGNED_FOR: u64 = 3600;

/// Asks the server that the key's file names.
pub(super) async fn token(key: &Value, asked: SystemTime, until: Instant) -> Result<Token> {
    let field = |name: &str| {
        key[name].as_str().ok_or_else(|| {
            Error::usage("read the service account's key").because(format!("it has no {name}"))
        })
    };
    let (email, server) = (field("client_email")?, field("token_uri")?);
    let what = format!("get a token for {email} from {server}");
    let url = Url::parse(server).or_usage(|| what.clone())?;
    let signed = sign(
        email,
        server,
        field("private_key")?,
        key["private_key_id"].as_str(),
        asked,
    )?;
    let request = Request::new(Method::POST, url).form(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", &signed),
    ]);
    let answer = Client::anonymous()?.ask(&request, Some(until)).await;
    let token: OAuthToken = answer.and_then(|answer| answer.json()).map_err(|failure| {
        failure
            .into_error(what.clone())
            .hint("is the key still one of the account's: gcloud iam service-accounts keys list")
    })?;
    token.into_token(asked, &what)
}

fn sign(
    email: &str,
    server: &str,
    pem: &str,
    key_id: Option<&str>,
    now: SystemTime,
) -> Result<String> {
    let what = || format!("sign as {email}");
    let key = EncodingKey::from_rsa_pem(pem.as_bytes())
        .map_err(|_| Error::usage(what()).because("private_key is no RSA key in PEM form"))?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = json!({
        "iss": email, "scope": SCOPES.join(" "), "aud": server, "iat": now,
        "exp": now + SIGNED_FOR,
    });
    let mut header = Header::new(Algorithm::RS256);
    header.kid = key_id.map(str::to_owned);
    jsonwebtoken::encode(&header, &claims, &key).or_failed(what)
}
