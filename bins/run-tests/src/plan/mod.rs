//! What will be done, checked, as data.

mod places;
mod show;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::exec::Command;
use common::redact::Sources;
use common::{Error, Result};

use self::places::{junit_file, log_file, prefix};
use crate::again::{self, Pytest};
use crate::naming::Naming;
use crate::opts::{Flaky, FormatName, JunitFiles, JunitOutput, Opts};
use crate::reporter::Reporter;
use crate::shard::Sharding;
use crate::tool::{self, Tool};

pub(crate) use self::places::file_name;

/// One run of a test command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// What to run, with what makes the tool speak the format.
    pub(crate) command: Command,
    /// What runs without that: the command as it was given, or its part of the tests.
    pub(crate) typed: Command,
    /// The command as it was given.
    pub(crate) given: Command,
    /// The tool that it starts.
    pub(crate) tool: Tool,
    /// The tool whose own JUnit is asked for and read.
    pub(crate) reporter: Option<Reporter>,
    /// Name that the tests report as.
    pub(crate) target: String,
    /// What tests are called.
    pub(crate) naming: Naming,
    /// The workflow that this run is part of.
    pub(crate) workflow: Option<String>,
    /// What the command speaks.
    pub(crate) format: FormatName,
    /// Where the JUnit file goes; `None`: none is written.
    pub(crate) junit: Option<PathBuf>,
    /// Patterns of the JUnit files that the command writes.
    pub(crate) junit_from: Vec<String>,
    /// What becomes of several of them.
    pub(crate) junit_files: JunitFiles,
    /// Of which tests the report has the output.
    pub(crate) junit_output: JunitOutput,
    /// Where the whole output goes.
    pub(crate) log: Option<PathBuf>,
    /// What is shown before each line of the output.
    pub(crate) prefix: Option<String>,
    /// Which part of the tests runs.
    pub(crate) sharding: Option<Sharding>,
    /// Where secrets are that must not be shown.
    pub(crate) secrets: Sources,
    /// Time limit of the command.
    pub(crate) timeout: Option<Duration>,
    /// Time limit of each test.
    pub(crate) test_timeout: Option<Duration>,
    /// How often failed tests are run again.
    pub(crate) rerun_fails: u32,
    /// With how many failures they are.
    pub(crate) rerun_fails_max_failures: u64,
    /// The private folder of the tool that is asked for JUnit; known when it is there.
    pub(crate) reports: Option<PathBuf>,
    /// Where a pytest says which of its tests run; known when that folder is there.
    pub(crate) watched: Option<PathBuf>,
    /// How pytest runs tests again; known when its folder is there.
    pub(crate) pytest: Option<Pytest>,
    /// What flaky tests mean.
    pub(crate) flaky: Flaky,
    /// Time between asking the command to end and killing it.
    pub(crate) grace: Duration,
    /// Whether no test at all is fine.
    pub(crate) allow_empty: bool,
}

