//! Reading a document field by field, so that every mistake names its place.

use std::collections::BTreeSet;

use common::yaml::{Document, pointer_segment};
use common::{Error, Result};
use serde_json::{Map, Value};

use super::fields::Fields;

/// A place in the document, for reading it field by field.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    pub(crate) document: &'a Document,
    pub(crate) pointer: String,
    pub(crate) value: &'a Value,
    /// What errors call the place: `template "x"`, `spec`.
    pub(crate) owner: String,
}

static NULL: Value = Value::Null;

impl<'a> Cursor<'a> {
    pub(crate) fn at(document: &'a Document, pointer: &str, owner: &str) -> Self {
        Cursor {
            document,
            pointer: pointer.to_owned(),
            value: document.value.pointer(pointer).unwrap_or(&NULL),
            owner: owner.to_owned(),
        }
    }

    /// The field, or a null where it is absent.
    pub(crate) fn field(&self, name: &str) -> Cursor<'a> {
        self.child(name, self.value.get(name).unwrap_or(&NULL))
    }

    fn child(&self, key: &str, value: &'a Value) -> Cursor<'a> {
        let pointer = format!("{}/{}", self.pointer, pointer_segment(key));
        Cursor {
            document: self.document,
            pointer,
            value,
            owner: self.owner.clone(),
        }
    }

    /// The same place under another name in errors.
    pub(crate) fn called(mut self, owner: impl Into<String>) -> Self {
        self.owner = owner.into();
        self
    }

    /// Absent, or one of the empty values that generators write for it.
    pub(crate) fn is_empty(&self) -> bool {
        match self.value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        }
    }

    /// `FILE:LINE: OWNER: what`.
    pub(crate) fn error(&self, what: impl std::fmt::Display) -> Error {
        self.document
            .error(&self.pointer, format!("{}: {what}", self.owner))
    }

    fn name(&self) -> &str {
        self.pointer.rsplit('/').next().unwrap_or_default()
    }

    /// Checks that every field is known; collects those that are not applied here.
    pub(crate) fn check(&self, fields: &Fields, not_applied: &mut BTreeSet<String>) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let Some(object) = self.value.as_object() else {
            return Err(self.error(format!("{} is not a mapping", self.name())));
        };
        for name in object.keys() {
            let field = self.field(name);
            if fields.honoured.contains(&name.as_str()) || field.is_empty() {
                continue;
            }
            if fields.cluster_only.contains(&name.as_str()) {
                not_applied.insert(name.clone());
            } else {
                return Err(field
                    .error(format!(
                        "run-local does not support the field {:?}",
                        self.path_to(name)
                    ))
                    .hint(
                        "it would change what runs; take it out, or run this workflow on a cluster",
                    ));
            }
        }
        Ok(())
    }

    /// A field's name with those of its parents below the template or spec: `container.foo`.
    fn path_to(&self, field: &str) -> String {
        let inner = self.pointer.strip_prefix("/spec/").unwrap_or(&self.pointer);
        let mut parts: Vec<&str> = inner.split('/').filter(|part| !part.is_empty()).collect();
        if parts.first() == Some(&"templates") {
            parts.drain(..parts.len().min(2));
        }
        parts.push(field);
        parts.join(".")
    }

    /// A string, absent as `None`; another type is an error.
    pub(crate) fn text(&self, field: &str) -> Result<Option<String>> {
        let cursor = self.field(field);
        match cursor.value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            _ => Err(cursor.not_a_string(field)),
        }
    }

    fn not_a_string(&self, field: &str) -> Error {
        let error = self.error(format!("{field} is not a string"));
        match self.value {
            Value::Bool(_) => error.hint(
                "n, y, no, yes, on, off, true, false are booleans in YAML: put it into quotes",
            ),
            Value::Number(_) => error.hint("put the number into quotes"),
            _ => error,
        }
    }

    /// A string that must be there.
    pub(crate) fn required_text(&self, field: &str) -> Result<String> {
        match self.text(field)? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(self.error(format!("{field} is missing"))),
        }
    }

    /// A scalar as Argo's `AnyString` and `IntOrString` take it: numbers and booleans as text.
    pub(crate) fn scalar(&self, field: &str) -> Result<Option<String>> {
        let cursor = self.field(field);
        scalar(cursor.value).map_or_else(
            || {
                if cursor.value.is_null() {
                    Ok(None)
                } else {
                    Err(cursor.error(format!("{field} is neither text nor a number")))
                }
            },
            |text| Ok(Some(text)),
        )
    }

    /// Whole seconds, as text: a tag may stand for them.
    pub(crate) fn seconds(&self, field: &str) -> Result<Option<String>> {
        let text = self.scalar(field)?;
        match &text {
            Some(text) if !text.contains("{{") && text.parse::<u64>().is_err() => {
                let what = format!("{field}: {text:?} is not a number of seconds");
                Err(self.field(field).error(what))
            }
            _ => Ok(text),
        }
    }

    /// A boolean, absent as false.
    pub(crate) fn flag(&self, field: &str) -> Result<bool> {
        let cursor = self.field(field);
        match cursor.value {
            Value::Null => Ok(false),
            Value::Bool(flag) => Ok(*flag),
            _ => Err(cursor.error(format!("{field} is neither true nor false"))),
        }
    }

    /// A positive whole number.
    pub(crate) fn count(&self, field: &str) -> Result<Option<usize>> {
        let cursor = self.field(field);
        if cursor.value.is_null() {
            return Ok(None);
        }
        match cursor
            .value
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
        {
            Some(number) if number > 0 => Ok(Some(number)),
            _ => Err(cursor.error(format!("{field} is not a whole number above 0"))),
        }
    }

    /// The items of a list, absent as empty.
    pub(crate) fn items(&self, field: &str) -> Result<Vec<Cursor<'a>>> {
        self.field(field).elements()
    }

    /// The items of this list, absent as empty.
    pub(crate) fn elements(&self) -> Result<Vec<Cursor<'a>>> {
        match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => Ok(items
                .iter()
                .enumerate()
                .map(|(index, item)| self.child(&index.to_string(), item))
                .collect()),
            _ => Err(self.error(format!("{} is not a list", self.name()))),
        }
    }

    /// A list of strings. Like the API server, it takes nothing else for one.
    pub(crate) fn texts(&self, field: &str) -> Result<Vec<String>> {
        let items = self.items(field)?;
        let text = |item: &Cursor| match item.value {
            Value::String(text) => Ok(text.clone()),
            _ => Err(item.not_a_string(&format!("an item of {field}"))),
        };
        items.iter().map(text).collect()
    }

    /// A mapping of strings to strings: labels, annotations.
    pub(crate) fn text_map(&self, field: &str) -> Vec<(String, String)> {
        let empty = Map::new();
        let map = self.field(field).value.as_object().unwrap_or(&empty);
        map.iter()
            .filter_map(|(key, value)| Some((key.clone(), scalar(value)?)))
            .collect()
    }
}

/// A scalar as text; `None` for null, lists and mappings.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
