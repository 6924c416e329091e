//! The flag, variable or file that makes each tool write JUnit.

use std::path::Path;

use common::exec::{Command, quote};

use super::folder::{REPORT, REPORTS};
use super::{Arranged, Reporter};
use crate::opts::JunitOutput;
use crate::tool::nextest;

type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(super) fn arrange(
    reporter: Reporter,
    command: &Command,
    folder: &Path,
    output: JunitOutput,
    variables: Variables<'_>,
) -> Arranged {
    let report = folder.join(REPORT);
    let mut arranged = Arranged {
        command: command.clone(),
        patterns: vec![format!("{}/{REPORTS}", escape(folder))],
        files: Vec::new(),
    };
    match reporter {
        Reporter::Pytest => pytest(&mut arranged, &report, output, variables),
        Reporter::Nextest => configure_nextest(&mut arranged, folder, &report, output, variables),
        Reporter::Ctest => {
            if let Some(own) = given(&command.args, &["--output-junit"]) {
                arranged.patterns = vec![escape(Path::new(&own))];
            } else {
                let args = ["--output-junit".into(), report.into_os_string()];
                arranged.command.args.splice(0..0, args);
            }
        }
        Reporter::Node => {
            let destination = |place: &str| format!("--test-reporter-destination={place}").into();
            let args = [
                "--test-reporter=spec".into(),
                destination("stdout"),
                "--test-reporter=junit".into(),
                destination(&report.to_string_lossy()),
            ];
            arranged.command.args.splice(0..0, args);
        }
        Reporter::Maven => {
            arranged.patterns = ["surefire", "failsafe"]
                .map(|plugin| format!("**/target/{plugin}-reports/TEST-*.xml"))
                .to_vec();
        }
        Reporter::Gradle => {
            arranged.patterns = vec!["**/build/test-results/**/TEST-*.xml".to_owned()];
        }
    }
    arranged
}

/// By variables, so that it reaches a pytest that make or tox starts.
fn pytest(arranged: &mut Arranged, report: &Path, output: JunitOutput, variables: Variables<'_>) {
    if let Some(own) = given(&arranged.command.args, &["--junitxml", "--junit-xml"]) {
        // The command line wins over the variable.
        arranged.patterns = vec![escape(Path::new(&own))];
        return;
    }
    let flag = format!("--junitxml={}", report.display());
    // pytest leaves all output out of its report unless it is told otherwise.
    let logging = match output {
        JunitOutput::All => " -o junit_logging=all",
        JunitOutput::Failed => " -o junit_logging=all -o junit_log_passing_tests=false",
        JunitOutput::None => "",
    };
    let options = joined(variables(PYTEST_ADDOPTS), " ", &(quote(&flag) + logging));
    let overrides = joined(variables(TOX_OVERRIDE), ";", TOX_PASSES);
    let command = std::mem::take(&mut arranged.command);
    arranged.command = command
        .env(PYTEST_ADDOPTS, options)
        .env(TOX_OVERRIDE, overrides);
}

/// pytest's variable of more options, in a shell's words.
const PYTEST_ADDOPTS: &str = "PYTEST_ADDOPTS";
/// tox 4's variable of settings that win over its configuration.
pub(super) const TOX_OVERRIDE: &str = "TOX_OVERRIDE";
/// tox hides all variables that it is not told to pass on; more of them follow with commas.
pub(super) const TOX_PASSES: &str = "testenv.pass_env+=PYTEST_ADDOPTS";

/// A tool's configuration yields to the repository's: where that names a file, nextest writes
/// that one, below the target folder.
fn configure_nextest(
    arranged: &mut Arranged,
    folder: &Path,
    report: &Path,
    output: JunitOutput,
    variables: Variables<'_>,
) {
    let config = folder.join("nextest.toml");
    let path = report.display().to_string();
    let mut text = format!("[profile.default.junit]\npath = {}\n", toml_string(&path));
    if output == JunitOutput::All {
        text.push_str("store-success-output = true\n");
    }
    let run = nextest::run_word(&arranged.command);
    let args = &mut arranged.command.args;
    let behind = run.map_or(args.len(), |run| run + 1);
    let flag = ["--tool-config-file".into(), {
        let mut value = std::ffi::OsString::from("run-tests:");
        value.push(&config);
        value
    }];
    args.splice(behind..behind, flag);
    let target = given(args, &["--target-dir"]).or_else(|| variables("CARGO_TARGET_DIR"));
    let targets = match target {
        Some(target) => vec![target],
        // The workspace's root is here or above.
        None => (0..8).map(|up| "../".repeat(up) + "target").collect(),
    };
    for target in targets {
        let own = Path::new(&target).join("nextest");
        arranged.patterns.push(format!("{}/*/*.xml", escape(&own)));
    }
    arranged.files.push((config, text));
}

