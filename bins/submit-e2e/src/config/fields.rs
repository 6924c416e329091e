//! The fields of one mapping of the file, each read as what it is meant to be.

use common::yaml::{Document, pointer_segment};
use common::{Error, Result};
use serde_json::{Map, Value};

/// A mapping of the file.
pub(super) struct Fields<'a> {
    document: &'a Document,
    pointer: &'a str,
    /// What comes between the place and the text of an error: `workflow "NAME": `, or nothing.
    whose: String,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// The mapping at a JSON pointer.
    pub(super) fn new(
        document: &'a Document,
        pointer: &'a str,
        whose: &str,
        what: &str,
    ) -> Result<Self> {
        match document.value.pointer(pointer) {
            Some(Value::Object(map)) => Ok(Fields {
                document,
                pointer,
                whose: whose.to_owned(),
                map,
            }),
            _ => Err(document
                .error(pointer, format!("{whose}{what} is not a mapping"))
                .hint("it is made of lines `KEY: VALUE`")),
        }
    }

    /// The same fields, now that it is known whose they are.
    pub(super) fn of(self, name: &str) -> Self {
        Fields {
            whose: format!("workflow {name:?}: "),
            ..self
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// All keys, for advice.
    pub(super) fn keys(&self) -> String {
        let keys: Vec<_> = self
            .map
            .keys()
            .map(|key| common::on_one_line(key))
            .collect();
        keys.join(", ")
    }

    /// The value of a key; `null` is none.
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// An error about a field, or about an item below it (`params/x`).
    pub(super) fn error(&self, field: &str, what: impl std::fmt::Display) -> Error {
        let pointer = format!("{}/{field}", self.pointer);
        self.document
            .error(&pointer, format!("{}{what}", self.whose))
    }

    /// An error about the mapping as a whole.
    pub(super) fn own_error(&self, what: impl std::fmt::Display) -> Error {
        self.document
            .error(self.pointer, format!("{}{what}", self.whose))
    }

    /// Text that is not empty; `None` where the key is absent.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(Value::String(_)) => Err(self
                .error(key, format!("{key} is empty"))
                .hint(format!("write `{key}: VALUE`, or take the line out"))),
            Some(other @ (Value::Number(_) | Value::Bool(_))) => Err(self
                .error(key, format!("{key}: {other} is not a string"))
                .hint(format!("put it in quotes: {key}: \"{other}\""))),
            Some(_) => Err(self
                .error(key, format!("{key} is not a string"))
                .hint(format!("it has one value: `{key}: VALUE`"))),
        }
    }

    /// `true` or `false`; false where the key is absent.
    pub(super) fn flag(&self, key: &str) -> Result<bool> {
        match self.get(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self
                .error(key, format!("{key}: {other} is not true or false"))
                .hint(format!("write `{key}: true`, or take the line out"))),
        }
    }

    /// A list of strings; a scalar where a list is meant is a list of one.
    pub(super) fn strings(&self, key: &str) -> Result<Vec<String>> {
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text.clone()]),
            Some(Value::Array(items)) => (items.iter().enumerate())
                .map(|(index, item)| match item {
                    Value::String(text) => Ok(text.clone()),
                    _ => Err(self
                        .error(
                            &format!("{key}/{index}"),
                            format!("{key}: {item} is not a string"),
                        )
                        .hint("put it in quotes, or take it out")),
                })
                .collect(),
            Some(other) => Err(self
                .error(key, format!("{key}: {other} is not a list of strings"))
                .hint(format!(
                    "write it as a list, each item on a line of its own: `{key}:`, `- …`"
                ))),
        }
    }

    /// A mapping; empty where the key is absent.
    pub(super) fn mapping(&self, key: &str) -> Result<Map<String, Value>> {
        match self.get(key) {
            None => Ok(Map::new()),
            Some(Value::Object(map)) => Ok(map.clone()),
            Some(_) => Err(self
                .error(key, format!("{key} is not a mapping"))
                .hint(format!("write `NAME: VALUE` lines below `{key}:`"))),
        }
    }

    /// Tekton's and Argo's form of parameters: a list of `name` and `value`.
    pub(super) fn named_values(&self, key: &str) -> Result<Vec<(String, Value)>> {
        let items = match self.get(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => {
                return Err(self
                    .error(key, format!("{key} is not a list"))
                    .hint("each item is `- name: …` with `value: …`"));
            }
        };
        let read = |(index, item): (usize, &Value)| match (item["name"].as_str(), item.get("value"))
        {
            (Some(name), Some(value)) => Ok((name.to_owned(), value.clone())),
            _ => Err(self
                .error(
                    &format!("{key}/{index}"),
                    format!("{key}: the item has no name or no value"),
                )
                .hint("each item is `- name: …` with `value: …`")),
        };
        items.iter().enumerate().map(read).collect()
    }

    /// Notes every key that means nothing here.
    pub(super) fn warn_of_unknown(&self, known: &[&str], warnings: &mut Vec<String>) {
        for key in self.map.keys().filter(|key| !known.contains(&key.as_str())) {
            let place = format!("{}/{}", self.pointer, pointer_segment(key));
            let place = self.document.place(&place);
            let text = format!(
                "{place}: {}unknown key {key:?} is ignored; known here: {}",
                self.whose,
                known.join(", ")
            );
            warnings.push(common::on_one_line(&text));
        }
    }
}
