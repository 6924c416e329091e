//! Text that XML can hold, out of whatever a test printed.

/// Longest name of a test, in characters.
const LONGEST_NAME: usize = 1000;

/// Makes text of output: invalid UTF-8 becomes U+FFFD, terminal sequences (colours, cursor
/// movements, titles) go, so do control characters and what XML 1.0 forbids. Line ends
/// become `\n`.
pub fn clean(bytes: &[u8]) -> String {
    let lossy = String::from_utf8_lossy(bytes);
    let mut text = String::with_capacity(lossy.len());
    let mut characters = lossy.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_sequence(&mut characters),
            '\u{9b}' => skip_control_sequence(&mut characters),
            '\r' => {
                if characters.peek() != Some(&'\n') {
                    text.push('\n');
                }
            }
            '\n' | '\t' => text.push(character),
            '\u{fffe}' | '\u{ffff}' => {}
            other if other.is_control() => {}
            other => text.push(other),
        }
    }
    text
}

type Characters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// What follows an escape character, as ECMA-48 has it.
fn skip_sequence(characters: &mut Characters<'_>) {
    match characters.peek() {
        Some('[') => {
            characters.next();
            skip_control_sequence(characters);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            characters.next();
            skip_string(characters);
        }
        Some(' '..='/') => {
            while characters.next_if(|c| (' '..='/').contains(c)).is_some() {}
            characters.next_if(|c| ('0'..='~').contains(c));
        }
        Some('0'..='~') => {
            characters.next();
        }
        _ => {}
    }
}

fn skip_control_sequence(characters: &mut Characters<'_>) {
    while characters.next_if(|c| (' '..='?').contains(c)).is_some() {}
    characters.next_if(|c| ('@'..='~').contains(c));
}

/// A terminal string ends with BEL or ESC `\`; one that is never closed must not hide the
/// lines after it.
fn skip_string(characters: &mut Characters<'_>) {
    while let Some(character) = characters.next_if(|c| *c != '\n') {
        match character {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                characters.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

/// The start of a text, cut at a character, with a mark where something was cut.
pub(super) fn shorten(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A name of bounded length; two long names stay two.
pub fn distinct(name: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    match name.char_indices().nth(LONGEST_NAME) {
        None => name.to_owned(),
        Some((end, _)) => {
            let mut hasher = DefaultHasher::new();
            name.hash(&mut hasher);
            format!("{}… {:016x}", &name[..end], hasher.finish())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_sequences_and_control_characters_go() {
        assert_eq!(clean(b"\x1b[1;31mred\x1b[0m\x07 \x00ok"), "red ok");
        assert_eq!(
            clean(b"\x1b]0;title\x07a\x1b]8;;u\x1b\\b\x1b(Bc\x1b7d"),
            "abcd"
        );
        assert_eq!(clean("a\u{9b}31mb\u{85}".as_bytes()), "ab");
    }

    #[test]
    fn a_terminal_string_that_is_never_closed_does_not_hide_the_next_line() {
        assert_eq!(clean(b"a\x1b]0;evil\nFAILED"), "a\nFAILED");
    }

    #[test]
    fn an_escape_cut_short_by_a_line_end_keeps_the_line_end() {
        assert_eq!(clean(b"a\x1b\nb\x1b[3\nc\x1b"), "a\nb\nc");
    }

    #[test]
    fn line_ends_become_newlines_and_bad_utf8_a_replacement() {
        assert_eq!(clean(b"a\r\nb\rc\xff"), "a\nb\nc\u{fffd}");
        assert_eq!(clean("\u{fffe}\u{ffff}\tx".as_bytes()), "\tx");
    }

    #[test]
    fn long_names_that_differ_at_their_ends_stay_apart() {
        let long = "é".repeat(2000);
        let one = distinct(&format!("{long}1"));
        assert_ne!(one, distinct(&format!("{long}2")));
        assert!(one.chars().count() < LONGEST_NAME + 20);
    }
}
