//! The exec plugin that a kubeconfig names.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use common::env::{self, Env};
use common::{Result, ResultExt};
use serde_json::{Value, json};

const NAME: &str = "kubeconfig-setup";

/// The sentence that gcloud gives whoever has not its plugin.
const GCLOUD_HINT: &str = "Install gke-gcloud-auth-plugin for use with kubectl by following \
    https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl#install_plugin";

const HINT: &str = "kubeconfig-setup, of the test-worker image, has to be in the PATH";

/// Who gives the tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plugin {
    /// This program, by this command.
    Own(String),
    /// gcloud's.
    Gcloud,
}

impl Plugin {
    /// The user's `exec`, as gcloud writes it but for the command.
    pub(crate) fn exec(&self, account: Option<&str>, lease: Option<&Path>) -> Value {
        let mut args: Vec<String> = Vec::new();
        let (command, hint) = match self {
            Plugin::Gcloud => {
                args.extend(
                    account.map(|account| format!("--impersonate_service_account={account}")),
                );
                ("gke-gcloud-auth-plugin", GCLOUD_HINT)
            }
            Plugin::Own(command) => {
                args.push("token".to_owned());
                args.extend(
                    account.map(|account| format!("--impersonate-service-account={account}")),
                );
                args.extend(lease.map(|note| format!("--lease={}", note.display())));
                (command.as_str(), HINT)
            }
        };
        exec(command, &args, hint)
    }
}

/// Keys in the order of gcloud's.
pub(super) fn exec(command: &str, args: &[String], hint: &str) -> Value {
    let mut exec = json!({ "apiVersion": "client.authentication.k8s.io/v1beta1" });
    if !args.is_empty() {
        exec["args"] = json!(args);
    }
    exec["command"] = json!(command);
    exec["installHint"] = json!(hint);
    exec["provideClusterInfo"] = json!(true);
    exec
}

/// The `exec` that gives what a user of another kubeconfig has.
pub(super) fn borrowed(command: &str, kubeconfig: &Path, user: &str) -> Value {
    let args = [
        "token".to_owned(),
        format!("--from-kubeconfig={}", kubeconfig.display()),
        format!("--user={user}"),
    ];
    exec(command, &args, HINT)
}

/// How this program is called: by name where the PATH leads to it, as in every step of the image;
/// else by its path.
pub(crate) fn command(env: &Env) -> Result<String> {
    let own = std::env::current_exe().or_failed(|| "find this program's own path")?;
    let is_own = |path: &Path| {
        let (found, own) = (std::fs::metadata(path).ok()?, std::fs::metadata(&own).ok()?);
        Some(found.is_file() && (found.dev(), found.ino()) == (own.dev(), own.ino()))
    };
    let folders = std::env::split_paths(env.get(env::PATH).unwrap_or_default());
    let first = folders
        .map(|folder| folder.join(NAME))
        .find(|path| path.is_file());
    if first.is_some_and(|path| is_own(&path) == Some(true)) {
        return Ok(NAME.to_owned());
    }
    Ok(own.display().to_string())
}
