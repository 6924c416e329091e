//! Configs in jsonnet.

use std::path::Path;
use std::time::Duration;

use common::app::Stop;
use common::evaluate::{Evaluation, run_all};
use common::{Error, Result, ResultExt};
use serde_json::Map;

use super::Facts;
use super::config::{Config, pair};
use crate::opts::SourceOpts;

/// How long an evaluation may take.
const LIMIT: Duration = Duration::from_mins(1);

/// Evaluates a config. It knows `registry`, `imageBase` (the first image's name), `tag`,
/// `gitVersion` and `useImageCache` as external variables, and those that were typed: all of
/// them texts, as `jsonnet --ext-str` gives them. No import leaves the context, or the file's own
/// folder where that lies elsewhere.
pub(super) async fn evaluate(
    file: &Path,
    opts: &SourceOpts,
    facts: &Facts,
    stop: &Stop,
) -> Result<Config> {
    let mut ext_vars = Map::new();
    let known = [
        ("registry", facts.registry.clone()),
        ("imageBase", facts.names.first().map(ToString::to_string)),
        ("tag", Some(facts.tag.clone())),
        ("gitVersion", facts.git_version.clone()),
        ("useImageCache", Some("false".to_owned())),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            ext_vars.insert(name.to_owned(), value.into());
        }
    }
    for typed in &opts.ext_var {
        let (key, value) = pair("--ext-var", typed)?;
        ext_vars.insert(key, value.into());
    }
    let what = || format!("read {}", file.display());
    let file = std::fs::canonicalize(file).or_usage(what)?;
    let context = std::fs::canonicalize(&opts.context).unwrap_or_default();
    let own = file.parent().unwrap_or(Path::new("/")).to_owned();
    let root = if own.starts_with(&context) {
        context
    } else {
        own
    };
    let evaluation = Evaluation {
        file: file.clone(),
        root,
        ext_vars,
        ..Evaluation::default()
    };
    let folder = tempfile::tempdir().or_failed(|| "make a temporary folder")?;
    let mut values = run_all(vec![evaluation], folder.path(), LIMIT, stop).await;
    let value = values
        .pop()
        .unwrap_or_else(|| Err(Error::failed("it was not evaluated")));
    let value = value.map_err(|error| match error.exit() {
        common::Exit::Usage => Error::usage(what()).because(error),
        _ => error,
    })?;
    Config::of(&file, value)
}
