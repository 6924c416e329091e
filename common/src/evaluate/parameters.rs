//! The parameters of the function that a file of jsonnet gives: the evaluator does not tell them.

use std::path::Path;

use rsjsonnet_lang::arena::Arena;
use rsjsonnet_lang::ast::{Expr, ExprKind};
use rsjsonnet_lang::interner::StrInterner;
use rsjsonnet_lang::lexer::Lexer;
use rsjsonnet_lang::parser::Parser;
use rsjsonnet_lang::span::SpanManager;

/// Their names; none where the file is not plainly a function.
pub(super) fn of_function(file: &Path) -> Vec<String> {
    std::fs::read(file).map_or_else(|_| Vec::new(), |text| of_text(&text))
}

fn of_text(text: &[u8]) -> Vec<String> {
    let (arena, ast) = (Arena::new(), Arena::new());
    let strings = StrInterner::new();
    let mut spans = SpanManager::new();
    let (context, _) = spans.insert_source_context(text.len());
    let lexer = Lexer::new(&arena, &ast, &strings, &mut spans, context, text);
    let Ok(tokens) = lexer.lex_to_eof(false) else {
        return Vec::new();
    };
    let root = Parser::new(&arena, &ast, &strings, &mut spans, tokens).parse_root_expr();
    root.map_or_else(|_| Vec::new(), |root| of_expression(&root))
}

fn of_expression(expression: &Expr<'_, '_>) -> Vec<String> {
    match expression.kind {
        ExprKind::Func(parameters, _) => (parameters.iter())
            .map(|parameter| parameter.name.value.value().to_owned())
            .collect(),
        ExprKind::Local(_, inner) | ExprKind::Paren(inner) | ExprKind::Assert(_, inner) => {
            of_expression(inner)
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_behind_what_comes_first() {
        assert_eq!(of_text(b"function(a, b=1) a"), ["a", "b"]);
        assert_eq!(of_text(b"local x = 1; assert true; (function(c) x)"), ["c"]);
        for text in [&b"{a: 1}"[..], b"function(", b"if true then function(a) 1"] {
            assert!(of_text(text).is_empty());
        }
    }
}
