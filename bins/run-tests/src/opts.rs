//! What was typed, and the variables behind it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::shard::Shard;

const EXAMPLES: &str = "\
EXAMPLES:
    # The unit tests of a Rust project; the report goes to $ARTIFACTS.
    run-tests --target-name unit-tests --timeout 30m -- cargo test --workspace

    # A script that speaks TAP.
    run-tests --artifacts-dir out --format tap -- ./tests/run.sh

    # pytest, nextest, CTest, Node's test runner, Maven and Gradle are asked for JUnit.
    run-tests --artifacts-dir out -- pytest -n 4 tests

    # The same where pytest is started by something else.
    run-tests --artifacts-dir out --format pytest -- make test

    # Any other tool that writes JUnit itself.
    run-tests --artifacts-dir out --junit-from 'reports/*.xml' -- npx jest --ci

    # The second of four machines, with the durations of yesterday's report.
    run-tests --artifacts-dir out --shard 2/4 --shard-durations old.xml -- go test ./...

    # Go; what failed is run up to twice more, what hangs says where.
    run-tests --artifacts-dir out --rerun-fails 2 --test-timeout 5m -- go test ./...

    # Any other command: one test, which passes when the command exits with 0.
    run-tests --artifacts-dir out --target-name lint -- make lint

EXIT CODES:
    0 all tests passed; 1 a test failed, or nobody can tell that none did; 2 wrong usage;
    124 out of time; 130, 143 interrupted";

/// Runs a test command, shows its output live and turns what it says into a JUnit file. Green
/// only when the exit code and the results agree that all is well.
#[derive(Debug, clap::Parser)]
#[command(after_help = EXAMPLES)]
pub struct Opts {
    /// Folder for the JUnit file; made if it is missing.
    #[arg(long, value_name = "DIR", env = common::env::ARTIFACTS, alias = "artifacts_dir")]
    pub artifacts_dir: Option<PathBuf>,

    /// JUnit file to write, below the artifacts folder [default: `junit_{target name}.xml`, in a
    /// workflow `junit_{workflow}/junit_{target name}.xml`].
    #[arg(long, value_name = "FILE", alias = "junitfile")]
    pub junit: Option<PathBuf>,

    /// What the command speaks.
    #[arg(long, value_enum, default_value_t = FormatName::Auto)]
    pub format: FormatName,

    /// JUnit files that the command writes: a path, or a pattern with `*`, `?` and `**`.
    /// Implies `--format junit`. May be repeated.
    #[arg(long, value_name = "GLOB", alias = "junit_from")]
    pub junit_from: Vec<String>,

    /// What becomes of several JUnit files of the command.
    #[arg(long, value_enum, default_value_t = JunitFiles::Merged, alias = "junit_files")]
    pub junit_files: JunitFiles,

    /// Of which tests the report has the output. What passed tests said is known as far as the
    /// tool prints it: for `cargo test` add `-- --show-output`.
    #[arg(long, value_enum, default_value_t = JunitOutput::Failed, alias = "junit_output")]
    pub junit_output: JunitOutput,

    /// File for the whole output, below the artifacts folder [default: the JUnit file's name
    /// with `.log`, beside it].
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,

    /// Shows the target's name before each line of the output.
    #[arg(long, alias = "prefix_output")]
    pub prefix_output: bool,

    /// The workflow that this run is part of, the same name in every run.
    #[arg(long, value_name = "NAME", env = common::env::WORKFLOW_NAME)]
    pub workflow: Option<String>,

    /// What tests are called, of `{workflow}`, `{target}`, `{suite}`, `{class}` and `{test}`
    /// [default: `{workflow}/{test}` in a workflow, else `{test}`].
    #[arg(long, value_name = "TEMPLATE", alias = "name_template")]
    pub name_template: Option<String>,

    /// Runs the I-th of N parts of the tests, each test being in exactly one: for `go test`,
    /// `cargo test`, nextest and pytest.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,

