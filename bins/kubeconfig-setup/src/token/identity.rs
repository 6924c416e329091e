//! Whose token is wanted: what the cache keeps apart.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use common::env::{self, Env};
use common::{Error, Result, ResultExt, google};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Whose token is wanted.
#[derive(Debug)]
pub(super) struct Identity {
    /// The account on whose behalf.
    pub(super) account: Option<String>,
    pub(super) source: Source,
    /// Tells it from all others; holds no secret.
    pub(super) key: String,
}

/// Where the credentials come from.
#[derive(Debug, PartialEq)]
pub(super) enum Source {
    /// A service account's key.
    Key(Box<Value>),
    /// Another kind of file, which Google's library reads.
    File {
        /// Whether it is the login of a person.
        of_person: bool,
    },
    /// The metadata server at this host.
    Metadata(String),
}

impl Identity {
    /// Looks where Google's libraries look. A file is told apart by its content, so that no token
    /// outlives the change to another key.
    pub(super) fn of(account: Option<&str>, env: &Env) -> Result<Self> {
        let (source, mut key) = if let Some(path) = google::credentials_file(env) {
            of_file(&path, env)?
        } else {
            let host = env.get(env::GCE_METADATA_HOST);
            let host = host.unwrap_or("metadata.google.internal");
            let key = format!("metadata {host} of {}", machine());
            (Source::Metadata(host.to_owned()), key)
        };
        if let Some(account) = account {
            check(account)?;
            // Writing to a String cannot fail.
            let _ = write!(key, " as {account}");
        }
        Ok(Identity {
            account: account.map(str::to_owned),
            source,
            key,
        })
    }
}

fn of_file(path: &Path, env: &Env) -> Result<(Source, String)> {
    let what = || format!("read the credentials in {}", path.display());
    let named = env.get(env::GOOGLE_APPLICATION_CREDENTIALS).is_some();
    let content = fs::read(path).or_usage(what).map_err(|error| {
        let variable = env::GOOGLE_APPLICATION_CREDENTIALS;
        if named {
            error.hint(format!("{variable} names it"))
        } else {
            error
        }
    })?;
    let json: Value = serde_json::from_slice(&content).map_err(|error| {
        // The library's error may show a piece of the file.
        Error::usage(what()).because(format!("it is no JSON at line {}", error.line()))
    })?;
    let mut key = "file ".to_owned();
    for byte in Sha256::digest(&content) {
        let _ = write!(key, "{byte:02x}");
    }
    match json["type"].as_str() {
        Some("service_account") => Ok((Source::Key(Box::new(json)), key)),
        Some("authorized_user") => Ok((Source::File { of_person: true }, key)),
        // What it leads to depends on where we are.
        Some(_) => Ok((
            Source::File { of_person: false },
            format!("{key} on {}", machine()),
        )),
        None => Err(Error::usage(what()).because("it has no type").hint(
            "it has to be a service account's key, or what `gcloud auth application-default \
             login` or `gcloud iam workload-identity-pools create-cred-config` wrote",
        )),
    }
}

/// Homes may be shared between pods of different accounts.
fn machine() -> String {
    env::hostname().unwrap_or_default()
}

fn check(account: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "@.-_".contains(c);
    if account.contains('@') && account.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{account:?} is not the email of a service account"
    )))
}

/// The path of the cache's entry follows from the identity alone.
pub(super) fn file_name(key: &str) -> PathBuf {
    let mut name = String::new();
    for byte in &Sha256::digest(key.as_bytes())[..16] {
        let _ = write!(name, "{byte:02x}");
    }
    format!("{name}.json").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_differ_by_file_content_account_and_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.json");
        let variable = env::GOOGLE_APPLICATION_CREDENTIALS;
        let env: Env = [(variable, file.display().to_string())]
            .into_iter()
            .collect();
        let key = |account| Identity::of(account, &env).unwrap().key;
        fs::write(
            &file,
            r#"{"type": "service_account", "private_key": "s3cr3t"}"#,
        )
        .unwrap();
        let (one, other) = (key(None), key(Some("a@p.iam.gserviceaccount.com")));
        assert_ne!(one, other);
        assert!(!one.contains("s3cr3t"));
        fs::write(
            &file,
            r#"{"type": "service_account", "private_key": "s4cr3t"}"#,
        )
        .unwrap();
        assert_ne!(key(None), one);
        let metadata = Identity::of(None, &Env::default()).unwrap();
        assert_eq!(
            metadata.source,
            Source::Metadata("metadata.google.internal".to_owned())
        );
    }

    #[test]
    fn an_account_cannot_lead_elsewhere() {
        for account in ["a", "a@b/../c", "a@b?x", "a@b\n"] {
            assert!(Identity::of(Some(account), &Env::default()).is_err());
        }
    }

    #[test]
    fn a_broken_file_is_told_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.json");
        fs::write(&file, "s3cr3t").unwrap();
        let variable = env::GOOGLE_APPLICATION_CREDENTIALS;
        let env: Env = [(variable, file.display().to_string())]
            .into_iter()
            .collect();
        let error = Identity::of(None, &env).unwrap_err().report();
        assert!(
            error.contains("key.json") && !error.contains("s3cr3t"),
            "{error}"
        );
    }
}
