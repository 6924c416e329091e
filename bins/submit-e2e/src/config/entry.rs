//! One entry of `workflows`.

use common::Result;
use common::job::{JobType, check_segment};
use common::yaml::Document;
use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::{Entry, Kind, REPOSITORY_PATH, Tekton, check_repository_path};

/// Keys of every entry.
const COMMON_KEYS: [&str; 6] = [
    "name",
    "job_types",
    "include_dirs",
    "exclude_dirs",
    "always_run",
    "params",
];

/// The keys that say what an entry is made from, with those that belong to each.
const KINDS: [(&str, &[&str]); 5] = [
    ("manifest", &["ext_vars", "top_level_args"]),
    ("workflow_template", &["arguments"]),
    ("py_func", &["kwargs", "kw_args"]),
    ("app_dir", &["component"]),
    (
        "tekton_run",
        &[
            "tekton_params",
            "tekton_teardown",
            "tekton_teardown_params",
            "kwargs",
        ],
    ),
];

/// The cure of a name that is none.
const SEGMENT: &str = "letters, digits, hyphens, underscores and dots are good";

pub(super) fn read(document: &Document, index: usize, warnings: &mut Vec<String>) -> Result<Entry> {
    let pointer = format!("/workflows/{index}");
    let whose = format!("entry {}: ", index + 1);
    let fields = Fields::new(document, &pointer, &whose, "it")?;
    let Some(name) = fields.text("name")? else {
        return Err(fields
            .own_error("name is missing")
            .hint("give it a name: results are filed under it"));
    };
    check_segment("name", name).map_err(|error| fields.error("name", error).hint(SEGMENT))?;
    let fields = fields.of(name);
    let (kind, known) = kind(&fields)?;
    fields.warn_of_unknown(&known, warnings);
    Ok(Entry {
        name: name.to_owned(),
        job_types: job_types(&fields)?,
        include_dirs: fields.strings("include_dirs")?,
        exclude_dirs: fields.strings("exclude_dirs")?,
        always_run: fields.flag("always_run")?,
        kind,
        params: fields.mapping("params")?,
        pointer: pointer.clone(),
    })
}

/// What the entry is made from, and the keys that it may have then.
fn kind(fields: &Fields<'_>) -> Result<(Kind, Vec<&'static str>)> {
    let said: Vec<_> = KINDS.iter().filter(|(key, _)| fields.has(key)).collect();
    let (key, own_keys) = match said[..] {
        [only] => *only,
        [] => {
            let keys: Vec<_> = KINDS.iter().map(|(key, _)| *key).collect();
            return Err(fields
                .own_error("the entry does not say what its workflow is made from")
                .hint(format!("give one of {}", keys.join(", "))));
        }
        [first, second, ..] => {
            let both = format!("{} and {} in one entry", first.0, second.0);
            return Err(fields.error(second.0, both).hint("give one of them"));
        }
    };
    let kind = match key {
        "manifest" => manifest(fields)?,
        "workflow_template" => workflow_template(fields)?,
        "py_func" => py_func(fields)?,
        "app_dir" => Kind::Ksonnet {
            app_dir: repository_path(fields, "app_dir")?.unwrap_or_default(),
            component: component(fields)?,
        },
        _ => Kind::Tekton(tekton(fields)?),
    };
    Ok((kind, [&COMMON_KEYS[..], &[key], own_keys].concat()))
}

fn manifest(fields: &Fields<'_>) -> Result<Kind> {
    let path = fields.text("manifest")?.unwrap_or_default().to_owned();
    let (ext_vars, top_level_args) = (
        fields.mapping("ext_vars")?,
        fields.mapping("top_level_args")?,
    );
    if path.ends_with(".jsonnet") {
        return Ok(Kind::Jsonnet {
            path,
            ext_vars,
            top_level_args,
        });
    }
    for (key, values) in [("ext_vars", ext_vars), ("top_level_args", top_level_args)] {
        if !values.is_empty() {
            return Err(fields
                .error(key, format!("{key} is for manifests in jsonnet"))
                .hint("parameters of a plain manifest are given as params"));
        }
    }
    Ok(Kind::Manifest(path))
}

