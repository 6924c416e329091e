//! ksonnet apps, without the program `ks`: a component is evaluated as `ks` did for an environment
//! of its own.

use std::path::{Path, PathBuf};

use common::evaluate::Evaluation;
use common::{Error, Result, ResultExt};
use serde_json::{Map, Value, json};

use super::{Context, Order};
use crate::fnv::fnv32;
use crate::render::prow_env;

/// The evaluation of a component: with the entry's parameters, and those that kubeflow/testing
/// set for each run.
pub(super) fn evaluation(
    context: &Context<'_>,
    order: &Order<'_>,
    app_dir: &str,
    component: &str,
) -> Result<Evaluation> {
    let mistake = |field: &str, error: &Error| {
        let what = format!("{field}: {}", error.report());
        context.config.error(order.entry, field, what)
    };
    let app = (context.repositories.find(app_dir)).map_err(|error| {
        mistake("app_dir", &error).hint("it is the folder of the app, the one with app.yaml")
    })?;
    let file = app.join(format!("components/{component}.jsonnet"));
    let root = context.repositories.root_of_path(app_dir);
    let file = super::file::within(&file, &root)
        .map_err(|error| mistake("component", &error).hint(components(&app)))?;
    let params = app.join("components/params.libsonnet");
    let mut overrides = Map::new();
    for (name, value) in standard(context, order) {
        overrides.insert(name.to_owned(), value.into());
    }
    for (name, value) in &order.entry.params {
        overrides.insert(name.clone(), decoded(value));
    }
    let import = Value::from(params.display().to_string());
    let component = Value::from(component);
    // kubeflow/testing always set these, the last one on AWS: components without a default ask for
    // them.
    let cluster = format!("eks-cluster-{:08x}", fnv32(order.name.as_bytes()));
    let unset = json!({"namespace": "", "bucket": "", "cluster_name": cluster});
    let params = format!(
        "(import {import}) + {{ components+: {{ {component}: {unset} \
         + (if {component} in super then super[{component}] else {{}}) + {} }} }}",
        Value::Object(overrides)
    );
    let environment = json!({"server": "", "namespace": order.namespace.unwrap_or_default()});
    Ok(Evaluation {
        search_paths: search_paths(&app, context.folder)?,
        file,
        root,
        is_lenient: true,
        ext_code: vec![
            ("__ksonnet/params".to_owned(), params),
            ("__ksonnet/environments".to_owned(), environment.to_string()),
        ],
        ..Evaluation::default()
    })
}

fn standard(context: &Context<'_>, order: &Order<'_>) -> Vec<(&'static str, String)> {
    let mut standard = vec![
        ("name", order.name.to_owned()),
        ("prow_env", prow_env(&context.job.variables())),
    ];
    standard.extend(order.namespace.map(|own| ("namespace", own.to_owned())));
    standard.extend(order.bucket.map(|own| ("bucket", own.to_owned())));
    standard
}

/// A value as `ks param set` read it from its command line (ksonnet's `params.DecodeValue`).
fn decoded(value: &Value) -> Value {
    let Value::String(text) = value else {
        return value.clone();
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or(("", unsigned));
    let is_number = digits(fraction) && (whole.is_empty() || digits(whole));
    match text.to_lowercase().as_str() {
        "true" => true.into(),
        "false" => false.into(),
        // `007` is no whole number there, but one with a fraction of none.
        _ if is_number => number(text).unwrap_or_else(|| text.as_str().into()),
        _ if text.starts_with(['[', '{']) => {
            serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into())
        }
        _ => text.as_str().into(),
    }
}

fn number(text: &str) -> Option<Value> {
    let text = text.trim_start_matches('+');
    let whole = text.parse::<i64>().map(Value::from);
    whole.or_else(|_| text.parse::<f64>().map(Value::from)).ok()
}

/// Where imports are looked for: in the app's own folders, and for k.libsonnet in those that an
/// environment has it in.
fn search_paths(app: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = vec![app.join("components"), app.join("lib"), app.join("vendor")];
    paths.extend(unversioned(&app.join("vendor"), folder)?);
    let environments = subfolders(&app.join("environments"));
    paths.extend(environments.iter().map(|one| one.join(".metadata")));
    // Old apps have the versions in `lib` itself.
    let libraries = ["lib/ksonnet-lib", "lib"].map(|folder| subfolders(&app.join(folder)));
    let mut libraries = libraries.concat();
    libraries.retain(|path| path.join("k.libsonnet").is_file());
    libraries.sort_by_key(|path| std::cmp::Reverse(version(path)));
    paths.extend(libraries);
    paths.retain(|path| path.is_dir());
    Ok(paths)
}

/// The numbers of `…/v1.11.10`.
fn version(path: &Path) -> Vec<u32> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let numbers = name.trim_start_matches('v').split('.');
    numbers
        .map(|part| part.parse().unwrap_or_default())
        .collect()
}

/// The folders in a folder, sorted; none where it is not there.
fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

/// `vendor/ORG/PART@VERSION` is imported as `ORG/PART`: links by that name, where there are such.
fn unversioned(vendor: &Path, folder: &Path) -> Result<Option<PathBuf>> {
    let links = folder.join("vendor");
    let mut any = false;
    for org in subfolders(vendor) {
        for part in subfolders(&org) {
            let name = part.file_name().unwrap_or_default().to_string_lossy();
            let Some((name, _)) = name.split_once('@') else {
                continue;
            };
            let link = links.join(org.file_name().unwrap_or_default()).join(name);
            let parent = link.parent().unwrap_or(&links);
            let made = std::fs::create_dir_all(parent)
                .and_then(|()| std::os::unix::fs::symlink(part.canonicalize()?, &link));
            match made {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => made.or_failed(|| format!("make the link {}", link.display()))?,
            }
            any = true;
        }
    }
    Ok(any.then_some(links))
}

/// The components that an app has, as advice.
fn components(app: &Path) -> String {
    let entries = std::fs::read_dir(app.join("components"))
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.strip_suffix(".jsonnet").map(common::on_one_line)
        })
        .collect();
    names.sort();
    format!("the app's components: {}", names.join(", "))
}

/// The one Workflow of what a component gives: itself, in a list, or in a Kubernetes List.
pub(super) fn workflow_in(value: Value) -> Result<Value, String> {
    let items = match value {
        Value::Array(items) => items,
        Value::Object(mut list) if list.get("kind").is_some_and(|kind| kind == "List") => {
            match list.get_mut("items").map(Value::take) {
                Some(Value::Array(items)) => items,
                _ => return Err("the component gives a List without items".to_owned()),
            }
        }
        other => return Ok(other),
    };
    let count = items.len();
    let [item] = <[Value; 1]>::try_from(items)
        .map_err(|_| format!("the component gives {count} objects, where one Workflow is meant"))?;
    Ok(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_ks_read_them() {
        for (text, value) in [
            ("v1", json!("v1")),
            ("True", json!(true)),
            ("false", json!(false)),
            ("12", json!(12)),
            ("-3", json!(-3)),
            ("+3", json!(3)),
            ("1.12", json!(1.12)),
            (".5", json!(0.5)),
            ("1.", json!("1.")),
            ("1e3", json!("1e3")),
            ("[1, 2]", json!([1, 2])),
            ("{x}", json!("{x}")),
            ("", json!("")),
        ] {
            assert_eq!(decoded(&text.into()), value, "{text}");
        }
        assert_eq!(decoded(&json!(true)), true);
    }

    #[test]
    fn the_newest_library_comes_first() {
        let path = |name: &str| version(Path::new(name));
        assert!(path("x/v1.11.10") > path("x/v1.9.6"));
    }
}
