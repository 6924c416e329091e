//! cargo-nextest: a filter names each test and its binary.

use std::ffi::OsString;

use common::exec::Command;

use crate::tool::Selector;

/// Filters of the command itself: nextest joins several by "or".
const FILTERS: [&str; 3] = ["-E", "--filterset", "--filter-expr"];

/// The command that runs just these tests.
pub(super) fn again(command: &Command, tests: &[Selector]) -> Command {
    let mut again = command.clone();
    let mut args = std::mem::take(&mut again.args).into_iter().peekable();
    let mut own = Vec::new();
    while args.peek().is_some_and(|arg| arg != "--") {
        let Some(arg) = args.next() else { break };
        let text = arg.to_string_lossy();
        if FILTERS.contains(&text.as_ref()) {
            args.next();
        } else if !FILTERS.iter().any(|flag| starts_with_value(&text, flag)) {
            own.push(arg);
        }
    }
    let tests: Vec<String> = tests.iter().map(filter).collect();
    own.extend(["-E".to_owned(), tests.join(" | ")].map(OsString::from));
    own.extend(args);
    again.args = own;
    again
}

/// `--filterset=X`, `-EX`.
fn starts_with_value(arg: &str, flag: &str) -> bool {
    let rest = arg.strip_prefix(flag);
    rest.is_some_and(|rest| rest.starts_with('=') || (flag == "-E" && !rest.is_empty()))
}

fn filter(test: &Selector) -> String {
    let (binary, name) = (escape(&test.group), escape(&test.name));
    format!("(binary_id(={binary}) & test(={name}))")
}

/// Source: the "Escape sequences" of nextest's filterset reference.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '\\' | ')' | ',' | '/') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn just_the_failed_tests_are_asked_for() {
        let words = "nextest run -p x -E all() --filterset=none() name -- --skip y";
        let command = Command::new("cargo").args(words.split(' '));
        let test = |group: &str, name: &str| Selector {
            group: group.to_owned(),
            name: name.to_owned(),
        };
        let again = again(&command, &[test("x::a", "tests::b"), test("x", "c")]);
        let args: Vec<_> = again.args.iter().map(|arg| arg.to_string_lossy()).collect();
        assert_eq!(
            args.join(" "),
            "nextest run -p x name -E (binary_id(=x::a) & test(=tests::b)) | \
             (binary_id(=x) & test(=c)) -- --skip y"
        );
    }
}
