//! The end of the build log: what a person reads first.

use std::fmt::Write as _;
use std::time::Duration;

use common::bucket::Outcome;
use common::junit::FailedTest;
use common::workflow::Phase;

use crate::engine::StepEnd;
use crate::verdict::{Evidence, JUnitFile};

/// How many failed tests are named, and how many JUnit files that cannot be read.
const NAMED: usize = 20;

/// Verdict, workflows, failed steps with the command that runs each again, failed tests, and
/// where the results are.
pub(crate) fn summary(outcome: Outcome, evidence: &Evidence, place: &str) -> String {
    let mut text = format!("{}: {}\n", outcome.as_str(), headline(evidence));
    for end in &evidence.workflows {
        let took = duration(end.took);
        line(
            &mut text,
            1,
            format!("workflow {}: {} after {took}", end.entry, end.phase),
        );
        // With a failed step it only says that there is one.
        if end.failed.is_empty() && !end.message.is_empty() {
            line(&mut text, 2, &end.message);
        }
        for step in &end.failed {
            failed_step(&mut text, step);
        }
        for (what, place) in &end.links {
            line(&mut text, 2, format!("{what}: {place}"));
        }
    }
    failed_tests(&mut text, &evidence.junit);
    for problem in evidence.problems() {
        line(&mut text, 1, "error:");
        for part in problem.report().lines() {
            line(&mut text, 2, part);
        }
    }
    line(&mut text, 1, format!("results: {place}"));
    text.truncate(text.trim_end().len());
    text
}

fn headline(evidence: &Evidence) -> String {
    let count = evidence.workflows.len();
    let bad = (evidence.workflows.iter()).filter(|end| end.phase != Phase::Succeeded);
    let bad: Vec<_> = bad.map(|end| end.entry.as_str()).collect();
    let failed_files = evidence.junit.iter().filter(|file| !file.passed()).count();
    if !bad.is_empty() {
        format!(
            "{} of {count} workflows did not succeed: {}",
            bad.len(),
            bad.join(", ")
        )
    } else if evidence.problems().next().is_some() {
        "the job could not do its work".to_owned()
    } else if failed_files > 0 {
        format!("every workflow succeeded, but {failed_files} JUnit files tell of failures")
    } else if count == 0 {
        "no workflow is called for by this change".to_owned()
    } else {
        format!("{count} of {count} workflows succeeded")
    }
}

fn failed_step(text: &mut String, step: &StepEnd) {
    let mut what = format!("step {}: {}", step.name, step.phase);
    if !step.message.is_empty() {
        what = format!("{what}: {}", step.message);
    }
    line(text, 2, what);
    for reason in step.reasons.iter().take(NAMED) {
        line(text, 3, format!("reason: {reason}"));
    }
    if !step.last_lines.is_empty() {
        line(text, 3, "its last lines:");
    }
    for last in &step.last_lines {
        line(text, 4, last);
    }
    if let Some(logs) = &step.logs {
        line(text, 3, format!("logs: {logs}"));
    }
    if let Some(command) = &step.again {
        line(text, 3, format!("to run it again: {command}"));
    }
}

fn failed_tests(text: &mut String, files: &[JUnitFile]) {
    let mut named = 0;
    let mut more = 0;
    let mut unreadable = 0;
    for file in files {
        match &file.summary {
            Err(error) => {
                if unreadable < NAMED {
                    line(text, 1, error.report().replace('\n', " "));
                }
                unreadable += 1;
            }
            Ok(summary) => {
                let known: u64 = summary.failures + summary.errors;
                let mut told: u64 = 0;
                for test in &summary.failed {
                    if named < NAMED {
                        line(text, 1, format!("test {}", described(test)));
                        named += 1;
                        told += 1;
                    }
                }
                more += known.saturating_sub(told);
            }
        }
    }
    if more > 0 {
        let what = format!("{more} more failed tests are in the JUnit files");
        line(text, 1, what);
    }
    if unreadable > NAMED {
        let more = unreadable - NAMED;
        line(text, 1, format!("{more} more JUnit files cannot be read"));
    }
}

fn described(test: &FailedTest) -> String {
    let parts = [&test.suite, &test.classname, &test.name];
    let mut name: Vec<&str> = parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(String::as_str)
        .collect();
    // Writers repeat the suite as the class.
    name.dedup();
    let message = test.message.lines().next().unwrap_or_default();
    if message.is_empty() {
        format!("{} failed", name.join(" "))
    } else {
        format!("{} failed: {message}", name.join(" "))
    }
}

fn line(text: &mut String, depth: usize, what: impl AsRef<str>) {
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{:1$}{2}",
        "",
        2 * (depth - 1),
        common::on_one_line(what.as_ref())
    );
}

/// Tenths matter for a short workflow only.
fn duration(took: Duration) -> String {
    if took < Duration::from_mins(1) {
        format!("{:.1}s", took.as_secs_f64())
    } else {
        humantime::format_duration(Duration::from_secs(took.as_secs())).to_string()
    }
}

#[cfg(test)]
mod tests;
