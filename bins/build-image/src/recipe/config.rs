//! A Cloud Build config: read, checked and completed as gcloud does it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::yaml::Document;
use common::{Error, Result};
use serde_json::{Map, Value, json};

/// Members whose keys are the author's own: nothing in them is renamed.
const AUTHORS_OWN: [&str; 5] = [
    "substitutions",
    "envMap",
    "env_map",
    "secretEnv",
    "secret_env",
];

/// The members of a build that hold whole numbers of 64 bits, which JSON has as texts. Source: the
/// REST reference of `projects.builds`.
const WHOLE_NUMBERS: [&str; 1] = ["diskSizeGb"];

/// The largest config; Cloud Build itself takes less.
const MOST_STEPS: usize = 300;

/// A config as it was written, with the names that the REST reference has.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    path: PathBuf,
    build: Map<String, Value>,
}

impl Config {
    /// Reads YAML or JSON.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let Document { value, .. } = Document::read(path)?;
        Config::of(path, value)
    }

    /// Checks what a file says.
    pub(crate) fn of(path: &Path, value: Value) -> Result<Self> {
        let wrong = |what: &str| Error::usage(format!("{}: {what}", path.display()));
        let Value::Object(build) = in_camel_case(value) else {
            return Err(wrong("a Cloud Build config is an object with steps"));
        };
        if build.contains_key("source") {
            return Err(wrong("a config names no source")
                .hint("--context or --git-source says where the source is"));
        }
        match build.get("steps") {
            Some(Value::Array(steps)) if !steps.is_empty() && steps.len() <= MOST_STEPS => {
                if !steps.iter().all(|step| step["name"].is_string()) {
                    return Err(wrong("each of steps has a name, the image that it runs in"));
                }
            }
            _ => {
                return Err(wrong(
                    "steps is a list with at least one step and at most 300",
                ));
            }
        }
        let is_list = |images: &Value| {
            let images = images.as_array();
            images.is_some_and(|images| images.iter().all(Value::is_string))
        };
        if !lists(&build).into_iter().all(is_list) {
            return Err(wrong("images is a list of names"));
        }
        let config = Config {
            path: path.to_owned(),
            build,
        };
        config.check_substitutions()?;
        Ok(config)
    }

    /// Keys of a config's own variables begin with `_`, and values are texts.
    fn check_substitutions(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::usage(format!("{}: {what}", self.path.display())));
        match self.build.get("substitutions") {
            None => Ok(()),
            Some(Value::Object(pairs)) => {
                for (key, value) in pairs {
                    let key_shown = common::on_one_line(key);
                    if !is_key(key) {
                        return wrong(format!(
                            "substitution {key_shown:?} does not match _[A-Z0-9_]+"
                        ));
                    }
                    if !value.is_string() {
                        return wrong(format!(
                            "substitution {key_shown} is no text: put it in quotes"
                        ));
                    }
                }
                Ok(())
            }
            Some(_) => wrong("substitutions is a map of texts".to_owned()),
        }
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says.
    pub(crate) fn build(&self) -> &Map<String, Value> {
        &self.build
    }

    /// Its own substitutions.
    pub(crate) fn substitutions(&self) -> BTreeMap<String, String> {
        let pairs = self.build.get("substitutions").and_then(Value::as_object);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        pairs
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), text(value)))
            .collect()
    }

    /// The names in `images` and `artifacts.images`, before substitution.
    pub(crate) fn images(&self) -> Vec<&str> {
        let lists = lists(&self.build).into_iter();
        let images = lists.filter_map(Value::as_array).flatten();
        images.filter_map(Value::as_str).collect()
    }

    /// The worker pool that it names, before substitution.
    pub(crate) fn pool(&self) -> Option<&str> {
        let options = self.build.get("options")?;
        let name = options["pool"]["name"].as_str();
        name.or_else(|| options["workerPool"].as_str())
    }
}

/// A build's lists of images, of which there are two.
fn lists(build: &Map<String, Value>) -> Vec<&Value> {
    let of_artifacts = build.get("artifacts").and_then(|it| it.get("images"));
    build
        .get("images")
        .into_iter()
        .chain(of_artifacts)
        .collect()
}

/// Whether a key is one of the author's variables.
pub(crate) fn is_key(key: &str) -> bool {
    let rest = key.strip_prefix('_').unwrap_or_default();
    !rest.is_empty()
        && rest
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Reads `KEY=VALUE` of a flag.
pub(crate) fn pair(flag: &str, text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::usage(format!("{flag} {text:?} is not KEY=VALUE"))),
    }
}

/// Configs may have `machine_type` for `machineType`.
fn in_camel_case(value: Value) -> Value {
    match value {
        Value::Array(values) => values.into_iter().map(in_camel_case).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| {
                if AUTHORS_OWN.contains(&key.as_str()) {
                    return (camel_case(&key), value);
                }
                let key = camel_case(&key);
                let value = match in_camel_case(value) {
                    Value::Number(number) if WHOLE_NUMBERS.contains(&key.as_str()) => {
                        json!(number.to_string())
                    }
                    value => value,
                };
                (key, value)
            })
            .collect(),
        scalar => scalar,
    }
}

fn camel_case(key: &str) -> String {
    let mut words = key.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(value: Value) -> Result<Config> {
        Config::of(Path::new("cloudbuild.yaml"), value)
    }

    #[test]
    fn names_are_those_of_the_rest_reference() {
        let read = config(json!({
            "steps": [{"name": "a", "secret_env": ["A_B"], "wait_for": ["-"], "env": ["X_Y=z_w"]}],
            "options": {"machine_type": "N1", "disk_size_gb": 50, "env": ["A_B=c"]},
            "substitutions": {"_A_B": "c_d"},
            "secrets": [{"kms_key_name": "k", "secret_env": {"MY_VAR": "Q0lQSEVS"}}],
        }));
        assert_eq!(
            Value::Object(read.unwrap().build),
            json!({
                "steps": [{"name": "a", "secretEnv": ["A_B"], "waitFor": ["-"], "env": ["X_Y=z_w"]}],
                "options": {"machineType": "N1", "diskSizeGb": "50", "env": ["A_B=c"]},
                "substitutions": {"_A_B": "c_d"},
                "secrets": [{"kmsKeyName": "k", "secretEnv": {"MY_VAR": "Q0lQSEVS"}}],
            })
        );
    }

    #[test]
    fn what_cloud_build_would_refuse_is_refused_with_the_files_name() {
        let steps = json!([{"name": "a"}]);
        for (value, said) in [
            (json!([]), "is an object with steps"),
            (json!({}), "steps is a list"),
            (json!({"steps": []}), "steps is a list"),
            (json!({"steps": [{"args": []}]}), "has a name"),
            (json!({"steps": steps, "source": {}}), "names no source"),
            (json!({"steps": steps, "images": "a"}), "images is a list"),
            (
                json!({"steps": steps, "artifacts": {"images": [1]}}),
                "images is a list",
            ),
            (
                json!({"steps": steps, "substitutions": {"TAG": "x"}}),
                "\"TAG\" does not match",
            ),
            (
                json!({"steps": steps, "substitutions": {"_TAG": 1}}),
                "put it in quotes",
            ),
        ] {
            let error = config(value).unwrap_err().report();
            assert!(
                error.starts_with("cloudbuild.yaml: ") && error.contains(said),
                "{error}"
            );
        }
    }
}
