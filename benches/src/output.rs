//! A step that prints a gibibyte: memory, speed, and whether the log is complete.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::figure::Figure;
use crate::job::Job;
use crate::process::{cost, time};

/// 64 bytes with its newline, as the log lines of a test are.
const LINE: &str = "ok  	github.com/example/project/pkg/controller/widget	0.123s 01";
const BYTES: u64 = 1 << 30;
const LINES: u64 = BYTES / 64;
const LIMIT_MEGABYTES: f64 = 40.0;

pub(crate) fn measure() -> Outcome<Vec<Figure>> {
    let job = Job::new(&spec())?;
    let whole = cost(&mut job.submit(1)?)?;
    let ours = whole.time;
    let log = job.results(1).join("build-log.txt");
    let lost = LINES.abs_diff(count_lines(&log)?);
    let peer = peer(&log.with_file_name("peer.txt"))?;
    let mut figures = Vec::new();
    for name in ["submit-e2e", "run-local"] {
        let peak = whole.peak(name)?;
        let what = format!("peak memory of `{name}`, a step prints 1 GiB");
        figures.push(Figure::megabytes(what, peak).at_most(LIMIT_MEGABYTES));
    }
    figures.extend([
        lines("lines of it that are not in build-log.txt", lost).at_most(0.0),
        Figure::new("its speed from step to bucket", rate(ours), "MB/s"),
        Figure::new("the same lines through `tee FILE`", rate(peer), "MB/s"),
    ]);
    Ok(figures)
}

fn spec() -> String {
    let script = printing();
    let template = format!("container: {{image: busybox, command: [sh, -c, {script:?}]}}");
    format!("  entrypoint: print\n  templates:\n  - name: print\n    {template}\n")
}

/// A shell command that prints the gibibyte.
fn printing() -> String {
    format!("yes '{LINE}' | head -c {BYTES}")
}

fn peer(file: &Path) -> Outcome<Duration> {
    let script = format!("{} | tee \"$0\"", printing());
    let taken = time(Command::new("sh").args(["-c", &script]).arg(file))?;
    std::fs::remove_file(file)?;
    Ok(taken)
}

/// Counts the lines that end in ours; what is put before them does not matter here.
fn count_lines(log: &Path) -> Outcome<u64> {
    let file = File::open(log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut line = Vec::new();
    let mut count = 0;
    while reader.read_until(b'\n', &mut line)? > 0 {
        count += u64::from(line.trim_ascii_end().ends_with(LINE.as_bytes()));
        line.clear();
    }
    Ok(count)
}

#[expect(clippy::cast_precision_loss, reason = "a few million lines")]
fn lines(what: &str, count: u64) -> Figure {
    Figure::new(what, count as f64, "lines")
}

#[expect(clippy::cast_precision_loss, reason = "a power of two")]
fn rate(time: Duration) -> f64 {
    BYTES as f64 / 1e6 / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_long_as_the_count_of_lines_takes_it_to_be() {
        assert_eq!(LINE.len() + 1, 64);
    }

    #[test]
    fn only_whole_lines_of_ours_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        std::fs::write(&log, format!("step: {LINE}\n{LINE}x\nother\n{LINE}")).unwrap();
        assert_eq!(count_lines(&log).unwrap(), 2);
    }
}