    /// How long tests took before, so that all parts take the same time: JUnit of an earlier
    /// run, or lines of `SECONDS NAME`. May be repeated; each part needs the same ones.
    #[arg(
        long,
        value_name = "FILE",
        requires = "shard",
        alias = "shard_durations"
    )]
    pub shard_durations: Vec<PathBuf>,

    /// Variables whose values are masked in output, log and report, beside those whose names
    /// say so: `…_TOKEN`, `…_PASSWORD`, `…_SECRET`, `…_API_KEY` and others.
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        env = common::env::SECRET_VARIABLES,
        alias = "secret_env"
    )]
    pub secret_env: Vec<String>,

    /// Files and folders whose content is masked, beside the secrets that Kubernetes mounted.
    #[arg(
        long,
        value_name = "PATH",
        value_delimiter = ':',
        env = common::env::SECRET_PATHS,
        alias = "secret_path"
    )]
    pub secret_path: Vec<PathBuf>,

    /// Name that the tests report as: the class of each [default: the command's name].
    #[arg(long, value_name = "NAME", env = common::env::TEST_TARGET_NAME, alias = "target_name")]
    pub target_name: Option<String>,

    /// Time limit of the whole command, such as 30m or 1h 15m [default: none].
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub timeout: Option<Duration>,

    /// Time limit of each test, where it is told when a test starts: by Go, pytest, and cargo's
    /// JSON. A test that runs longer ends the command; a run of tests whose start nobody told
    /// is red.
    #[arg(
        long,
        value_name = "TIME",
        value_parser = humantime::parse_duration,
        alias = "test_timeout"
    )]
    pub test_timeout: Option<Duration>,

    /// Runs failed tests again, up to N times, 2 without N, until they pass; for tools that can
    /// pick tests: `go test`, which runs a subtest's whole test again, `cargo test`, nextest,
    /// pytest. A test that then passes is reported as flaky. No test is left out for a failure
    /// of another one: `-failfast`, `-x` and the like are refused.
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        default_value_t = 0,
        default_missing_value = "2",
        alias = "rerun_fails"
    )]
    pub rerun_fails: u32,

    /// Runs nothing again where more tests than this failed: that is no flake.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 10,
        alias = "rerun_fails_max_failures"
    )]
    pub rerun_fails_max_failures: u64,

    /// What a flaky test means for the exit code.
    #[arg(long, value_enum, default_value_t = Flaky::Pass)]
    pub flaky: Flaky,

    /// How long the command may take to end once it has been asked to, before it is killed.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        value_parser = humantime::parse_duration,
        alias = "grace_period"
    )]
    pub grace_period: Duration,

    /// Accepts a command that ran no test at all.
    #[arg(long, alias = "allow_empty")]
    pub allow_empty: bool,

    /// Prints what would be done, and does nothing.
    #[arg(long, alias = "dry_run")]
    pub dry_run: bool,

    /// The command and its arguments, behind `--`.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// What a test command speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FormatName {
    /// Decided by the first lines that are recognised, else as `command`.
    Auto,
    /// `go test -json`.
    Go,
    /// `cargo test`, as people read it, and libtest's JSON.
    Cargo,
    /// The command ends in pytest, however it is started: JUnit is asked for by a variable.
    Pytest,
    /// TAP 13 or 14, which Bats speaks too.
    #[value(alias = "bats")]
    Tap,
    /// The command writes JUnit itself, see --junit-from.
    Junit,
    /// The whole command is one test.
    Command,
}

impl std::fmt::Display for FormatName {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            FormatName::Auto => "auto",
            FormatName::Go => "go",
            FormatName::Cargo => "cargo",
            FormatName::Pytest => "pytest",
            FormatName::Tap => "tap",
            FormatName::Junit => "junit",
            FormatName::Command => "command",
        })
    }
}

/// What a test that failed and passed when it was run again means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Flaky {
    /// It is reported, and is no failure.
    Pass,
    /// It is a failure.
    Fail,
}

/// What becomes of several JUnit files of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum JunitFiles {
    /// One report of all.
    Merged,
    /// A report for each, beside the one for the command itself.
    Apart,
}

/// Of which tests the report has the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum JunitOutput {
    /// Of all.
    All,
    /// Of those that failed.
    #[default]
    Failed,
    /// Of none: messages only.
    None,
}
