//! YAML (and so JSON) documents as plain values, with the place of every node, so that an
//! error about a field can name its line.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned, UserMessageFormatter};

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
    places: Place,
}

/// Where a node stands, with the nodes in it by key or index: a table by JSON pointer would
/// repeat a long key for every node below it.
#[derive(Debug, Clone, Default)]
struct Place {
    line: u64,
    below: HashMap<String, Place>,
}

impl Document {
    /// Reads and parses a file; a mistake in it is wrong usage and names file and line.
    pub fn read(path: &Path) -> Result<Document> {
        let start = read_start(path)?;
        check_size(path, &start)?;
        Document::parse(path, &text_of(path, start)?)
    }

    /// Parses a document as Kubernetes' tools do; `path` is what errors call it.
    pub fn parse(path: &Path, text: &str) -> Result<Document> {
        Document::parse_with(path, text, None)
    }

    /// Parses a document whose plain scalars mean what `resolve` says.
    pub fn parse_with(path: &Path, text: &str, resolve: Option<Resolve>) -> Result<Document> {
        let options = serde_saphyr::options! {
            with_snippet: false,
            // `mode: 0755` is 493 to Kubernetes' tools.
            legacy_octal_numbers: true,
        };
        let node: Spanned<Node> =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| {
                let line = error.location().map_or(1, |location| location.line());
                Error::usage(format!("{}:{line}", path.display()))
                    .because(error.render_with_formatter(&UserMessageFormatter))
            })?;
        let mut places = Place::default();
        let scalars = Scalars { text, resolve };
        let value = Node::read(node, &mut places, &scalars)
            .map_err(|(line, what)| Error::usage(format!("{}:{line}: {what}", path.display())))?;
        Ok(Document {
            path: path.to_owned(),
            value,
            places,
        })
    }

    /// `FILE:LINE` of the node at a JSON pointer, or of the nearest node above it.
    pub fn place(&self, pointer: &str) -> String {
        let mut place = &self.places;
        for segment in pointer.split('/').skip(1) {
            match place.below.get(&pointer_key(segment)) {
                Some(below) => place = below,
                None => break,
            }
        }
        let line = place.line;
        format!("{}:{line}", self.path.display())
    }

    /// An error of the configuration at a JSON pointer: `FILE:LINE: what`.
    pub fn error(&self, pointer: &str, what: impl fmt::Display) -> Error {
        Error::usage(format!("{}: {what}", self.place(pointer)))
    }
}

/// The start of a file that may become a document: as many bytes as such a file may have, and one
/// more where there is one.
pub fn read_start(path: &Path) -> Result<Vec<u8>> {
    let mut start = Vec::new();
    // A size that was asked for before says nothing about a device that a link leads to.
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut start))
        .or_usage(|| format!("read {}", path.display()))?;
    Ok(start)
}

/// Checks that what was read is the whole file.
pub fn check_size(path: &Path, start: &[u8]) -> Result<()> {
    if start.len() as u64 > MAX_BYTES {
        let line = line_at_end(start);
        return Err(Error::usage(format!(
            "{}:{line}: it has more than the {MAX_BYTES} bytes that such a file may have",
            path.display()
        ))
        .hint("take out what was generated or put there by mistake"));
    }
    Ok(())
}

fn line_at_end(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').count()
}

/// The text of a file that has been read.
pub fn text_of(path: &Path, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = line_at_end(valid);
        Error::usage(format!("{}:{line}: it is not UTF-8", path.display()))
            .hint("save the file in the encoding UTF-8")
    })
}

/// A value as YAML text.
pub fn to_string(value: &Value) -> Result<String> {
    serde_saphyr::to_string(value).or_failed(|| "write YAML")
}

/// One key of a JSON pointer, escaped.
pub fn pointer_segment(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The key that a segment of a JSON pointer stands for.
fn pointer_key(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

/// Reads a plain scalar, one without quotes or a tag; an error says what is wrong with it.
pub type Resolve = fn(&str) -> Result<Value, &'static str>;

/// What plain scalars mean, where that is not what the reader of YAML says.
struct Scalars<'a> {
    text: &'a str,
    resolve: Option<Resolve>,
}

impl Scalars<'_> {
    fn value(&self, value: Value, place: Location) -> Result<Value, (u64, &'static str)> {
        let plain = (self.resolve).and_then(|resolve| Some((resolve, self.plain(&value, place)?)));
        match plain {
            None => Ok(value),
            Some((resolve, plain)) => resolve(plain).map_err(|what| (place.line(), what)),
        }
    }

    /// The scalar as it is written, where it is a plain one: what is quoted, or folded from more
    /// lines, is not what it stands for.
    fn plain(&self, value: &Value, place: Location) -> Option<&str> {
        let start = usize::try_from(place.span().byte_offset()?).ok()?;
        let length = usize::try_from(place.span().byte_len()?).ok()?;
        let written = self.text.get(start..start.checked_add(length)?)?.trim();
        let is_plain = match value {
            Value::String(text) => text == written,
            Value::Bool(_) | Value::Number(_) => true,
            _ => false,
        };
        (is_plain && !is_tagged(&self.text[..start])).then_some(written)
    }
}

