//! One entry of `workflows`.

use common::job::{JobType, check_segment};
use common::yaml::Document;
use common::{Result, yaml};
use serde_json::{Map, Value};

use super::{Entry, Kind, known_keys, mapping, strings};

/// Keys of every entry.
const COMMON_KEYS: [&str; 4] = ["name", "job_types", "include_dirs", "params"];

/// The keys that say what an entry is made from, with those that belong to each.
const KINDS: [(&str, &[&str]); 4] = [
    ("manifest", &[]),
    ("py_func", &["kwargs", "kw_args"]),
    ("app_dir", &["component"]),
    ("tekton_run", &["tekton_params", "tekton_teardown"]),
];

pub(super) fn read(document: &Document, pointer: String) -> Result<Entry> {
    let map = mapping(document, &pointer, "the entry")?;
    let field = |name: &str| format!("{pointer}/{}", yaml::pointer_segment(name));
    let name = match map.get("name") {
        Some(Value::String(name)) => name.clone(),
        Some(other) => {
            return Err(document.error(&field("name"), format!("name: {other} is not a string")));
        }
        None => return Err(document.error(&pointer, "name is missing")),
    };
    check_segment("name", &name).map_err(|error| document.error(&field("name"), error))?;
    Ok(Entry {
        name,
        job_types: job_types(document, &field("job_types"))?,
        include_dirs: strings(document, &field("include_dirs"))?,
        kind: kind(document, &pointer, map)?,
        params: params(document, &field("params"))?,
        pointer,
    })
}

fn kind(document: &Document, pointer: &str, map: &Map<String, Value>) -> Result<Kind> {
    let said: Vec<_> = (KINDS.iter())
        .filter(|(key, _)| map.contains_key(*key))
        .collect();
    let (key, own_keys) = match said[..] {
        [only] => only,
        [] => {
            let every: Vec<_> = KINDS
                .iter()
                .flat_map(|(key, own)| [&[*key], *own].concat())
                .collect();
            known_keys(document, pointer, map, &[&COMMON_KEYS[..], &every].concat())?;
            return Err(document
                .error(
                    pointer,
                    "the entry does not say what its workflow is made from",
                )
                .hint("give one of manifest, py_func, app_dir, tekton_run"));
        }
        [first, second, ..] => {
            return Err(document.error(
                &format!("{pointer}/{}", second.0),
                format!(
                    "{} and {} in one entry: give one of them",
                    first.0, second.0
                ),
            ));
        }
    };
    let known = [&COMMON_KEYS[..], &[*key], own_keys].concat();
    known_keys(document, pointer, map, &known)?;
    let Some(value) = map
        .get(*key)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
    else {
        return Err(document.error(
            &format!("{pointer}/{key}"),
            format!("{key} is not a string"),
        ));
    };
    Ok(match *key {
        "py_func" => Kind::PyFunc,
        "app_dir" => Kind::Ksonnet,
        "tekton_run" => Kind::Tekton,
        _ if value.ends_with(".jsonnet") => Kind::Jsonnet,
        _ => Kind::Manifest(value.to_owned()),
    })
}

fn job_types(document: &Document, pointer: &str) -> Result<Vec<JobType>> {
    let names = strings(document, pointer)?;
    let read = |(index, name): (usize, &String)| match name.as_str() {
        "presubmit" => Ok(JobType::Presubmit),
        "postsubmit" => Ok(JobType::Postsubmit),
        "periodic" => Ok(JobType::Periodic),
        "batch" => Ok(JobType::Batch),
        _ => Err(document
            .error(
                &format!("{pointer}/{index}"),
                format!("job_types: unknown job type {name:?}"),
            )
            .hint("use presubmit, postsubmit, periodic or batch")),
    };
    let mut types = names
        .iter()
        .enumerate()
        .map(read)
        .collect::<Result<Vec<_>>>()?;
    // A batch is tested as the presubmits that it is made of.
    for job_type in &mut types {
        if *job_type == JobType::Batch {
            *job_type = JobType::Presubmit;
        }
    }
    Ok(types)
}

fn params(document: &Document, pointer: &str) -> Result<Map<String, Value>> {
    match document.value.pointer(pointer) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(_) => mapping(document, pointer, "params").cloned(),
    }
}
