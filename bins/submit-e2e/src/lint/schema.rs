//! The fields of Argo's Workflow, as its CRD has them: `argo-fields.txt`, derived from the schemas
//! of Argo Workflows 3.7.3 by `derive-fields.py`, which says what the kinds are.

mod quantity;

use std::collections::HashMap;

use common::yaml::pointer_segment;
use serde_json::{Map, Value};

const TABLE: &str = include_str!("argo-fields.txt");

/// The type of the whole object.
const ROOT: &str = "Workflow";

/// Its fields complete those of templates, so that none of them is required.
const DEFAULTS: &str = "templateDefaults";

/// The types and their fields.
pub(super) struct Schema(HashMap<&'static str, Fields>);

type Fields = Vec<Field>;

struct Field {
    name: &'static str,
    kind: &'static str,
    is_required: bool,
}

impl Schema {
    pub(super) fn new() -> Self {
        let field = |text: &'static str| {
            let (name, kind) = text.split_once(':')?;
            Some(Field {
                name: name.trim_end_matches('!'),
                kind,
                is_required: name.ends_with('!'),
            })
        };
        let types = TABLE.lines().map(|line| {
            let (name, fields) = line.split_once(' ').unwrap_or((line, ""));
            (name, fields.split(' ').filter_map(field).collect())
        });
        Schema(types.collect())
    }

    /// What is wrong with an object: JSON pointers and sentences.
    pub(super) fn check(&self, workflow: &Value) -> Vec<(String, String)> {
        let mut found = Vec::new();
        self.value(workflow, ROOT, "", true, &mut found);
        found
    }

    fn value(
        &self,
        value: &Value,
        kind: &str,
        pointer: &str,
        is_complete: bool,
        found: &mut Vec<(String, String)>,
    ) {
        let inner = |open: char, close: char| {
            let rest = kind.strip_prefix(open)?;
            rest.strip_suffix(close)
        };
        let what = match (kind, value) {
            // An API server takes it as if the field were not there.
            (_, Value::Null)
            | ("*", _)
            | ("s" | "q", Value::String(_))
            | ("n" | "q" | "u", Value::Number(_))
            | ("b", Value::Bool(_))
            | ("o", Value::Object(_)) => return,
            ("i", Value::Number(number)) if number.is_i64() || number.is_u64() => return,
            ("u", Value::String(text)) if quantity::is_quantity(text) => return,
            (one_of, Value::String(text)) if one_of.starts_with('=') => {
                if one_of[1..].split('|').any(|one| one == text) || text.is_empty() {
                    return;
                }
                let what = one_of[1..].replace('|', ", ");
                let what = format!("{} is {text:?}, and not one of {what}", name(pointer));
                found.push((pointer.to_owned(), what));
                return;
            }
            ("s", _) => "a text",
            ("i", _) => "a whole number",
            ("n", _) => "a number",
            ("q", _) => "a text or a number",
            ("u", _) => "a quantity, such as 500m or 4Gi",
            (one_of, _) if one_of.starts_with('=') => "a text",
            ("b", _) => "true or false",
            ("o", _) => "a mapping",
            _ => match (inner('[', ']'), inner('{', '}'), value) {
                (Some(item), _, Value::Array(items)) => {
                    for (index, value) in items.iter().enumerate() {
                        let pointer = format!("{pointer}/{index}");
                        self.value(value, item, &pointer, is_complete, found);
                    }
                    return;
                }
                (_, Some(item), Value::Object(items)) => {
                    for (name, value) in items {
                        let pointer = format!("{pointer}/{}", pointer_segment(name));
                        self.value(value, item, &pointer, is_complete, found);
                    }
                    return;
                }
                (Some(_), _, _) => "a list",
                (_, _, Value::Object(map)) => {
                    return self.fields(map, kind, pointer, is_complete, found);
                }
                _ => "a mapping",
            },
        };
        found.push((
            pointer.to_owned(),
            format!("{} is not {what}", name(pointer)),
        ));
    }

    fn fields(
        &self,
        map: &Map<String, Value>,
        kind: &str,
        pointer: &str,
        is_complete: bool,
        found: &mut Vec<(String, String)>,
    ) {
        let Some(fields) = self.0.get(kind) else {
            return;
        };
        for (key, value) in map {
            let pointer = format!("{pointer}/{}", pointer_segment(key));
            match fields.iter().find(|field| field.name == key) {
                Some(field) => {
                    let is_complete = is_complete && key != DEFAULTS;
                    self.value(value, field.kind, &pointer, is_complete, found);
                }
                None => found.push((pointer, format!("a {kind} has no field {key:?}"))),
            }
        }
        let missing = fields.iter().filter(|field| {
            is_complete && field.is_required && map.get(field.name).is_none_or(Value::is_null)
        });
        for field in missing {
            found.push((pointer.to_owned(), format!("{} is missing", field.name)));
        }
    }
}