impl Plan {
    /// Checks what was typed.
    pub(crate) fn new(opts: Opts) -> Result<Plan> {
        let mut words = opts.command.into_iter();
        let program = words.next().unwrap_or_default();
        if program.is_empty() {
            return Err(Error::usage("the command behind -- has no name"));
        }
        for (flag, limit) in [
            ("--timeout", opts.timeout),
            ("--test-timeout", opts.test_timeout),
        ] {
            if limit.is_some_and(|limit| limit.is_zero()) {
                return Err(
                    Error::usage(format!("{flag} is 0: nothing could even start"))
                        .hint("leave the flag out for no limit"),
                );
            }
        }
        let target = match opts.target_name {
            Some(name) => name,
            None => Path::new(&program)
                .file_name()
                .map_or_else(|| "tests".to_owned(), |name| name.to_string_lossy().into()),
        };
        let command = Command::new(program).args(words).merge_output().guarded();
        let tool = Tool::of(&command);
        let (format, reporter) = format(opts.format, &opts.junit_from, tool, &command)?;
        let sharding = match opts.shard {
            Some(shard) => Some(Sharding::new(
                shard,
                opts.shard_durations,
                tool,
                reporter,
                &command,
            )?),
            None => None,
        };
        let whole = if opts.rerun_fails > 0 {
            again::first(tool, reporter, &command)?
        } else {
            command.clone()
        };
        if opts.test_timeout.is_some() {
            can_time_tests(format, tool, reporter, &command)?;
        }
        let artifacts = opts.artifacts_dir.as_deref();
        let junit = junit_file(artifacts, opts.junit, &target, opts.workflow.as_deref())?;
        let naming = Naming::new(opts.name_template.as_deref(), opts.workflow.as_deref())?;
        Ok(Plan {
            log: log_file(artifacts, opts.log, junit.as_deref())?,
            junit,
            reporter,
            naming,
            workflow: opts.workflow,
            junit_files: opts.junit_files,
            junit_output: opts.junit_output,
            prefix: opts.prefix_output.then(|| prefix(&target)),
            sharding,
            secrets: Sources {
                variables: opts.secret_env,
                paths: opts.secret_path,
            },
            typed: whole.clone(),
            given: command,
            command: tool.prepare(whole, format),
            format,
            tool,
            test_timeout: opts.test_timeout,
            rerun_fails: opts.rerun_fails,
            rerun_fails_max_failures: opts.rerun_fails_max_failures,
            reports: None,
            watched: None,
            pytest: None,
            flaky: opts.flaky,
            target,
            junit_from: opts.junit_from,
            timeout: opts.timeout,
            grace: opts.grace_period,
            allow_empty: opts.allow_empty,
        })
    }
}

/// What the command speaks, and which tool is asked for JUnit.
fn format(
    format: FormatName,
    junit_from: &[String],
    tool: Tool,
    command: &Command,
) -> Result<(FormatName, Option<Reporter>)> {
    if !junit_from.is_empty() {
        return match format {
            FormatName::Auto | FormatName::Junit => Ok((FormatName::Junit, None)),
            _ => Err(Error::usage(format!(
                "--junit-from goes with --format junit, not with --format {format}"
            ))),
        };
    }
    match (format, Reporter::of(command)) {
        (FormatName::Auto, Some(reporter)) if tool == Tool::Other => {
            Ok((FormatName::Junit, Some(reporter)))
        }
        (FormatName::Auto, _) => Ok((tool.format(), None)),
        (FormatName::Pytest, _) => Ok((FormatName::Pytest, Some(Reporter::Pytest))),
        (FormatName::Junit, Some(reporter)) => Ok((FormatName::Junit, Some(reporter))),
        (FormatName::Junit, None) => Err(Error::usage(
            "--format junit needs --junit-from: which files does the command write?",
        )),
        (format, _) => Ok((format, None)),
    }
}

