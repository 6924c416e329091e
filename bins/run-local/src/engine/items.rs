//! Steps that run once for each item: `withItems`, `withParam`, `withSequence`.

use serde_json::Value;

use crate::manifest::{Loop, Sequence, scalar};
use crate::substitute::{Scope, replace};

/// More items than this are a mistake, or an attack on the machine.
const MAX_ITEMS: usize = 10_000;

/// One repetition of a step.
pub(crate) struct Item {
    /// What is appended to the step's name: `(0:text)`.
    pub(crate) suffix: String,
    /// The tags `item` and `item.KEY`.
    pub(crate) scope: Scope,
}

/// The items of a loop, with its own tags replaced first.
pub(crate) fn expand(repeat: &Loop, scopes: &[&Scope]) -> Result<Vec<Item>, String> {
    let values = match repeat {
        Loop::Items(values) => values
            .iter()
            .map(|value| replace_within(value, scopes))
            .collect::<Result<Vec<_>, _>>()?,
        Loop::Param(text) => {
            let text = replace(text, scopes)?;
            match serde_json::from_str(&text) {
                Ok(Value::Array(values)) => values,
                _ => {
                    return Err(format!(
                        "withParam value could not be parsed as a JSON list: {text}"
                    ));
                }
            }
        }
        Loop::Sequence(sequence) => numbers(sequence, scopes)?,
    };
    if values.len() > MAX_ITEMS {
        return Err(format!("{} items are more than {MAX_ITEMS}", values.len()));
    }
    Ok(values
        .iter()
        .enumerate()
        .map(|(index, value)| item(index, value))
        .collect())
}

fn replace_within(value: &Value, scopes: &[&Scope]) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(replace(text, scopes)?),
        Value::Array(items) => items
            .iter()
            .map(|item| replace_within(item, scopes))
            .collect::<Result<_, _>>()?,
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| Ok((key.clone(), replace_within(value, scopes)?)))
                .collect::<Result<_, String>>()?,
        ),
        other => other.clone(),
    })
}

/// Names as the controller's `processItem` gives them.
fn item(index: usize, value: &Value) -> Item {
    let mut scope = Scope::new();
    let text = scalar(value).unwrap_or_else(|| value.to_string());
    let mut name = text.clone();
    scope.insert("item".to_owned(), text);
    if let Value::Object(map) = value {
        let mut parts = Vec::new();
        for (key, value) in map {
            let text = scalar(value).unwrap_or_else(|| value.to_string());
            parts.push(format!("{key}:{text}"));
            scope.insert(format!("item.{key}"), text);
        }
        parts.sort();
        name = parts.join(",");
    }
    Item {
        suffix: format!("({index}:{name})"),
        scope,
    }
}

fn numbers(sequence: &Sequence, scopes: &[&Scope]) -> Result<Vec<Value>, String> {
    let number = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => {
            let text = replace(text, scopes)?;
            text.trim()
                .parse::<i64>()
                .map(Some)
                .map_err(|_| format!("{text:?} is not a number"))
        }
    };
    let start = number(&sequence.start)?.unwrap_or(0);
    let end = match (number(&sequence.end)?, number(&sequence.count)?) {
        (Some(end), _) => end,
        (None, Some(0)) => return Ok(Vec::new()),
        (None, Some(count)) => start.saturating_add(count).saturating_sub(1),
        (None, None) => return Err("withSequence has neither end nor count".to_owned()),
    };
    if start.abs_diff(end) >= MAX_ITEMS as u64 {
        return Err(format!("withSequence gives more than {MAX_ITEMS} items"));
    }
    let format = sequence.format.as_deref().unwrap_or("%d");
    let numbers: Vec<i64> = if start <= end {
        (start..=end).collect()
    } else {
        (end..=start).rev().collect()
    };
    numbers
        .into_iter()
        .map(|number| Ok(Value::String(print(format, number)?)))
        .collect()
}

/// Go's `%d`, `%05d` and `%x` with text around them: what sequences use.
fn print(format: &str, number: i64) -> Result<String, String> {
    let unsupported = || format!("run-local does not know the format {format:?}");
    let (before, rest) = format.split_once('%').ok_or_else(unsupported)?;
    let verb = rest
        .find(|c: char| !c.is_ascii_digit())
        .ok_or_else(unsupported)?;
    let (flags, after) = rest.split_at(verb);
    let digits = match after.as_bytes().first() {
        Some(b'd') => number.to_string(),
        Some(b'x') => format!("{number:x}"),
        Some(b'X') => format!("{number:X}"),
        _ => return Err(unsupported()),
    };
    let width: usize = if flags.is_empty() {
        0
    } else {
        flags.parse().map_err(|_| unsupported())?
    };
    if width > 100 {
        return Err(unsupported());
    }
    let padded = if flags.starts_with('0') {
        format!("{digits:0>width$}")
    } else {
        format!("{digits:>width$}")
    };
    Ok(format!("{before}{padded}{}", &after[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn suffixes(repeat: &Loop) -> Vec<String> {
        expand(repeat, &[])
            .unwrap()
            .into_iter()
            .map(|item| item.suffix)
            .collect()
    }

    #[test]
    fn items_of_all_kinds_are_named_as_the_controller_names_them() {
        let items = Loop::Items(vec![
            json!("a"),
            json!(1),
            json!(true),
            json!({"b": "x", "a": 2}),
        ]);
        assert_eq!(
            suffixes(&items),
            ["(0:a)", "(1:1)", "(2:true)", "(3:a:2,b:x)"]
        );
        let expanded = expand(&items, &[]).unwrap();
        assert_eq!(expanded[3].scope["item.a"], "2");
        assert_eq!(expanded[3].scope["item"], "{\"b\":\"x\",\"a\":2}");
    }

    #[test]
    fn sequences_count_up_down_and_with_a_format() {
        let sequence = |start: &str, end: &str, format: Option<&str>| {
            Loop::Sequence(Sequence {
                start: Some(start.to_owned()),
                end: Some(end.to_owned()),
                count: None,
                format: format.map(str::to_owned),
            })
        };
        assert_eq!(
            suffixes(&sequence("1", "3", None)),
            ["(0:1)", "(1:2)", "(2:3)"]
        );
        assert_eq!(
            suffixes(&sequence("2", "1", Some("n%02d"))),
            ["(0:n02)", "(1:n01)"]
        );
        assert!(expand(&sequence("0", "99999999999", None), &[]).is_err());
    }

    #[test]
    fn a_parameter_that_is_no_list_is_an_error() {
        assert!(expand(&Loop::Param("{}".to_owned()), &[]).is_err());
        assert_eq!(suffixes(&Loop::Param("[\"x\"]".to_owned())), ["(0:x)"]);
    }
}
