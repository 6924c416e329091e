//! YAML (and so JSON) documents as plain values, with the place of every node, so that an
//! error about a field can name its line.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use crate::{Error, Result, ResultExt};

/// Largest document that is read. Real ones are under 1 MB.
const MAX_BYTES: u64 = 10 * 1024 * 1024;

/// A parsed document.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it was read from.
    pub path: PathBuf,
    /// What it says.
    pub value: Value,
    /// Line of each node, by JSON pointer (RFC 6901).
    lines: HashMap<String, u64>,
}

impl Document {
    /// Reads and parses a file; a mistake in it is wrong usage and names file and line.
    pub fn read(path: &Path) -> Result<Document> {
        let size = std::fs::metadata(path)
            .or_usage(|| format!("read {}", path.display()))?
            .len();
        if size > MAX_BYTES {
            return Err(Error::usage(format!(
                "read {}: {size} bytes are more than the {MAX_BYTES} that such a file may have",
                path.display()
            )));
        }
        let text = std::fs::read_to_string(path).or_usage(|| format!("read {}", path.display()))?;
        Document::parse(path, &text)
    }

    /// Parses a document; `path` is what errors call it.
    pub fn parse(path: &Path, text: &str) -> Result<Document> {
        let options = serde_saphyr::options! { with_snippet: false };
        let node: Spanned<Node> =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| {
                let line = error.location().map_or(1, |location| location.line());
                Error::usage(format!("{}:{line}", path.display())).because(error)
            })?;
        let mut lines = HashMap::new();
        let value = node.into_value(&mut String::new(), &mut lines);
        Ok(Document {
            path: path.to_owned(),
            value,
            lines,
        })
    }

    /// `FILE:LINE` of the node at a JSON pointer, or of the nearest node above it.
    pub fn place(&self, pointer: &str) -> String {
        let mut pointer = pointer;
        let line = loop {
            if let Some(line) = self.lines.get(pointer) {
                break *line;
            }
            match pointer.rfind('/') {
                Some(slash) => pointer = &pointer[..slash],
                None => break 1,
            }
        };
        format!("{}:{line}", self.path.display())
    }

    /// An error of the configuration at a JSON pointer: `FILE:LINE: what`.
    pub fn error(&self, pointer: &str, what: impl fmt::Display) -> Error {
        Error::usage(format!("{}: {what}", self.place(pointer)))
    }
}

/// A value as YAML text.
pub fn to_string(value: &Value) -> Result<String> {
    serde_saphyr::to_string(value).or_failed(|| "write YAML")
}

/// One key of a JSON pointer, escaped.
pub fn pointer_segment(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[derive(Debug)]
enum Node {
    Scalar(Value),
    Sequence(Vec<Spanned<Node>>),
    Mapping(Vec<(String, Spanned<Node>)>),
}

trait IntoValue {
    fn into_value(self, pointer: &mut String, lines: &mut HashMap<String, u64>) -> Value;
}

impl IntoValue for Spanned<Node> {
    fn into_value(self, pointer: &mut String, lines: &mut HashMap<String, u64>) -> Value {
        lines.insert(pointer.clone(), self.referenced.line());
        let length = pointer.len();
        let mut child = |key: &str, node: Spanned<Node>, lines: &mut HashMap<String, u64>| {
            pointer.push('/');
            pointer.push_str(&pointer_segment(key));
            let value = node.into_value(pointer, lines);
            pointer.truncate(length);
            value
        };
        match self.value {
            Node::Scalar(value) => value,
            Node::Sequence(items) => Value::Array(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| child(&index.to_string(), item, lines))
                    .collect(),
            ),
            Node::Mapping(entries) => {
                let mut map = Map::with_capacity(entries.len());
                for (key, node) in entries {
                    let value = child(&key, node, lines);
                    map.insert(key, value);
                }
                Value::Object(map)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a scalar, a list or a mapping")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        serde_json::Number::from_f64(value)
            .map(|number| Node::Scalar(Value::Number(number)))
            .ok_or_else(|| E::custom("a number that is not finite has no place in a workflow"))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Mapping(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(text: &str) -> Result<Document> {
        Document::parse(Path::new("w.yaml"), text)
    }

    #[test]
    fn values_keep_their_types_and_know_their_lines() {
        let document = parse("a: 1\nb:\n- x\n- y: true\n  z/w: '1'\nc:\nd: 1.5\n").unwrap();
        assert_eq!(
            document.value,
            json!({"a": 1, "b": ["x", {"y": true, "z/w": "1"}], "c": null, "d": 1.5})
        );
        assert_eq!(document.place("/b/1/y"), "w.yaml:4");
        assert_eq!(document.place("/b/1/z~1w/deeper"), "w.yaml:5");
    }

    #[test]
    fn json_with_tabs_is_read_as_well() {
        let document = parse("{\n\t\"a\": [1,\n\t\t\"b\"\n\t]\n}\n").unwrap();
        assert_eq!(document.value, json!({"a": [1, "b"]}));
        assert_eq!(document.place("/a/1"), "w.yaml:3");
    }

    #[test]
    fn mistakes_name_file_and_line() {
        for (text, line) in [
            ("a: 1\nb: [x\n", "w.yaml:"),
            ("a: 1\nb: 2\na: 3\n", "w.yaml:3"),
            ("a:\n\t- b\n", "w.yaml:2"),
            ("a: .nan\n", "w.yaml:1"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                error.report().starts_with(line),
                "{text:?}: {}",
                error.report()
            );
            assert_eq!(error.exit(), crate::Exit::Usage);
        }
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            text = format!("{text}a{level}: &a{level} [{items}]\n");
        }
        assert_eq!(parse(&text).unwrap_err().exit(), crate::Exit::Usage);
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let value = json!({"a": "true", "b": "1", "c": ["- x", "a: b", "{{x}}", "", "l1\nl2\n"],
            "d": {}, "e": [], "f": null, "g": "no", "h": "0x1", "i": "1e3", "j": "~", "k": "#x"});
        assert_eq!(parse(&to_string(&value).unwrap()).unwrap().value, value);
    }
}
