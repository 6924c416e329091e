//! The credentials of another kubeconfig's user, read there whenever they are needed.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::app::App;
use common::{Error, Result, ResultExt};
use serde_json::{Map, Value};

use super::exec::Answer;
use super::other_plugin;
use crate::source::Existing;

/// The user's token, or certificate and key, or what its plugin gives.
pub(super) async fn answer(
    version: &'static str,
    kubeconfig: &Path,
    user: &str,
    expires: Option<SystemTime>,
    app: &App,
) -> Result<Answer> {
    let secrets = Existing::read(kubeconfig)?.secrets(user)?;
    let text = |field: &str| {
        secrets
            .get(field)
            .and_then(Value::as_str)
            .filter(|it| !it.is_empty())
    };
    if let Some(token) = text("token") {
        return Ok(Answer::token(version, token, expires));
    }
    if let Some(file) = text("tokenFile") {
        let token = fs::read_to_string(file).or_usage(|| format!("read the token in {file}"))?;
        return Ok(Answer::token(version, token.trim(), expires));
    }
    if let Some(plugin) = secrets.get("exec").and_then(Value::as_object) {
        return other_plugin::answer(version, plugin, expires, app).await;
    }
    let certificate = pem(&secrets, "client-certificate")?;
    let key = pem(&secrets, "client-key")?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Answer::certificate(version, &certificate, &key)),
        _ => Err(Error::usage(format!(
            "user {user} of {} has no token, no certificate with its key and no plugin",
            kubeconfig.display()
        ))),
    }
}

/// `FIELD-data`, in base64, or the file that `FIELD` names.
fn pem(secrets: &Map<String, Value>, field: &str) -> Result<Option<String>> {
    let inline = format!("{field}-data");
    let text = |field: &str| {
        secrets
            .get(field)
            .and_then(Value::as_str)
            .filter(|it| !it.is_empty())
    };
    let bytes = match (text(&inline), text(field)) {
        (Some(data), _) => STANDARD
            .decode(data)
            .map_err(|_| Error::usage(format!("{inline} is no base64")))?,
        (None, Some(file)) => fs::read(file).or_usage(|| format!("read {file}"))?,
        (None, None) => return Ok(None),
    };
    let text = String::from_utf8(bytes);
    text.map(Some)
        .map_err(|_| Error::usage(format!("{field} is no PEM")))
}