fn name(pointer: &str) -> &str {
    pointer.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(spec: &Value) -> Vec<(String, String)> {
        Schema::new().check(&json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "a"},
            "spec": spec,
        }))
    }

    #[test]
    fn every_kind_of_the_table_is_known() {
        let schema = Schema::new();
        for field in schema.0.values().flatten() {
            let kind = field.kind.trim_matches(['[', ']', '{', '}']);
            let known = matches!(kind, "s" | "i" | "n" | "q" | "b" | "u" | "o" | "*");
            let known = known || kind.starts_with('=');
            assert!(known || schema.0.contains_key(kind), "{kind}");
        }
    }

    #[test]
    fn what_the_crd_has_is_good() {
        let good = json!({
            "entrypoint": "a",
            "templateDefaults": {"container": {"env": [{"name": "A", "value": "b"}]}},
            "templates": [
                {"name": "a", "activeDeadlineSeconds": 3, "steps": [[{"name": "s", "template": "b",
                    "withItems": [1, "x", {"y": []}], "when": null}]]},
                {"name": "b", "container": {"image": "x", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}},
                {"name": "c", "container": {}, "outputs": {"artifacts": [
                    {"name": "o", "mode": 0o755, "artifactGC": {"strategy": "Never"}}]}},
            ],
        });
        assert_eq!(check(&good), []);
    }

    #[test]
    fn what_it_does_not_have_is_told_with_its_place() {
        let bad = json!({
            "entrypoint": 3,
            "volumes": {"a": 1},
            "parallelism": 1.5,
            "artifactGC": {"strategy": "Always"},
            "templates": [{"name": "a", "container": {"imge": "x", "env": [{"value": "b"}], "tty": "no",
                "resources": {"limits": {"memory": "4 Gi", "cpu": []}}}}, "b"],
        });
        let expected = [
            ("/spec/entrypoint", "entrypoint is not a text"),
            ("/spec/volumes", "volumes is not a list"),
            ("/spec/parallelism", "parallelism is not a whole number"),
            (
                "/spec/artifactGC/strategy",
                "strategy is \"Always\", and not one of OnWorkflowCompletion, OnWorkflowDeletion, Never",
            ),
            (
                "/spec/templates/0/container/imge",
                "a Container has no field \"imge\"",
            ),
            ("/spec/templates/0/container/env/0", "name is missing"),
            (
                "/spec/templates/0/container/tty",
                "tty is not true or false",
            ),
            (
                "/spec/templates/0/container/resources/limits/memory",
                "memory is not a quantity, such as 500m or 4Gi",
            ),
            (
                "/spec/templates/0/container/resources/limits/cpu",
                "cpu is not a quantity, such as 500m or 4Gi",
            ),
            ("/spec/templates/1", "1 is not a mapping"),
        ];
        let found = check(&bad);
        let found: Vec<_> = found
            .iter()
            .map(|(at, what)| (at.as_str(), what.as_str()))
            .collect();
        assert_eq!(found, expected);
    }
}
