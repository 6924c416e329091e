//! The variables of a step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::env::Env;

use super::Replace;
use crate::manifest::{Container, EnvSource};

/// Variables of this machine that a step gets. The process stands in for the image, so what
/// says where tools, certificates and proxies are comes along, and nothing else: a run is to
/// be the same on another machine, and no credential of a person's shell ends up in a log.
const PASSED_ON: [&str; 32] = [
    "ALL_PROXY",
    "CARGO_HOME",
    "CURL_CA_BUNDLE",
    "GOFLAGS",
    "GOPATH",
    "GOPROXY",
    "GOROOT",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "JAVA_HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "NO_PROXY",
    "NVM_DIR",
    "PATH",
    "PYENV_ROOT",
    "REQUESTS_CA_BUNDLE",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
    "USER",
    "VIRTUAL_ENV",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "XDG_CACHE_HOME",
];

/// The variables that every process starts from: those that are passed on, with our own
/// binaries first on the PATH.
pub(super) fn inherited(env: &Env, also: &[String], own_folder: &Path) -> Vec<(String, String)> {
    let passed = |name: &str| {
        PASSED_ON.contains(&name) || name.starts_with("LC_") || also.iter().any(|n| n == name)
    };
    let mut variables: Vec<(String, String)> = env
        .iter()
        .filter(|(name, _)| passed(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    put_first_on_path(&mut variables, own_folder);
    variables
}

/// The variables of this environment that have one of these names.
pub(crate) fn named(env: &Env, names: &[String]) -> Vec<(String, String)> {
    let given = env
        .iter()
        .filter(|(name, _)| names.iter().any(|n| n == name));
    given
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

pub(super) fn put_first_on_path(variables: &mut Vec<(String, String)>, own_folder: &Path) {
    const DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let own = own_folder.display().to_string();
    match variables.iter_mut().find(|(name, _)| name == "PATH") {
        Some((_, path)) if path.split(':').next() == Some(own.as_str()) => {}
        Some((_, path)) => *path = format!("{own}:{path}"),
        None => variables.push(("PATH".to_owned(), format!("{own}:{DEFAULT}"))),
    }
}

/// Values of secrets and config maps: a folder for each, a file for each key.
pub(crate) type Secrets = BTreeMap<String, PathBuf>;

/// What the downward API says of the step's pod.
pub(crate) struct Pod<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) service_account: &'a str,
    pub(crate) labels: &'a [(String, String)],
    pub(crate) annotations: &'a [(String, String)],
}

/// The variables of a container: inherited, then `envFrom`, then `env`, a later one in place
/// of an earlier one of the same name; `$(NAME)` stands for an earlier one.
pub(crate) fn of_container(
    container: &Container,
    replace: Replace<'_>,
    inherited: &[(String, String)],
    secrets: &Secrets,
    pod: &Pod<'_>,
) -> Result<Vec<(String, String)>, String> {
    let mut variables = inherited.to_vec();
    for from in &container.env_from {
        for (key, value) in all_keys(secrets, &from.object, from.optional)? {
            set(&mut variables, format!("{}{key}", from.prefix), value);
        }
    }
    let mut declared: Vec<(String, String)> = variables.clone();
    for variable in &container.env {
        let value = match &variable.source {
            EnvSource::Value(text) => Some(expand(&replace(text)?, &declared)),
            EnvSource::Key {
                object,
                key,
                optional,
            } => one_key(secrets, object, key, *optional)?,
            EnvSource::Field(path) => Some(field(path, pod)?),
        };
        if let Some(value) = value {
            set(&mut declared, variable.name.clone(), value.clone());
            set(&mut variables, variable.name.clone(), value);
        }
    }
    Ok(variables)
}

fn set(variables: &mut Vec<(String, String)>, name: String, value: String) {
    variables.retain(|(other, _)| *other != name);
    variables.push((name, value));
}

fn one_key(
    secrets: &Secrets,
    object: &str,
    key: &str,
    optional: bool,
) -> Result<Option<String>, String> {
    let Some(folder) = secrets.get(object) else {
        return if optional {
            Ok(None)
        } else {
            Err(missing(object))
        };
    };
    if common::job::check_segment("key", key).is_err() {
        return Err(format!("{key:?} is not a key of a secret"));
    }
    match std::fs::read_to_string(folder.join(key)) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && optional => Ok(None),
        Err(error) => Err(format!("read {}: {error}", folder.join(key).display())),
    }
}

fn all_keys(
    secrets: &Secrets,
    object: &str,
    optional: bool,
) -> Result<Vec<(String, String)>, String> {
    let Some(folder) = secrets.get(object) else {
        return if optional {
            Ok(Vec::new())
        } else {
            Err(missing(object))
        };
    };
    let failed = |error: std::io::Error| format!("read {}: {error}", folder.display());
    let mut keys = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if let Ok(name) = entry.file_name().into_string()
            && entry.path().is_file()
        {
            keys.push((name, std::fs::read_to_string(entry.path()).map_err(failed)?));
        }
    }
    keys.sort();
    Ok(keys)
}

/// What is said of a secret or config map that nobody gave.
pub(crate) fn missing(object: &str) -> String {
    format!("there is no secret or config map {object:?}: give its folder by --secret {object}=DIR")
}

fn field(path: &str, pod: &Pod<'_>) -> Result<String, String> {
    let entry = |pairs: &[(String, String)], key: &str| {
        let key = key.trim_end_matches("']");
        let found = pairs.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    if let Some(key) = path.strip_prefix("metadata.labels['") {
        return Ok(entry(pod.labels, key));
    }
    if let Some(key) = path.strip_prefix("metadata.annotations['") {
        return Ok(entry(pod.annotations, key));
    }
    match path {
        "metadata.name" | "metadata.uid" => Ok(pod.name.to_owned()),
        "metadata.namespace" => Ok(pod.namespace.to_owned()),
        "spec.serviceAccountName" => Ok(pod.service_account.to_owned()),
        "spec.nodeName" => Ok("localhost".to_owned()),
        "status.podIP" | "status.hostIP" => Ok("127.0.0.1".to_owned()),
        _ => Err(format!(
            "run-local does not know the field {path:?} of a pod"
        )),
    }
}

/// Replaces `$(NAME)` as Kubernetes does: `$$` is a dollar, an unknown name stays as it is.
pub(crate) fn expand(text: &str, variables: &[(String, String)]) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        expanded.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = rest
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            match variables.iter().find(|(other, _)| other == name) {
                Some((_, value)) => expanded.push_str(value),
                None => expanded.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_replaced_as_kubernetes_does() {
        let variables = [("A".to_owned(), "1".to_owned())];
        for (text, expected) in [
            ("--x=$(A)/$(A)", "--x=1/1"),
            ("$(B) $A $$(A) $", "$(B) $A $(A) $"),
            ("$(A", "$(A"),
        ] {
            assert_eq!(expand(text, &variables), expected);
        }
    }

    #[test]
    fn a_step_gets_tools_and_proxies_but_not_a_persons_tokens() {
        let env: Env = [
            ("PATH", "/bin"),
            ("HOME", "/h"),
            ("GITHUB_TOKEN", "s3cret"),
            ("LC_ALL", "C"),
            ("MINE", "x"),
        ]
        .into_iter()
        .collect();
        let variables = inherited(&env, &["MINE".to_owned()], Path::new("/own"));
        let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["HOME", "LC_ALL", "MINE", "PATH"]);
        assert_eq!(variables[3].1, "/own:/bin");
    }
}
