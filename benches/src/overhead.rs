//! What submit-e2e and run-local add to each step of a workflow.

use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::figure::{Figure, median};
use crate::job::Job;
use crate::process::time;

const AT_ONCE: u32 = 10;
const GROUPS: u32 = 10;
const RUNS: usize = 5;

pub(crate) fn measure() -> Outcome<Vec<Figure>> {
    let job = Job::new(&spec()?)?;
    let mut ours = Vec::new();
    let mut plain = Vec::new();
    // One after the other, so that both see the same machine.
    for build in 0..RUNS {
        ours.push(time(&mut job.submit(build)?)? / (AT_ONCE * GROUPS));
        plain.push(plain_processes()? / (AT_ONCE * GROUPS));
    }
    let steps = AT_ONCE * GROUPS;
    let what = format!(
        "submit-e2e and run-local: a step of {steps} × `true`, {AT_ONCE} at a time, median of {RUNS}"
    );
    Ok(vec![
        Figure::milliseconds(what, median(ours)).at_most(10.0),
        Figure::milliseconds("the same processes, just started", median(plain)),
    ])
}

/// Groups of steps that run at once, one group after the other.
fn spec() -> Outcome<String> {
    let mut spec = "  entrypoint: all\n  templates:\n  - name: all\n    steps:\n".to_owned();
    for group in 0..GROUPS {
        let items: Vec<String> = (0..AT_ONCE).map(|item| item.to_string()).collect();
        let items = items.join(", ");
        writeln!(
            spec,
            "    - - {{name: group-{group}, template: step, withItems: [{items}]}}"
        )?;
    }
    spec.push_str("  - name: step\n    container: {image: busybox, command: [\"true\"]}\n");
    Ok(spec)
}

fn plain_processes() -> Outcome<Duration> {
    let start = Instant::now();
    for _ in 0..GROUPS {
        let children = (0..AT_ONCE)
            .map(|_| Command::new("true").spawn())
            .collect::<Result<Vec<_>, _>>()?;
        for mut child in children {
            child.wait()?;
        }
    }
    Ok(start.elapsed())
}
