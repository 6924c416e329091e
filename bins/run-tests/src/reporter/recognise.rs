//! Which tool a command runs, as far as its words tell.

use super::Reporter;

/// What runs a command in an environment of its own: the command is what follows.
const RUNNERS: [[&str; 2]; 6] = [
    ["uv", "run"],
    ["poetry", "run"],
    ["pipenv", "run"],
    ["pdm", "run"],
    ["hatch", "run"],
    ["coverage", "run"],
];

/// Goals of Maven and tasks of Gradle behind which tests run.
const TESTING: [&str; 8] = [
    "test",
    "check",
    "build",
    "package",
    "verify",
    "install",
    "deploy",
    "integration-test",
];

pub(super) fn reporter(words: &[&str]) -> Option<Reporter> {
    let (program, args) = words.split_first()?;
    let name = program.rsplit('/').next().unwrap_or(program);
    if let [first, rest @ ..] = args
        && RUNNERS.contains(&[name, first])
    {
        return reporter_behind(rest);
    }
    let tests = || args.iter().any(|arg| is_testing(arg));
    match name {
        "pytest" | "py.test" => Some(Reporter::Pytest),
        "env" => reporter_behind(args),
        "ctest" => Some(Reporter::Ctest),
        "node" if runs_tests(args) => Some(Reporter::Node),
        "mvn" | "mvnw" | "mvnd" if tests() => Some(Reporter::Maven),
        "gradle" | "gradlew" if tests() => Some(Reporter::Gradle),
        "cargo" | "cargo-nextest" if is_nextest(name, args) => Some(Reporter::Nextest),
        _ if is_python(name) => module(args),
        _ => None,
    }
}

/// Past flags and variables that come before the command.
fn reporter_behind(words: &[&str]) -> Option<Reporter> {
    if let Some(found) = module(words) {
        return Some(found);
    }
    let own = |word: &&&str| word.starts_with('-') || word.contains('=');
    reporter(&words[words.iter().take_while(own).count()..])
}

fn is_python(name: &str) -> bool {
    let version = name.strip_prefix("python");
    version.is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// `-m pytest`, before anything that is no flag.
fn module(args: &[&str]) -> Option<Reporter> {
    let at = args.iter().position(|arg| *arg == "-m")?;
    if args[..at].iter().any(|arg| !arg.starts_with('-')) {
        return None;
    }
    match args.get(at + 1..)? {
        ["pytest" | "py.test", ..] => Some(Reporter::Pytest),
        // `python -m coverage run -m pytest`.
        ["coverage", "run", rest @ ..] => reporter_behind(rest),
        _ => None,
    }
}

fn runs_tests(args: &[&str]) -> bool {
    let options = args.iter().take_while(|arg| arg.starts_with('-'));
    let mut own = false;
    for option in options {
        // A reporter that the command chose writes where it likes.
        if option.starts_with("--test-reporter") {
            return false;
        }
        own |= *option == "--test";
    }
    own
}

/// `test`, `:module:test`, `integrationTest`.
fn is_testing(goal: &str) -> bool {
    let task = goal.rsplit(':').next().unwrap_or(goal);
    !goal.starts_with('-') && (TESTING.contains(&task) || task.ends_with("Test"))
}

fn is_nextest(name: &str, args: &[&str]) -> bool {
    let args = match args {
        [toolchain, rest @ ..] if toolchain.starts_with('+') => rest,
        _ => args,
    };
    matches!(
        (name, args),
        (_, ["nextest", "run" | "r", ..]) | ("cargo-nextest", ["run" | "r", ..])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: &str) -> Option<Reporter> {
        reporter(&command.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn tools_are_recognised_however_they_are_called() {
        for command in [
            "pytest",
            "/venv/bin/pytest -q tests",
            "python3.11 -m pytest",
            "python -X dev -m pytest",
            "python -I -m pytest -x",
            "coverage run --branch -m pytest",
            "python -m coverage run -m pytest",
            "uv run pytest",
            "uv run --frozen pytest -n 2",
            "poetry run python -m pytest",
            "env A=b C=d pytest",
        ] {
            let expected = (command != "python -X dev -m pytest").then_some(Reporter::Pytest);
            assert_eq!(of(command), expected, "{command}");
        }
        assert_eq!(of("cargo nextest run -P ci"), Some(Reporter::Nextest));
        assert_eq!(of("cargo +nightly nextest r"), Some(Reporter::Nextest));
        assert_eq!(of("x/cargo-nextest nextest run"), Some(Reporter::Nextest));
        assert_eq!(of("ctest -j4"), Some(Reporter::Ctest));
        assert_eq!(of("node --no-warnings --test t/"), Some(Reporter::Node));
        assert_eq!(of("./mvnw -B verify"), Some(Reporter::Maven));
        assert_eq!(of("./gradlew :a:test"), Some(Reporter::Gradle));
        assert_eq!(of("gradle integrationTest"), Some(Reporter::Gradle));
    }

    #[test]
    fn other_commands_are_not_taken_for_a_tool() {
        for command in [
            "",
            "make pytest",
            "python run.py -m pytest",
            "python -m unittest",
            "docker run image pytest",
            "cargo test nextest run",
            "cargo nextest list",
            "node script.js --test",
            "node --test --test-reporter=tap",
            "mvn clean",
            "mvn -Dtest",
            "gradle tasks",
            "pythonista -m pytest",
            "uv run",
            "env",
        ] {
            assert_eq!(of(command), None, "{command}");
        }
    }
}
