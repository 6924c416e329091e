//! How long the workflows of many Python functions take, against one Python after the other.

use std::fmt::Write;
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::figure::{Figure, median};
use crate::job::Job;
use crate::process::{cost, time};

const FUNCTIONS: usize = 60;
const RUNS: usize = 3;

/// A function as real ones are: a graph of some tasks, by a module that others use as well.
const MODULE: &str = "import argparse, datetime, json, logging, os, random, re, string, tempfile, urllib.parse, uuid\n
def create_workflow(name=None, namespace=None, bucket=None, **kwargs):
    salt = ''.join(random.choice(string.ascii_lowercase) for _ in range(4))
    templates = [{'name': 'step-%d' % n, 'activeDeadlineSeconds': 3000, 'container': {
        'image': 'registry.example.com/worker:v1', 'command': ['make', 'step-%d' % n],
        'env': [{'name': 'V%d' % v, 'value': salt} for v in range(20)]}} for n in range(10)]
    tasks = [{'name': t['name'], 'template': t['name']} for t in templates]
    return {'apiVersion': 'argoproj.io/v1alpha1', 'kind': 'Workflow', 'metadata': {'name': name},
            'spec': {'entrypoint': 'all', 'templates': templates + [{'name': 'all', 'dag': {'tasks': tasks}}]}}
";

/// What a runner of a Python for each function would do.
const ONE: &str = "import importlib, json, sys
sys.path.insert(0, sys.argv[1])
print(json.dumps(importlib.import_module(sys.argv[2]).create_workflow(name='x')))";

pub(crate) fn measure() -> Outcome<Vec<Figure>> {
    let job = Job::new("  entrypoint: a\n  templates: []\n")?;
    let mut config = "python_paths: [example/bench/py]\nworkflows:\n".to_owned();
    for function in 0..FUNCTIONS {
        job.write(&format!("py/flow_{function}.py"), MODULE)?;
        writeln!(
            config,
            "- name: flow-{function}\n  py_func: flow_{function}.create_workflow\n  kwargs: {{release: true}}"
        )?;
    }
    job.write("prow_config.yaml", &config)?;
    let (mut together, mut apart, mut peak) = (Vec::new(), Vec::new(), 0);
    // One after the other, so that both see the same machine.
    for build in 0..RUNS {
        let mut command = job.command(build, &["show"])?;
        let cost = cost(&mut command)?;
        peak = peak.max(cost.peaks.get("submit-e2e").copied().unwrap_or_default());
        together.push(time(&mut command)?);
        apart.push(one_after_the_other(&job)?);
    }
    let (together, apart) = (median(together), median(apart));
    let share = 100.0 * together.as_secs_f64() / apart.as_secs_f64();
    let of = format!("`submit-e2e show` of {FUNCTIONS} Python workflows");
    Ok(vec![
        Figure::new(
            format!("{of}, in parts of the time of one Python after the other, median of {RUNS}"),
            share,
            "%",
        )
        .at_most(33.3),
        Figure::milliseconds(format!("{of}, in all"), together),
        Figure::megabytes("peak memory of submit-e2e meanwhile", peak).at_most(60.0),
    ])
}

fn one_after_the_other(job: &Job) -> Outcome<Duration> {
    let mut sum = Duration::ZERO;
    for function in 0..FUNCTIONS {
        let mut python = Command::new("python3");
        python
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .args(["-c", ONE])
            .arg(job.repository().join("py"))
            .arg(format!("flow_{function}"));
        sum += time(&mut python)?;
    }
    Ok(sum)
}
