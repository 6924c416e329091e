//! `go test`: packages are divided; where there is only one, its tests are.

use std::collections::BTreeSet;

use common::exec::Command;

use crate::tool::GoTest;

/// The command that lists the packages that have tests.
pub(super) fn packages(go: &GoTest<'_>) -> Command {
    let format = "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}";
    go.list(format)
}

/// The command that lists the tests of a package, as far as `-run` picks them.
pub(super) fn tests(go: &GoTest<'_>, package: &str) -> Command {
    go.with(&["-list=.".to_owned()], &[package.to_owned()])
}

/// Lines that are names.
pub(super) fn listed(output: &str) -> BTreeSet<String> {
    let lines = output.lines().map(str::trim);
    let names = lines.filter(|line| !line.is_empty() && !line.contains(char::is_whitespace));
    names.map(str::to_owned).collect()
}

/// Names of tests, without the line that sums up. Benchmarks are not run by `-run`.
pub(super) fn listed_tests(output: &str) -> BTreeSet<String> {
    let mut tests = listed(output);
    tests.retain(|name| {
        let kinds = ["Test", "Example", "Fuzz"];
        kinds.iter().any(|kind| name.starts_with(kind))
    });
    tests
}

/// The command for just these packages.
pub(super) fn of_packages(go: &GoTest<'_>, chosen: &BTreeSet<String>) -> Command {
    let chosen: Vec<String> = chosen.iter().cloned().collect();
    go.with(&[], &chosen)
}

/// The command for just these tests of a package.
pub(super) fn of_tests(go: &GoTest<'_>, package: &str, chosen: &BTreeSet<String>) -> Command {
    let names: Vec<&str> = chosen.iter().map(String::as_str).collect();
    // Names of Go's tests are identifiers: nothing in them means anything to a pattern.
    let run = format!("-run=^({})$", names.join("|"));
    go.with(&[run], &[package.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> Vec<String> {
        let words = std::iter::once(&command.program).chain(&command.args);
        words
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn flags_stay_and_packages_are_replaced() {
        let line = "go -C d test -v -tags a,b ./... ./x -count=1 -args y";
        let mut parts = line.split(' ');
        let command = Command::new(parts.next().unwrap()).args(parts);
        let go = GoTest::of(&command).unwrap();
        let list = words(&packages(&go));
        assert_eq!(list[..4], ["go", "-C", "d", "list"]);
        assert_eq!(list[6..], ["-tags", "a,b", "./...", "./x"]);
        assert_eq!(
            words(&of_packages(&go, &set(&["e/b", "e/a"]))).join(" "),
            "go -C d test -v -tags a,b -count=1 e/a e/b -args y"
        );
        assert_eq!(
            words(&of_tests(&go, "e/a", &set(&["TestB", "TestA"]))).join(" "),
            "go -C d test -run=^(TestA|TestB)$ -v -tags a,b -count=1 e/a -args y"
        );
        assert!(!go.picks_tests());
    }

    #[test]
    fn what_is_listed_are_names() {
        let output = "TestA\nBenchmarkB\nExampleC\nok  \te/a\t0.002s\n";
        assert_eq!(listed_tests(output), set(&["TestA", "ExampleC"]));
        assert_eq!(listed("e/a\n\ne/b\n"), set(&["e/a", "e/b"]));
    }
}
