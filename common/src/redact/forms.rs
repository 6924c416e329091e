//! The forms that a secret's value takes in text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::{SHORTEST, Value};

/// Lines of a secret of several lines are secrets as well from this length on; shorter ones
/// (`type: Opaque`, the end of a key) say little and stand in innocent text.
const SHORTEST_LINE: usize = 16;

/// Where base64(1), MIME and PEM break lines.
const WRAPPED_AT: [usize; 2] = [76, 64];

/// All forms of a value: as it is, base64 at each alignment, escaped as in JSON and in URLs,
/// and line by line.
pub(super) fn of(value: &[u8]) -> BTreeSet<Value> {
    let core = value.trim_ascii();
    let mut forms = BTreeSet::new();
    let mut add = |form: Vec<u8>| {
        if form.len() >= SHORTEST {
            forms.insert(Value::from(form));
        }
    };
    add(core.to_vec());
    escaped(core).into_iter().for_each(&mut add);
    for value in [core, value] {
        encoded(value).into_iter().for_each(&mut add);
    }
    within(core).for_each(&mut add);
    for line in lines(core) {
        add(line.to_vec());
        escaped(line).into_iter().for_each(&mut add);
    }
    forms
}

/// The lines of a value of several lines that tell something. The first and the last line of
/// a key or certificate are the same in all of them.
fn lines(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let several = value.contains(&b'\n');
    value
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(move |line| several && line.len() >= SHORTEST_LINE && !line.starts_with(b"-----"))
}

/// Base64 of the value alone: with padding, in both alphabets, in one line and wrapped.
fn encoded(value: &[u8]) -> Vec<Vec<u8>> {
    let whole = [STANDARD.encode(value), URL_SAFE.encode(value)].map(String::into_bytes);
    let mut forms = Vec::new();
    for width in WRAPPED_AT {
        if whole[0].len() > width {
            let wrapped = whole[0].chunks(width);
            forms.extend(wrapped.map(<[u8]>::to_vec));
        }
    }
    forms.extend(whole);
    forms
}

/// Base64 of the value as a part of something longer, such as `user:PASSWORD`: what precedes
/// it shifts it by 0, 1 or 2 bytes. Characters that it shares with its neighbours are left
/// out; they tell less than a byte.
fn within(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let shifted = move |shift: usize| {
        let bytes = Value::from([&[0; 2][..shift], value].concat());
        let first = [0, 2, 3][shift];
        let end = bytes.len() * 8 / 6;
        let cut = |text: String| text.as_bytes()[first..end].to_vec();
        [cut(STANDARD.encode(&*bytes)), cut(URL_SAFE.encode(&*bytes))]
    };
    (0..3).flat_map(shifted)
}

/// As in JSON and in URLs, in the ways of the common libraries.
fn escaped(value: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    if let Ok(text) = std::str::from_utf8(value) {
        // As most write it; as Go does for HTML's sake; as Python does.
        forms.push(json(text, |_| false));
        forms.push(json(text, |character| "<>&".contains(character)));
        forms.push(json(text, |character| !character.is_ascii()));
    }
    // RFC 3986; Python's quote; JavaScript's encodeURIComponent.
    for kept in ["", "/", "!'()*"] {
        forms.push(percent(value, kept, |byte| format!("%{byte:02X}")));
        forms.push(percent(value, kept, |byte| format!("%{byte:02x}")));
    }
    // Forms write a space as a plus.
    forms.push(percent(value, "", |byte| match byte {
        b' ' => "+".to_owned(),
        _ => format!("%{byte:02X}"),
    }));
    forms
}

fn json(text: &str, also: impl Fn(char) -> bool) -> Vec<u8> {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        // Writing to a String cannot fail.
        let _ = match character {
            '"' => write!(escaped, "\\\""),
            '\\' => write!(escaped, "\\\\"),
            '\n' => write!(escaped, "\\n"),
            '\r' => write!(escaped, "\\r"),
            '\t' => write!(escaped, "\\t"),
            _ if character.is_ascii_control() || also(character) => {
                let mut units = [0; 2];
                let units = character.encode_utf16(&mut units);
                units
                    .iter()
                    .try_for_each(|unit| write!(escaped, "\\u{unit:04x}"))
            }
            _ => write!(escaped, "{character}"),
        };
    }
    escaped.into_bytes()
}

fn percent(value: &[u8], kept: &str, escape: impl Fn(u8) -> String) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(value.len());
    for byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || kept.as_bytes().contains(byte)
        {
            escaped.push(*byte);
        } else {
            escaped.extend(escape(*byte).into_bytes());
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(value: &str, form: &str) -> bool {
        of(value.as_bytes())
            .iter()
            .any(|known| **known == *form.as_bytes())
    }

    #[test]
    fn a_value_is_known_in_each_alignment_of_base64() {
        let secret = "s3cr3t-Pa55?>word";
        for before in ["", "a", "ab", "abc", "user:"] {
            for after in ["", "x", "xy"] {
                let text = STANDARD.encode(format!("{before}{secret}{after}"));
                let known = of(secret.as_bytes());
                let longest = known
                    .iter()
                    .filter(|form| text.contains(&*String::from_utf8_lossy(form)))
                    .map(|form| form.len())
                    .max();
                // At most one character on each side is shared with a neighbour, and padding.
                assert!(longest.unwrap() + 2 >= secret.len() * 8 / 6, "{text}");
            }
        }
    }

    #[test]
    fn a_value_is_known_as_libraries_escape_it() {
        assert!(has("pass\"word\\1\n2", r#"pass\"word\\1\n2"#));
        assert!(has("pass<word>&1", r"pass\u003cword\u003e\u00261"));
        assert!(has("pässword1", r"p\u00e4ssword1"));
        assert!(has("pass 😀 word", r"pass \ud83d\ude00 word"));
        assert!(has("pass word/+1", "pass%20word%2F%2B1"));
        assert!(has("pass word/+1", "pass%20word%2f%2b1"));
        assert!(has("pass word/+1", "pass%20word/%2B1"));
        assert!(has("pass word/+1", "pass+word%2F%2B1"));
    }

    #[test]
    fn lines_that_tell_something_are_secrets_of_their_own() {
        let key = "-----BEGIN X-----\nAAAABBBBCCCCDDDDEEEE\n  FFFFGGGGHHHHIIIIJJJJ\nshort\n-----END X-----\n";
        assert!(has(key, "AAAABBBBCCCCDDDDEEEE") && has(key, "FFFFGGGGHHHHIIIIJJJJ"));
        assert!(!has(key, "-----BEGIN X-----") && !has(key, "short"));
        assert!(has(key, &STANDARD.encode(key)), "with its last line end");
        assert!(
            has(key, &STANDARD.encode(key)[..76]),
            "as base64(1) wraps it"
        );
    }
}
