//! A `+` before a value, as `ks` read it: the Go jsonnet that it was built with (0.11.2) gave that
//! value, whatever it is. The C++ jsonnet, and Go's of today, have it before numbers only. Components
//! of kubeflow/examples say `step_name: + template.name`.

use rsjsonnet_lang::arena::Arena;
use rsjsonnet_lang::interner::StrInterner;
use rsjsonnet_lang::lexer::Lexer;
use rsjsonnet_lang::span::SpanManager;
use rsjsonnet_lang::token::{STokenKind, TokenKind};

/// The text with a space in place of each `+` that has nothing before it to add to; `None` where
/// there is none. Places in the text stay what they are.
pub(super) fn without(text: &[u8]) -> Option<Vec<u8>> {
    let (arena, ast) = (Arena::new(), Arena::new());
    let strings = StrInterner::new();
    let mut spans = SpanManager::new();
    let (context, _) = spans.insert_source_context(text.len());
    let lexer = Lexer::new(&arena, &ast, &strings, &mut spans, context, text);
    // What is no jsonnet is refused by the evaluator.
    let tokens = lexer.lex_to_eof(false).ok()?;
    let mut changed = None;
    let mut is_operand = false;
    for token in &tokens {
        if token.kind == TokenKind::Simple(STokenKind::Plus) && !is_operand {
            let (_, start, _) = spans.get_span(token.span);
            let changed: &mut Vec<u8> = changed.get_or_insert_with(|| text.to_owned());
            if let Some(plus) = changed.get_mut(start) {
                *plus = b' ';
            }
        }
        is_operand = ends_operand(&token.kind);
    }
    changed
}

/// Whether a `+` behind this token adds to what the token ends.
fn ends_operand(token: &TokenKind<'_, '_>) -> bool {
    match token {
        TokenKind::Ident(_)
        | TokenKind::Number(_)
        | TokenKind::String(_)
        | TokenKind::TextBlock(_) => true,
        TokenKind::Simple(simple) => matches!(
            simple,
            STokenKind::True
                | STokenKind::False
                | STokenKind::Null
                | STokenKind::Self_
                | STokenKind::Super
                | STokenKind::Dollar
                | STokenKind::Tailstrict
                | STokenKind::RightParen
                | STokenKind::RightBracket
                | STokenKind::RightBrace
        ),
        TokenKind::EndOfFile
        | TokenKind::Whitespace
        | TokenKind::Comment
        | TokenKind::OtherOp(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_that_adds_nothing_is_left_out() {
        for (text, expected) in [
            ("{a: + b.c}", Some("{a:   b.c}")),
            ("+ 'x'", Some("  'x'")),
            ("[+a, f(+b) + c]", Some("[ a, f( b) + c]")),
            ("a + + b", Some("a +   b")),
            ("if x then +a else +b", Some("if x then  a else  b")),
            (
                "{a+: 1, b +:: 2} + {c: 'a' + 'b'} + d[0] + self + $ + |||\n  +\n|||\n",
                None,
            ),
            ("// + x\n1", None),
            ("'+' + \"", None),
        ] {
            let found = without(text.as_bytes());
            let found = found.map(|text| String::from_utf8(text).unwrap());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
