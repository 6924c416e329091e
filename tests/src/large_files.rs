//! The part of Git LFS' batch API that downloads need, see `docs/api/batch.md` of git-lfs.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::git_http_server::lock;
use crate::http::{Request, answer};
use crate::{TestEnvironment, text};

/// What a server keeps, by object id.
#[derive(Clone, Default)]
pub(crate) struct LargeFiles(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl LargeFiles {
    /// Keeps a file; gives its pointer.
    pub(crate) fn keep(&self, environment: &TestEnvironment, content: &[u8]) -> String {
        let file = environment.write("large-file", content);
        let pointer = environment
            .command(Path::new("git"))
            .args(["lfs", "pointer", "--file"])
            .arg(&file)
            .output()
            .expect("run git lfs");
        let pointer = text(&pointer.stdout);
        let oid = pointer.split("oid sha256:").nth(1).unwrap_or_default();
        let oid = oid.lines().next().expect("git lfs prints a pointer");
        lock(&self.0).insert(oid.to_owned(), content.to_owned());
        pointer
    }

    /// Answers a request, if it is one of LFS.
    pub(crate) fn answer(
        &self,
        request: &Request,
        connection: &mut impl Write,
    ) -> Option<io::Result<()>> {
        if let Some(oid) = request.path.strip_prefix("/lfs/") {
            let object = lock(&self.0).get(oid).cloned();
            return Some(match object {
                Some(object) => answer(connection, "200 OK", &[], &object),
                None => answer(connection, "404 Not Found", &[], b""),
            });
        }
        request.path.ends_with("/info/lfs/objects/batch").then(|| {
            let host = request.header("Host").unwrap_or_default();
            let asked: Value = serde_json::from_slice(&request.body)?;
            let objects: Vec<Value> = asked["objects"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|object| {
                    let href = format!(
                        "http://{host}/lfs/{}",
                        object["oid"].as_str().unwrap_or_default()
                    );
                    json!({
                        "oid": object["oid"], "size": object["size"],
                        "actions": {"download": {"href": href}},
                    })
                })
                .collect();
            let body = json!({"transfer": "basic", "objects": objects}).to_string();
            let kind = [("Content-Type", "application/vnd.git-lfs+json")];
            answer(connection, "200 OK", &kind, body.as_bytes())
        })
    }
}
