//! Kubeconfig files: what is in them stays, one entry comes to it or is replaced.

mod lock;
mod place;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::yaml::{self, Document};
use common::{Error, Result, ResultExt, whole_file};
pub(crate) use place::{place, places};
use serde_json::{Map, Value, json};

use lock::Lock;

/// A cluster, who uses it, and the context that joins them; all of one name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Holds `server` and whom to trust.
    pub(crate) cluster: Value,
    /// Says where credentials come from; holds none.
    pub(crate) user: Value,
    pub(crate) namespace: Option<String>,
}

impl Entry {
    fn context(&self) -> Value {
        let mut context = json!({ "cluster": self.name, "user": self.name });
        if let Some(namespace) = &self.namespace {
            context["namespace"] = json!(namespace);
        }
        context
    }
}

/// Puts an entry into a file and makes it the current one. Several processes may do so at once;
/// a reader sees a whole file at any time. The file is for its owner alone.
pub(crate) async fn update(path: &Path, entry: &Entry, timeout: Duration) -> Result<()> {
    let path = &real(path)?;
    let what = || format!("write {}", path.display());
    whole_file::refuse_special(path).or_usage(what)?;
    if path.is_dir() {
        return Err(Error::usage(what()).because("it is a folder"));
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).or_failed(|| format!("make {}", folder.display()))?;
    }
    let _lock = Lock::take(path, timeout).await?;
    let mut config = read(path)?.unwrap_or_else(empty);
    merge(&mut config, entry).map_err(|what| {
        Error::usage(format!("{}: {what}", path.display()))
            .hint("it is no kubeconfig: name another file with --kubeconfig")
    })?;
    let text = yaml::to_string(&config)?;
    whole_file::replace_private(path, |mut file| file.write_all(text.as_bytes())).or_failed(what)
}

/// What a symbolic link leads to: the link stays.
fn real(path: &Path) -> Result<PathBuf> {
    let what = || format!("find {}", path.display());
    match fs::canonicalize(path) {
        Ok(real) => Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::path::absolute(path).or_usage(what)
        }
        Err(error) => Err(Error::usage(what()).because(error)),
    }
}

/// The file, if it is there and not empty.
fn read(path: &Path) -> Result<Option<Value>> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() && found.len() == 0 => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => Document::read(path).map(|document| Some(document.value)),
    }
}

fn empty() -> Value {
    json!({
        "apiVersion": "v1", "clusters": [], "contexts": [], "current-context": "",
        "kind": "Config", "preferences": {}, "users": [],
    })
}

/// Replaces the parts of this name, or adds them at the end of each list.
fn merge(config: &mut Value, entry: &Entry) -> Result<(), String> {
    let config = config.as_object_mut().ok_or("it is not a mapping")?;
    let name = &entry.name;
    put(
        config,
        "clusters",
        json!({ "cluster": entry.cluster, "name": name }),
    )?;
    put(
        config,
        "contexts",
        json!({ "context": entry.context(), "name": name }),
    )?;
    put(config, "users", json!({ "name": name, "user": entry.user }))?;
    config.insert("current-context".to_owned(), json!(name));
    Ok(())
}

fn put(config: &mut Map<String, Value>, list: &str, new: Value) -> Result<(), String> {
    let items = config.entry(list).or_insert(Value::Null);
    if items.is_null() {
        *items = json!([]);
    }
    let items = items
        .as_array_mut()
        .ok_or_else(|| format!("{list} is not a list"))?;
    match items.iter_mut().find(|item| item["name"] == new["name"]) {
        Some(item) => *item = new,
        None => items.push(new),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, server: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            cluster: json!({ "server": server }),
            user: json!({}),
            namespace: None,
        }
    }

    #[test]
    fn what_is_not_ours_stays_and_what_is_ours_is_replaced() {
        let mut config = json!({"apiVersion": "v1", "kind": "Config", "x-own": {"a": 1},
            "clusters": [{"name": "a", "cluster": {"server": "https://old"}, "x": 2},
                {"name": "b", "cluster": {"server": "https://b"}}],
            "contexts": null, "current-context": "b"});
        merge(&mut config, &entry("a", "https://new")).unwrap();
        merge(&mut config, &entry("c", "https://c")).unwrap();
        assert_eq!(config["x-own"], json!({"a": 1}));
        let servers = config["clusters"].as_array().unwrap().iter();
        let servers: Vec<&Value> = servers.map(|it| &it["cluster"]["server"]).collect();
        assert_eq!(servers, ["https://new", "https://b", "https://c"]);
        assert_eq!(config["contexts"].as_array().unwrap().len(), 2);
        assert_eq!(config["current-context"], "c");
    }

    #[test]
    fn what_is_no_kubeconfig_is_refused() {
        for mut config in [json!([]), json!("x"), json!({"users": {"a": 1}})] {
            assert!(merge(&mut config, &entry("a", "s")).is_err());
        }
    }
}