/// `workflow_template: NAME`, or Argo's `{name, clusterScope}`.
fn workflow_template(fields: &Fields<'_>) -> Result<Kind> {
    let key = "workflow_template";
    let reference = match fields.get(key) {
        Some(Value::Object(reference)) if reference.get("name").is_some_and(Value::is_string) => {
            reference.clone()
        }
        Some(Value::Object(_)) => {
            return Err(fields
                .error(key, format!("{key} has no name"))
                .hint(format!(
                    "write `{key}: NAME`, or Argo's `name` and `clusterScope` below it"
                )));
        }
        _ => {
            let name = fields.text(key)?.unwrap_or_default();
            Map::from_iter([("name".to_owned(), json!(name))])
        }
    };
    Ok(Kind::WorkflowTemplate {
        reference,
        arguments: fields.mapping("arguments")?,
    })
}

fn py_func(fields: &Fields<'_>) -> Result<Kind> {
    let function = fields.text("py_func")?.unwrap_or_default();
    let is_name = |part: &str| {
        let mut characters = part.chars();
        let first = characters.next();
        first.is_some_and(|c| c == '_' || c.is_alphabetic())
            && characters.all(|c| c == '_' || c.is_alphanumeric())
    };
    if !function.contains('.') || !function.split('.').all(is_name) {
        return Err(fields
            .error(
                "py_func",
                format!("py_func: {function:?} names no function"),
            )
            .hint("write it as Python imports it: package.module.function"));
    }
    let mut kwargs = fields.mapping("kwargs")?;
    kwargs.extend(fields.mapping("kw_args")?);
    Ok(Kind::PyFunc {
        function: function.to_owned(),
        kwargs,
    })
}

fn component(fields: &Fields<'_>) -> Result<String> {
    let Some(component) = fields.text("component")? else {
        return Err(fields
            .own_error("app_dir without component")
            .hint("component names the file of the app's components folder"));
    };
    check_segment("component", component)
        .map_err(|error| fields.error("component", error).hint(SEGMENT))?;
    Ok(component.to_owned())
}

fn tekton(fields: &Fields<'_>) -> Result<Tekton> {
    let target = fields.mapping("kwargs")?.remove("test_target_name");
    Ok(Tekton {
        run: repository_path(fields, "tekton_run")?.unwrap_or_default(),
        params: fields.named_values("tekton_params")?,
        teardown: repository_path(fields, "tekton_teardown")?,
        teardown_params: fields.named_values("tekton_teardown_params")?,
        test_target_name: target.and_then(|name| name.as_str().map(str::to_owned)),
    })
}

fn repository_path(fields: &Fields<'_>, key: &str) -> Result<Option<String>> {
    let Some(path) = fields.text(key)? else {
        return Ok(None);
    };
    match check_repository_path(path) {
        Ok(()) => Ok(Some(path.to_owned())),
        Err(what) => Err(fields
            .error(key, format!("{key}: {what}"))
            .hint(REPOSITORY_PATH)),
    }
}

fn job_types(fields: &Fields<'_>) -> Result<Vec<JobType>> {
    let names = fields.strings("job_types")?;
    let read = |(index, name): (usize, &String)| match name.as_str() {
        // A batch is tested as the presubmits that it is made of.
        "presubmit" | "batch" => Ok(JobType::Presubmit),
        "postsubmit" => Ok(JobType::Postsubmit),
        "periodic" => Ok(JobType::Periodic),
        _ => Err(fields
            .error(
                &format!("job_types/{index}"),
                format!("job_types: unknown job type {name:?}"),
            )
            .hint("use presubmit, postsubmit, periodic or batch")),
    };
    names.iter().enumerate().map(read).collect()
}
