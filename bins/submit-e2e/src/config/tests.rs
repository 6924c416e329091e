use std::path::Path;

use common::Exit;

use super::*;

fn parse(text: &str) -> Result<Config> {
    Config::of(Document::parse(Path::new("prow_config.yaml"), text)?)
}

fn report(text: &str) -> String {
    let error = parse(text).unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    error.report()
}

/// A real file whose workflows are all commented out, with the comment marks removed.
fn uncommented(name: &str) -> String {
    let path = Path::new("tests/data").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let (head, workflows) = text.split_once("workflows: []\n").unwrap();
    let lines = workflows
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line));
    let lines: Vec<_> = lines.filter(|line| !line.contains("####")).collect();
    format!("{head}workflows:\n{}\n", lines.join("\n"))
}

#[test]
fn real_files_are_read() {
    for (name, count) in [
        ("examples", 5),
        ("fairing", 1),
        ("manifests", 0),
        ("training-operator", 0),
    ] {
        let path = format!("tests/data/kubeflow-{name}.yaml");
        let config = Config::read(Path::new(&path)).unwrap();
        assert_eq!(config.workflows.len(), count, "{name}");
    }
    for name in ["kubeflow-manifests.yaml", "kubeflow-training-operator.yaml"] {
        let config = parse(&uncommented(name)).unwrap();
        assert!(config.workflows.len() > 1, "{name}");
    }
}

#[test]
fn entries_keep_what_the_file_says() {
    let config = Config::read(Path::new("tests/data/kubeflow-examples.yaml")).unwrap();
    let gis = &config.workflows[1];
    assert_eq!(gis.name, "gis");
    assert_eq!(gis.kind, Kind::Ksonnet);
    assert_eq!(gis.include_dirs, ["github_issue_summarization/*"]);
    assert!(gis.runs_for(JobType::Periodic) && gis.runs_for(JobType::Batch));
    assert_eq!(config.workflows[4].kind, Kind::Tekton);
    assert!(!config.workflows[4].runs_for(JobType::Presubmit));
}

#[test]
fn a_scalar_where_a_list_is_meant_is_a_list_of_one() {
    let config = parse(
        "python_paths: a/b\nworkflows:\n- name: e2e\n  manifest: e2e.yaml\n  job_types: presubmit\n  include_dirs: src/*\n",
    )
    .unwrap();
    assert_eq!(config.workflows[0].job_types, [JobType::Presubmit]);
    assert_eq!(config.workflows[0].include_dirs, ["src/*"]);
}

#[test]
fn two_of_one_name_may_run_for_different_jobs_only() {
    let entry = |types: &str| format!("- name: v1\n  manifest: a.yaml\n  job_types: {types}\n");
    let both = |one: &str, two: &str| format!("workflows:\n{}{}", entry(one), entry(two));
    assert!(parse(&both("presubmit", "[postsubmit, periodic]")).is_ok());
    assert_eq!(
        report(&both("presubmit", "[]")),
        "prow_config.yaml:5: name: a second workflow \"v1\" that presubmit jobs run, after the one at prow_config.yaml:2"
    );
    assert!(report(&both("batch", "[presubmit]")).contains("presubmit jobs run"));
}

#[test]
fn mistakes_name_line_and_field() {
    let entry = |fields: &str| report(&format!("workflows:\n- name: e2e\n{fields}"));
    for (found, expected) in [
        (report("workflows: [\n"), "prow_config.yaml:"),
        (
            report("- a\n"),
            "prow_config.yaml:1: the file is not a mapping",
        ),
        (
            report("python_paths: []\n"),
            "prow_config.yaml:1: workflows is missing",
        ),
        (
            report("workflows: []\nworkflow: x\n"),
            "prow_config.yaml:2: unknown key \"workflow\"",
        ),
        (
            report("workflows: x\n"),
            "prow_config.yaml:1: workflows is not a list",
        ),
        (
            report("workflows:\n- x\n"),
            "prow_config.yaml:2: the entry is not a mapping",
        ),
        (
            report("workflows:\n- manifest: x\n"),
            "prow_config.yaml:2: name is missing",
        ),
        (
            report("workflows:\n- name: ../x\n  manifest: y\n"),
            "prow_config.yaml:2: name \"../x\" cannot be a folder's name",
        ),
        (
            report("workflows:\n- name: 1\n  manifest: y\n"),
            "prow_config.yaml:2: name: 1 is not a string",
        ),
        (
            entry("  manifest: a\n  include_dir: b\n"),
            "prow_config.yaml:4: unknown key \"include_dir\"",
        ),
        (
            entry("  manifests: a\n"),
            "prow_config.yaml:3: unknown key \"manifests\"",
        ),
        (
            entry("  job_types: []\n"),
            "prow_config.yaml:2: the entry does not say",
        ),
        (
            entry("  manifest: a\n  py_func: b\n"),
            "prow_config.yaml:4: manifest and py_func in one entry",
        ),
        (
            entry("  manifest: a\n  kwargs: {}\n"),
            "prow_config.yaml:4: unknown key \"kwargs\"",
        ),
        (
            entry("  manifest: [a]\n"),
            "prow_config.yaml:3: manifest is not a string",
        ),
        (
            entry("  manifest: a\n  job_types:\n  - presubmit\n  - nightly\n"),
            "prow_config.yaml:6: job_types: unknown job type \"nightly\"",
        ),
        (
            entry("  manifest: a\n  job_types: nightly\n"),
            "prow_config.yaml:4: job_types: unknown job type \"nightly\"",
        ),
        (
            entry("  manifest: a\n  include_dirs: {a: b}\n"),
            "prow_config.yaml:4: include_dirs: {\"a\":\"b\"} is not a list of strings",
        ),
        (
            entry("  manifest: a\n  include_dirs: [1]\n"),
            "prow_config.yaml:4: include_dirs: 1 is not a string",
        ),
        (
            entry("  manifest: a\n  params: [1]\n"),
            "prow_config.yaml:4: params is not a mapping",
        ),
    ] {
        assert!(found.starts_with(expected), "{found:?}\n{expected:?}");
    }
}