/// Refuses a limit that nobody could keep. What `Auto` turns out to be is seen at the end.
fn can_time_tests(
    format: FormatName,
    tool: Tool,
    reporter: Option<Reporter>,
    command: &Command,
) -> Result<()> {
    let (who, hint) = match (format, reporter) {
        (_, Some(Reporter::Pytest)) => return Ok(()),
        (_, Some(reporter)) => (
            format!("{reporter} does"),
            "limit the whole command with --timeout, or each test by the tool's own settings",
        ),
        (FormatName::Cargo, None) if tool == Tool::Cargo && !tool::speaks_json(command) => (
            "`cargo test` without libtest's JSON does".to_owned(),
            "add -- -Z unstable-options --format json on a nightly toolchain, or limit the whole \
             command with --timeout",
        ),
        (FormatName::Auto | FormatName::Go | FormatName::Cargo, None) => return Ok(()),
        (format, None) => (
            format!("--format {format} does"),
            "limit the whole command with --timeout",
        ),
    };
    let needs = "--test-timeout needs to know when a test starts, which";
    Err(Error::usage(format!("{needs} {who} not tell")).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, FromArgMatches};

    fn plan(args: &[&str]) -> Result<Plan> {
        let words = std::iter::once("run-tests").chain(args.iter().copied());
        // These tests may run as a step themselves, with variables of their own.
        let command = Opts::command().mut_args(|arg| arg.env(None::<&str>));
        let matches = command.try_get_matches_from(words).unwrap();
        Plan::new(Opts::from_arg_matches(&matches).unwrap())
    }

    fn refused(args: &[&str]) -> String {
        plan(args).unwrap_err().report()
    }

    #[test]
    fn the_junit_file_is_named_after_the_target_or_the_command() {
        let junit = |args| plan(args).unwrap().junit;
        let file = |name: &str| Some(PathBuf::from(name));
        assert_eq!(
            junit(&["--artifacts-dir", "out", "--", "/usr/bin/make", "test"]),
            file("out/junit_make.xml")
        );
        assert_eq!(
            junit(&[
                "--artifacts-dir",
                "/a",
                "--target-name",
                "../e/t s",
                "--",
                "x"
            ]),
            file("/a/junit_..-e-t-s.xml")
        );
        assert_eq!(
            junit(&[
                "--artifacts-dir",
                "/a",
                "--junit",
                "wf/junit_a.xml",
                "--",
                "x"
            ]),
            file("/a/wf/junit_a.xml")
        );
        // Two workflows of a job may have a step of the same name.
        assert_eq!(
            junit(&["--artifacts-dir", "/a", "--workflow", "a/b", "--", "x"]),
            file("/a/junit_a-b/junit_x.xml")
        );
        assert_eq!(junit(&["--junit", "j.xml", "--", "x"]), file("j.xml"));
        assert_eq!(junit(&["--", "x"]), None);
    }

    #[test]
    fn a_junit_file_that_would_leave_the_artifacts_is_refused() {
        for file in ["../j.xml", "a/../../j.xml", "..", "/a/../etc/j.xml", "/"] {
            let report = refused(&["--artifacts-dir", "/a", "--junit", file, "--", "x"]);
            assert!(
                report.contains("would leave the artifacts folder"),
                "{report}"
            );
        }
    }

    #[test]
    fn junit_from_makes_the_format_junit_and_contradicts_the_others() {
        let format = plan(&["--junit-from", "a.xml", "--", "x"]).unwrap().format;
        assert_eq!(format, FormatName::Junit);
        assert!(refused(&["--format", "junit", "--", "x"]).contains("needs --junit-from"));
        assert!(
            refused(&["--format", "tap", "--junit-from", "a.xml", "--", "x"])
                .contains("not with --format tap")
        );
    }

    #[test]
    fn a_limit_of_each_test_is_refused_where_nobody_could_keep_it() {
        let of = |line: &str| {
            let args: Vec<&str> = line.split(' ').collect();
            plan(&[&["--test-timeout", "1s"], &args[..]].concat())
        };
        for line in [
            "-- pytest",
            "--format pytest -- make",
            "-- go test",
            "-- make test",
            "-- cargo test -- -Z unstable-options --format json",
        ] {
            assert!(of(line).is_ok(), "{line}");
        }
        for (line, who) in [
            (
                "-- cargo test",
                "`cargo test` without libtest's JSON does not tell",
            ),
            ("-- cargo nextest run", "nextest does not tell"),
            ("--format tap -- x", "--format tap does not tell"),
            ("--junit-from a.xml -- x", "--format junit does not tell"),
        ] {
            let report = of(line).unwrap_err().report();
            assert!(report.contains(who), "{report}");
        }
    }

    #[test]
    fn failed_tests_run_again_twice_where_no_number_is_given() {
        let times = |flags: &[&str]| plan(&[flags, &["--", "go", "test"]].concat());
        let times = |flags| times(flags).unwrap().rerun_fails;
        assert_eq!(times(&["--rerun-fails"]), 2);
        assert_eq!(times(&["--rerun-fails=1", "--junitfile", "j.xml"]), 1);
        assert_eq!(times(&["--rerun-fails", "5", "--flaky", "fail"]), 5);
        assert_eq!(times(&[]), 0);
    }

    #[test]
    fn what_could_never_run_is_refused() {
        assert!(refused(&["--timeout", "0s", "--", "x"]).contains("--timeout is 0"));
        assert!(refused(&["--", ""]).contains("has no name"));
    }
}
