//! run-tests against gotestsum, on one recorded stream of `go test -json`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::figure::{Figure, median};
use crate::process::{binary, cost, time};

const PACKAGES: usize = 100;
const TESTS: usize = 20_000;
/// A stream's length in lines: each test has 13.
const LINES: usize = 13 * TESTS;
const RUNS: usize = 5;
/// The peer's program; `make bench` installs it and sets this variable.
const GOTESTSUM: &str = "GOTESTSUM";

pub(crate) fn measure() -> Outcome<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let peer = std::env::var_os(GOTESTSUM)
        .map(PathBuf::from)
        .ok_or("GOTESTSUM is not set: run `make bench`")?;
    let streams = Streams {
        short: folder.path().join("short"),
        long: folder.path().join("long"),
        report: folder.path().join("junit.xml"),
    };
    write(&streams.short, 1)?;
    write(&streams.long, 10)?;
    let (mut ours, mut theirs, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    // In turns, so that both see the same machine.
    for _ in 0..RUNS {
        ours.push(time(&mut run_tests(&streams.short, &streams)?)?);
        theirs.push(time(&mut gotestsum(&peer, &streams.short, &streams))?);
        plain.push(time(Command::new("cat").arg(&streams.short))?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let memory = cost(&mut run_tests(&streams.short, &streams)?)?.peak("run-tests")?;
    let of_long = cost(&mut run_tests(&streams.long, &streams)?)?.peak("run-tests")?;
    let of_peer = cost(&mut gotestsum(&peer, &streams.short, &streams))?.peak("gotestsum")?;
    let what = format!("{TESTS} tests in {LINES} lines of `go test -json`");
    let more = |base: u64, factor: f64| megabytes(base) * factor;
    Ok(vec![
        Figure::milliseconds(format!("run-tests, {what}, median of {RUNS}"), ours),
        Figure::milliseconds("gotestsum, the same stream", theirs),
        Figure::milliseconds("`cat`, the same stream", median(plain)),
        Figure::new("gotestsum / run-tests, by time", ratio(theirs, ours), "×").at_least(4.0),
        Figure::megabytes("peak memory of run-tests", memory).at_most(megabytes(of_peer)),
        Figure::megabytes("peak memory of gotestsum", of_peer),
        Figure::megabytes("peak memory of run-tests, ten times the stream", of_long)
            .at_most(more(memory, 1.25)),
        overhead()?,
    ])
}

struct Streams {
    short: PathBuf,
    long: PathBuf,
    report: PathBuf,
}

fn run_tests(stream: &Path, streams: &Streams) -> Outcome<Command> {
    let mut command = Command::new(binary("run-tests")?);
    command.arg("--junit").arg(&streams.report);
    command.args(["--format", "go", "--", "cat"]).arg(stream);
    Ok(command)
}

fn gotestsum(program: &Path, stream: &Path, streams: &Streams) -> Command {
    let mut command = Command::new(program);
    command.args(["--raw-command", "--junitfile"]);
    command.arg(&streams.report).args(["--", "cat"]).arg(stream);
    command
}

/// What run-tests adds to a command that says nothing. Its report lies in memory: how long a
/// disk takes to replace a file is the disk's.
fn overhead() -> Outcome<Figure> {
    let folder = tempfile::tempdir_in("/dev/shm")?;
    let report = folder.path().join("junit_true.xml");
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let mut command = Command::new(binary("run-tests")?);
        ours.push(time(
            command.arg("--junit").arg(&report).args(["--", "true"]),
        )?);
        plain.push(time(&mut Command::new("true"))?);
    }
    let added = median(ours).saturating_sub(median(plain));
    Ok(Figure::milliseconds("run-tests adds to `true`, median of 20", added).at_most(10.0))
}

/// Writes a stream as Go's own tools do: packages one after the other, each test with its
/// log lines and its end; one test in a hundred is skipped.
fn write(path: &Path, times: usize) -> Outcome<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for package in 0..PACKAGES * times {
        let name = format!("github.com/example/project/pkg/widget{package:04}");
        event(&mut out, "start", &name, "")?;
        for test in 0..TESTS / PACKAGES {
            let test = format!("TestReconcile/case_{test:03}");
            let of_test = format!(r#","Test":"{test}""#);
            event(&mut out, "run", &name, &of_test)?;
            let output = |text: &str| format!(r#"{of_test},"Output":"{text}\n""#);
            event(
                &mut out,
                "output",
                &name,
                &output(&format!("=== RUN   {test}")),
            )?;
            for line in 0..9 {
                let said = format!("    widget_test.go:{line}: \\\"object\\\" in step {line}");
                event(&mut out, "output", &name, &output(&said))?;
            }
            event(
                &mut out,
                "output",
                &name,
                &output(&format!("--- PASS: {test} (0.00s)")),
            )?;
            event(
                &mut out,
                "pass",
                &name,
                &format!(r#"{of_test},"Elapsed":0.01"#),
            )?;
        }
        let summary = format!(r#","Output":"ok  \t{name}\t1.234s\n""#);
        event(&mut out, "output", &name, &summary)?;
        event(&mut out, "pass", &name, r#","Elapsed":1.234"#)?;
    }
    out.flush()?;
    Ok(())
}

fn event(out: &mut impl Write, action: &str, package: &str, rest: &str) -> std::io::Result<()> {
    let time = "2026-01-02T03:04:05.678901234Z";
    writeln!(
        out,
        r#"{{"Time":"{time}","Action":"{action}","Package":"{package}"{rest}}}"#
    )
}

fn ratio(more: Duration, less: Duration) -> f64 {
    more.as_secs_f64() / less.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "sizes here are far below 2⁵³")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_as_long_as_the_figures_say() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stream");
        write(&path, 1).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), LINES + 3 * PACKAGES);
        assert!(
            (46_000_000..52_000_000).contains(&text.len()),
            "{}",
            text.len()
        );
    }
}
