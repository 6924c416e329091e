//! Finds secrets in files.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::OFlags;
use serde_json::Value as Json;
use walkdir::WalkDir;

use super::{SHORTEST, Secrets, Value};
use crate::{Error, Result, ResultExt};

/// The most that a secret of Kubernetes can hold, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Adds the files of a folder.
pub(super) fn folder(secrets: &mut Secrets, folder: &Path) -> Result<()> {
    let failed = || format!("read the secrets in {}", folder.display());
    // A typo must not read as "no secrets".
    if !fs::metadata(folder).or_usage(failed)?.is_dir() {
        return Err(Error::usage(format!(
            "{} is not a folder",
            folder.display()
        )));
    }
    // Kubernetes: NAME -> ..data/NAME, ..data -> ..2026_01_01…; the names lead to all of it.
    let visible = |name: &OsStr| !name.as_encoded_bytes().starts_with(b"..");
    let entries = WalkDir::new(folder)
        .follow_links(true)
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || visible(entry.file_name()));
    for entry in entries {
        let entry = entry.or_failed(failed)?;
        if entry.file_type().is_file() && !is_namespace(entry.path()) {
            file(secrets, entry.path())?;
        }
    }
    Ok(())
}

/// A service account's folder holds the namespace beside the token; that is in every log.
fn is_namespace(path: &Path) -> bool {
    path.ends_with("namespace")
        && path.with_file_name("token").exists()
        && path.with_file_name("ca.crt").exists()
}

/// Adds a file's content, and the secrets that it names.
pub(super) fn file(secrets: &mut Secrets, path: &Path) -> Result<()> {
    let shown = path.display().to_string().escape_debug().to_string();
    let content = read(path).or_failed(|| format!("read the secret {shown}"))?;
    secrets.add(format_args!("the secret {shown}"), &content);
    if let Ok(json) = serde_json::from_slice::<Json>(&content) {
        of_json(secrets, "", &json);
    } else if let Ok(text) = std::str::from_utf8(&content) {
        of_lines(secrets, text);
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<Value> {
    // A FIFO in its place would never be ready.
    let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file: File = File::options()
        .read(true)
        .custom_flags(nonblock)
        .open(path)?;
    let size = file.metadata()?.len();
    if size > LARGEST {
        let what = format!("it has {size} bytes, and a secret has at most {LARGEST}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    file.take(LARGEST).read_to_end(&mut content)?;
    Ok(Value::from(content))
}

/// `key` is the name that the value goes by.
fn of_json(secrets: &mut Secrets, key: &str, json: &Json) {
    match json {
        Json::Object(members) => {
            for (key, value) in members {
                of_json(secrets, key, value);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| of_json(secrets, key, item)),
        Json::String(value) => named(secrets, key, value),
        _ => {}
    }
}

/// `NAME=VALUE` of environment and ini files, `NAME: VALUE` of YAML.
fn of_lines(secrets: &mut Secrets, text: &str) {
    for line in text.lines() {
        let line = line.trim().trim_start_matches("- ");
        let line = line.strip_prefix("export ").unwrap_or(line);
        if let Some((name, value)) = line.split_once(['=', ':']) {
            let value = value.trim().trim_matches(['"', '\'']);
            named(secrets, name.trim().trim_matches('"'), value);
        }
    }
}

/// Takes a value whose name says that it is secret.
fn named(secrets: &mut Secrets, name: &str, value: &str) {
    const SECRET: [&str; 8] = [
        "password",
        "passwd",
        "passphrase",
        "token",
        "secret",
        "key",
        "key-data",
        "auth",
    ];
    let name = name.to_ascii_lowercase();
    if value.len() < SHORTEST || !SECRET.iter().any(|end| name.ends_with(end)) {
        return;
    }
    secrets.add("a value", value.as_bytes());
    // Docker: base64 of user:password. A kubeconfig: base64 of the key.
    if let Ok(decoded) = STANDARD.decode(value) {
        let decoded = Value::from(decoded);
        let password = decoded.iter().position(|byte| *byte == b':');
        let password = match password {
            Some(colon) if name == "auth" => &decoded[colon + 1..],
            _ => &decoded[..],
        };
        if password.len() >= SHORTEST {
            secrets.add("a value", password);
        }
    }
}
