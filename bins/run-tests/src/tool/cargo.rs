//! `cargo test`: libtest takes the names of tests behind `--`.

use std::ffi::OsString;

use common::exec::Command;

use super::Selector;

/// Whether these are arguments of a `cargo test` that runs tests.
pub(super) fn is_test(args: &[OsString]) -> bool {
    let own = args.iter().take_while(|arg| *arg != "--");
    let mut words = own.filter(|arg| !arg.to_string_lossy().starts_with('+'));
    let is_test = words
        .next()
        .is_some_and(|word| word == "test" || word == "t");
    is_test && words.all(|word| word != "--no-run" && word != "--help" && word != "-h")
}

/// Whether libtest is asked for JSON.
pub(crate) fn speaks_json(command: &Command) -> bool {
    let for_libtest = command.args.iter().skip_while(|arg| *arg != "--");
    let words: Vec<_> = for_libtest.map(|arg| arg.to_string_lossy()).collect();
    words.iter().any(|word| word == "--format=json")
        || words.windows(2).any(|pair| pair == ["--format", "json"])
}

/// The option that ends a run before all of its tests have run: libtest's own.
pub(super) fn stops_early(command: &Command) -> Option<String> {
    let for_libtest = command.args.iter().skip_while(|arg| *arg != "--");
    let mut words = for_libtest.map(|arg| arg.to_string_lossy());
    words.find(|word| word == "--fail-fast").map(Into::into)
}

/// The command that runs all test binaries, where one of them fails as well.
pub(super) fn to_the_end(command: &Command) -> Command {
    let mut whole = command.clone();
    let end = whole.args.iter().position(|arg| arg == "--");
    let end = end.unwrap_or(whole.args.len());
    if !whole.args[..end].iter().any(|arg| arg == "--no-fail-fast") {
        whole.args.insert(end, "--no-fail-fast".into());
    }
    whole
}

/// The command that runs these tests again, in whichever test binary they are.
pub(super) fn again(command: &Command, tests: &[Selector]) -> Vec<Command> {
    let mut again = to_the_end(command);
    if !again.args.iter().any(|arg| arg == "--") {
        again.args.push("--".into());
    }
    again.args.push("--exact".into());
    let mut names: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    again.args.extend(names.into_iter().map(OsString::from));
    vec![again]
}

#[cfg(test)]
mod tests {
    use super::super::command;
    use super::*;

    #[test]
    fn failed_tests_run_again_by_their_exact_names() {
        let tests = [("a", "tests::b"), ("c", "tests::a"), ("d", "tests::b")];
        let tests = tests.map(|(group, name)| Selector {
            group: group.to_owned(),
            name: name.to_owned(),
        });
        let line = |line| again(&command(line), &tests)[0].to_string();
        assert_eq!(
            line("cargo test --workspace"),
            "cargo test --workspace --no-fail-fast -- --exact tests::a tests::b"
        );
        assert_eq!(
            line("cargo test --no-fail-fast -- --nocapture"),
            "cargo test --no-fail-fast -- --nocapture --exact tests::a tests::b"
        );
    }
}