/// How far back from a scalar its tag is looked for: to the start of a long line for each of its
/// items would take for ever.
const TAG: usize = 200;

/// Whether a tag comes before a scalar, an anchor between them or not.
fn is_tagged(before: &str) -> bool {
    let near = before.char_indices().rev().take(TAG).last();
    let near = near.map_or("", |(start, _)| &before[start..]);
    let words = near.split_whitespace().rev();
    let mut properties = words
        .map(|word| word.rsplit(['[', '{']).next().unwrap_or_default())
        .skip_while(|word| word.starts_with('&'));
    let is_tag = |word: &str| {
        word.contains("!<")
            || word
                .rsplit(',')
                .next()
                .is_some_and(|end| end.starts_with('!'))
    };
    properties.next().is_some_and(is_tag)
}

#[derive(Debug)]
enum Node {
    Scalar(Value),
    Sequence(Vec<Spanned<Node>>),
    Mapping(Vec<(String, Spanned<Node>)>),
}

impl Node {
    fn read(
        node: Spanned<Node>,
        place: &mut Place,
        scalars: &Scalars<'_>,
    ) -> Result<Value, (u64, &'static str)> {
        place.line = node.referenced.line();
        let mut child = |key: String, node: Spanned<Node>| {
            let mut below = Place::default();
            let value = Node::read(node, &mut below, scalars)?;
            place.below.insert(key, below);
            Ok(value)
        };
        match node.value {
            Node::Scalar(value) => scalars.value(value, node.defined),
            Node::Sequence(items) => (items.into_iter().enumerate())
                .map(|(index, item)| child(index.to_string(), item))
                .collect(),
            Node::Mapping(entries) => {
                let mut map = Map::with_capacity(entries.len());
                for (key, node) in entries {
                    let value = child(key.clone(), node)?;
                    map.insert(key, value);
                }
                Ok(Value::Object(map))
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
    fn a_zero_first_makes_a_number_octal_as_to_kubernetes_tools() {
        let document = parse("a: 0755\nb: '0755'\nc: 0\nd: 0o17\ne: v08\n").unwrap();
        assert_eq!(
            document.value,
            json!({"a": 493, "b": "0755", "c": 0, "d": 15, "e": "v08"})
        );
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
    fn mistakes_are_told_to_the_files_author_and_not_to_the_librarys_user() {
        for (text, expected) in [
            (
                "a: 1\na: 3\n",
                "w.yaml:2: duplicate mapping key `a` is not allowed here at line 2, column 1",
            ),
            (
                "a: 1\n---\na: 3\n",
                "w.yaml:3: only single YAML document expected but multiple found at line 3, column 1",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().report(), expected);
        }
    }

    #[test]
    fn plain_scalars_are_those_without_quotes_and_tags() {
        let text = "é: [1, '1', \"1\", !!str 1, &a y, *a, -x,!!str 1,!<tag:yaml.org,2002:str> 1]\nb: |\n  1\nc: !!str &b 1\nd:\n- 1 # c\n- x\n  y\n- 1:30\n- ~\n";
        let resolve: Resolve = |plain| Ok(json!({ "plain": plain }));
        let document = Document::parse_with(Path::new("w.yaml"), text, Some(resolve)).unwrap();
        let plain = |text: &str| json!({ "plain": text });
        assert_eq!(
            document.value,
            json!({
                "é": [plain("1"), "1", "1", "1", plain("y"), plain("y"), plain("-x"), "1", "1"],
                "b": "1\n", "c": "1", "d": [plain("1"), "x y", plain("1:30"), null],
            })
        );
        let resolve: Resolve = |_| Err("no");
        let error = Document::parse_with(Path::new("w.yaml"), "a:\n- 1\n", Some(resolve));
        assert_eq!(error.unwrap_err().report(), "w.yaml:2: no");
    }

    #[test]
    fn a_character_that_the_limit_cuts_in_two_is_no_wrong_encoding() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("w.yaml");
        std::fs::write(&file, "é".repeat(6 * 1024 * 1024)).unwrap();
        let error = Document::read(&file).unwrap_err();
        assert!(
            error
                .report()
                .starts_with(&format!("{}:1: it has more", file.display()))
        );
        std::fs::write(&file, b"a: 1\nb: \xff\n").unwrap();
        let error = Document::read(&file).unwrap_err();
        assert_eq!(
            error.report(),
            format!(
                "{}:2: it is not UTF-8\nsave the file in the encoding UTF-8",
                file.display()
            )
        );
    }

    #[test]
    fn a_link_to_an_endless_device_is_no_file_to_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("w.yaml");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        let error = Document::read(&link).unwrap_err();
        assert!(error.report().contains(": it has more than the"));
        assert_eq!(error.exit(), crate::Exit::Usage);
    }

    #[test]
    fn a_long_key_is_not_kept_once_more_for_each_node_below_it() {
        let key = "k".repeat(1024 * 1024);
        let text = format!("? {key}\n:\n{}", "- 1\n".repeat(50_000));
        let document = parse(&text).unwrap();
        // Once for each node would be 50 GiB.
        assert_eq!(document.place(&format!("/{key}/49999")), "w.yaml:50002");
        assert_eq!(document.place(&format!("/{key}/50000")), "w.yaml:3");
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
