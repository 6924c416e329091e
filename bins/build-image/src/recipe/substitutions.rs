//! Cloud Build's substitutions, as far as we have to know what comes of them. Source: its page on
//! substituting variable values.

use std::collections::BTreeMap;

use serde_json::Value;

/// What is left of a text when its variables have their values; `None` where one of them is
/// Cloud Build's to know.
pub(crate) fn expand(text: &str, values: &BTreeMap<String, String>) -> Option<String> {
    let mut expanded = String::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => expanded.push_str(text),
            Piece::Variable(name) => {
                // A value may hold variables of its own (dynamicSubstitutions).
                let value = values.get(name).filter(|value| !value.contains('$'))?;
                expanded.push_str(value);
            }
            Piece::Unknown => return None,
        }
    }
    Some(expanded)
}

/// Whether a variable is used anywhere in a config.
pub(crate) fn uses(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => pieces(text).contains(&Piece::Variable(name)),
        Value::Array(values) => values.iter().any(|value| uses(value, name)),
        Value::Object(members) => members.values().any(|value| uses(value, name)),
        _ => false,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
    /// Bash's expansions: `${NAME:-default}`.
    Unknown,
}

fn pieces(mut text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while let Some((before, rest)) = text.split_once('$') {
        pieces.push(Piece::Text(before));
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if let Some(rest) = rest.strip_prefix('$') {
            pieces.push(Piece::Text("$"));
            text = rest;
        } else if let Some((name, rest)) = rest.strip_prefix('{').and_then(|it| it.split_once('}'))
        {
            pieces.push(if name.chars().all(is_of_name) {
                Piece::Variable(name)
            } else {
                Piece::Unknown
            });
            text = rest;
        } else {
            let end = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
            pieces.push(match &rest[..end] {
                "" => Piece::Text("$"),
                name => Piece::Variable(name),
            });
            text = &rest[end..];
        }
    }
    pieces.push(Piece::Text(text));
    pieces
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_get_their_values() {
        let values = [("PROJECT_ID", "p"), ("_TAG", "v1"), ("_LAZY", "$_TAG")];
        let values = values
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let expand = |text| expand(text, &values);
        assert_eq!(
            expand("gcr.io/$PROJECT_ID/a:$_TAG").as_deref(),
            Some("gcr.io/p/a:v1")
        );
        assert_eq!(expand("${_TAG}x$$_TAG $").as_deref(), Some("v1x$_TAG $"));
        for text in ["$_TAGS", "$BUILD_ID", "${_TAG:-x}", "$_LAZY", "${_TAG"] {
            let known = expand(text);
            assert!(known.is_none() || text == "${_TAG", "{text}: {known:?}");
        }
    }

    #[test]
    fn a_variable_is_found_wherever_it_is_used() {
        let config = json!({"steps": [{"args": ["build", "-t", "a:${_TAG}"], "env": ["A=$$_X"]}]});
        assert!(uses(&config, "_TAG"));
        for name in ["_X", "_TA", "build"] {
            assert!(!uses(&config, name), "{name}");
        }
    }
}
