//! Argo's `{{…}}` tags.

use std::collections::HashMap;

/// The values that tags stand for, by the tag's full name: `inputs.parameters.x`.
pub(crate) type Scope = HashMap<String, String>;

/// The first words of Argo's own tags. A tag with another one is left as it is: it belongs to
/// somebody else, a Go template in a script for example (Argo: `checkValidWorkflowVariablePrefix`).
const PREFIXES: [&str; 9] = [
    "inputs.",
    "item",
    "node.",
    "outputs.",
    "pod.",
    "retries",
    "steps.",
    "tasks.",
    "workflow.",
];

/// One piece of a text.
enum Piece<'a> {
    Text(&'a str),
    /// The whole tag with its braces, and its name.
    Tag(&'a str, &'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let Some(length) = rest[start..].find("}}") else {
            break;
        };
        let end = start + length + 2;
        pieces.push(Piece::Text(&rest[..start]));
        pieces.push(Piece::Tag(
            &rest[start..end],
            rest[start + 2..end - 2].trim(),
        ));
        rest = &rest[end..];
    }
    pieces.push(Piece::Text(rest));
    pieces
}

fn is_argo(name: &str) -> bool {
    PREFIXES.into_iter().any(|prefix| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| prefix.ends_with('.') || rest.is_empty() || rest.starts_with('.'))
    })
}

/// Replaces the tags that `scopes` know, the first scope that knows one first. A tag of
/// Argo's that none knows is an error, which gives its name.
pub(crate) fn replace(text: &str, scopes: &[&Scope]) -> Result<String, String> {
    let mut replaced = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => replaced.push_str(text),
            Piece::Tag(whole, name) => match scopes.iter().find_map(|scope| scope.get(name)) {
                Some(value) => replaced.push_str(value),
                None if is_argo(name) => return Err(format!("failed to resolve {whole}")),
                None => replaced.push_str(whole),
            },
        }
    }
    Ok(replaced)
}

/// The names of Argo's own tags in a text, and of expression tags (`{{=…}}`) with their `=`.
pub(crate) fn tags(text: &str) -> Vec<&str> {
    let name = |piece| match piece {
        Piece::Tag(_, name) if is_argo(name) || name.starts_with('=') => Some(name),
        _ => None,
    };
    pieces(text).into_iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(values: &[(&str, &str)]) -> Scope {
        values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_nearest_scope_wins_and_spaces_do_not_matter() {
        let near = scope(&[("inputs.parameters.a", "near")]);
        let far = scope(&[("inputs.parameters.a", "far"), ("workflow.name", "w")]);
        assert_eq!(
            replace(
                "{{ inputs.parameters.a }}/{{workflow.name}}",
                &[&near, &far]
            )
            .unwrap(),
            "near/w"
        );
    }

    #[test]
    fn a_value_is_not_searched_for_tags_again() {
        let values = scope(&[("item", "{{workflow.name}}")]);
        assert_eq!(
            replace("{{item}}", &[&values]).unwrap(),
            "{{workflow.name}}"
        );
    }

    #[test]
    fn tags_of_others_stay_and_unknown_ones_of_argo_are_errors() {
        assert_eq!(
            replace("{{.Name}} {{items}} {{", &[]).unwrap(),
            "{{.Name}} {{items}} {{"
        );
        assert_eq!(
            replace("{{steps.a.outputs.result}}", &[]).unwrap_err(),
            "failed to resolve {{steps.a.outputs.result}}"
        );
    }

    #[test]
    fn tags_are_found() {
        assert_eq!(
            tags("{{item.x}} {{.Go}} {{=1+1}} {{retries}}"),
            ["item.x", "=1+1", "retries"]
        );
    }
}
