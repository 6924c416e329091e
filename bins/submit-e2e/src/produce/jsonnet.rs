//! Manifests in jsonnet.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{Context, Order};
use crate::render::prow_env;
use common::evaluate::Evaluation;

/// The evaluation of a manifest: what is known of the run are external variables, and arguments
/// of a function that has parameters for them. No import leaves the root.
pub(super) fn evaluation(
    context: &Context<'_>,
    order: &Order<'_>,
    (file, root): (PathBuf, PathBuf),
    ext_vars: &Map<String, Value>,
    top_level_args: &Map<String, Value>,
) -> Evaluation {
    let mut standard = Map::new();
    for (name, value) in [
        ("name", Some(order.name.to_owned())),
        ("namespace", order.namespace.map(str::to_owned)),
        ("bucket", order.bucket.map(str::to_owned)),
        ("test_target_name", Some(order.entry.name.clone())),
        ("prow_env", Some(prow_env(&context.job.variables()))),
    ] {
        // Set or not is the run's business: a file has one way to ask.
        standard.insert(name.to_owned(), value.unwrap_or_default().into());
    }
    let mut all_vars = standard.clone();
    all_vars.extend(ext_vars.clone());
    Evaluation {
        file,
        root,
        ext_vars: all_vars,
        top_level_args: top_level_args.clone(),
        optional_args: standard,
        ..Evaluation::default()
    }
}