/// A basic string of TOML.
fn toml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The value that a flag has on the command line: `--flag value` or `--flag=value`.
fn given(args: &[std::ffi::OsString], flags: &[&str]) -> Option<String> {
    let mut words = args.iter().map(|arg| arg.to_string_lossy());
    let mut value = None;
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        match word.split_once('=') {
            Some((flag, own)) if flags.contains(&flag) => value = Some(own.to_owned()),
            None if flags.contains(&word.as_ref()) => value = words.next().map(Into::into),
            _ => {}
        }
    }
    value
}

fn joined(first: Option<String>, separator: &str, last: &str) -> String {
    match first {
        Some(first) if !first.is_empty() => format!("{first}{separator}{last}"),
        _ => last.to_owned(),
    }
}

fn escape(path: &Path) -> String {
    glob::Pattern::escape(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arranged(line: &str, variables: &[(&str, &str)]) -> Arranged {
        let mut words = line.split(' ');
        let command = Command::new(words.next().unwrap()).args(words);
        let variable = |name: &str| {
            let found = variables.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let reporter = Reporter::of(&command).unwrap();
        reporter.arrange(&command, Path::new("/t"), JunitOutput::All, variable)
    }

    #[test]
    fn pytest_is_asked_by_a_variable_that_keeps_its_value() {
        let arranged = arranged("pytest -q", &[("PYTEST_ADDOPTS", "-x")]);
        assert_eq!(arranged.command.to_string(), "pytest -q");
        let env = &arranged.command.env;
        assert_eq!(
            env[0].1,
            "-x '--junitxml=/t/report.xml' -o junit_logging=all"
        );
        assert_eq!(env[1].1, "testenv.pass_env+=PYTEST_ADDOPTS");
        assert_eq!(arranged.patterns, ["/t/report*.xml"]);
    }

    #[test]
    fn a_file_that_the_command_names_itself_is_taken() {
        for line in [
            "pytest --junitxml=a[1].xml",
            "pytest --junit-xml a[1].xml x",
        ] {
            let arranged = arranged(line, &[]);
            assert_eq!(arranged.patterns, ["a[[]1[]].xml"]);
            assert!(arranged.command.env.is_empty());
        }
        let ctest = arranged("ctest --output-junit o.xml", &[]);
        assert_eq!(ctest.patterns, ["o.xml"]);
    }

    #[test]
    fn nextest_gets_a_configuration_that_yields_to_the_repositorys() {
        let arranged = arranged(
            "cargo +1.95 nextest run -P ci",
            &[("CARGO_TARGET_DIR", "/o")],
        );
        assert_eq!(
            arranged.command.to_string(),
            "cargo +1.95 nextest run --tool-config-file run-tests:/t/nextest.toml -P ci"
        );
        assert_eq!(arranged.patterns, ["/t/report*.xml", "/o/nextest/*/*.xml"]);
        assert_eq!(
            arranged.files[0].1,
            "[profile.default.junit]\npath = \"/t/report.xml\"\nstore-success-output = true\n"
        );
    }

    #[test]
    fn ctest_and_node_get_flags_and_keep_their_own() {
        assert_eq!(
            arranged("ctest -j2", &[]).command.to_string(),
            "ctest --output-junit /t/report.xml -j2"
        );
        assert_eq!(
            arranged("node --test t/", &[]).command.args,
            [
                "--test-reporter=spec",
                "--test-reporter-destination=stdout",
                "--test-reporter=junit",
                "--test-reporter-destination=/t/report.xml",
                "--test",
                "t/"
            ]
        );
    }
}
