//! How long `submit-e2e plan` takes beyond what git itself needs.

use std::fmt::Write;
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::figure::{Figure, median};
use crate::job::Job;
use crate::process::time;

const ENTRIES: usize = 70;
const FILES: usize = 5000;
const RUNS: usize = 9;

pub(crate) fn measure() -> Outcome<Vec<Figure>> {
    let job = Job::new("  entrypoint: a\n  templates: []\n")?;
    let config = config()?;
    let lines = config.lines().count();
    job.write("prow_config.yaml", &config)?;
    let git = |args: &[&str]| -> Outcome<Command> {
        let mut git = Command::new("git");
        git.arg("-C").arg(job.repository()).args(args);
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_NAME"), "Bench");
            git.env(format!("GIT_{role}_EMAIL"), "bench@example.com");
        }
        Ok(git)
    };
    let commit = |name: &str| -> Outcome<()> {
        time(&mut git(&["add", "--all"])?)?;
        time(&mut git(&["commit", "--quiet", "--message", name])?)?;
        time(&mut git(&["branch", name])?)?;
        Ok(())
    };
    time(&mut git(&["init", "--quiet"])?)?;
    commit("base")?;
    for file in 0..FILES {
        let name = format!("components/part-{}/src/file-{file}.go", file % 50);
        job.write(&name, "package part\n")?;
    }
    commit("change")?;
    let (mut plan, mut own) = (Vec::new(), Vec::new());
    // One after the other, so that both see the same machine.
    for build in 0..RUNS {
        let mut command = job.command(build, &["plan"])?;
        command
            .env("JOB_TYPE", "presubmit")
            .env("PULL_NUMBER", "1")
            .env("PULL_BASE_REF", "base");
        plan.push(time(&mut command)?);
        own.push(of_git(&git)?);
    }
    let (plan, own) = (median(plan), median(own));
    let what = format!(
        "`submit-e2e plan` of {ENTRIES} entries in {lines} lines and a change of {FILES} files, \
         beyond git's own time, median of {RUNS}"
    );
    Ok(vec![
        Figure::milliseconds(what, plan.saturating_sub(own)).at_most(100.0),
        Figure::milliseconds("git's own time of that", own),
    ])
}

/// The same questions, asked of git alone.
fn of_git(git: &impl Fn(&[&str]) -> Outcome<Command>) -> Outcome<Duration> {
    let questions: [&[&str]; 3] = [
        &[
            "rev-parse",
            "--quiet",
            "--verify",
            "refs/heads/base^{commit}",
        ],
        &["merge-base", "HEAD", "base"],
        &[
            "diff",
            "--name-only",
            "--no-renames",
            "-z",
            "base",
            "HEAD",
            "--",
        ],
    ];
    let mut sum = Duration::ZERO;
    for question in questions {
        sum += time(&mut git(question)?)?;
    }
    Ok(sum)
}

/// As many patterns as real entries have; none of those matches.
fn config() -> Outcome<String> {
    let mut config = "workflows:\n".to_owned();
    for entry in 0..ENTRIES {
        writeln!(
            config,
            "- name: entry-{entry}\n  manifest: workflow.yaml\n  job_types:\n  - presubmit\n  \
             include_dirs:\n  - releasing/version/*\n  - components/other-{entry}/*\n  - '*/docs-{entry}/*.md'"
        )?;
    }
    Ok(config)
}
