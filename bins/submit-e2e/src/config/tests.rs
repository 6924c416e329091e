use std::path::Path;

use common::Exit;

use super::*;

fn parse(text: &str) -> Result<Config> {
    let resolve = Some(scalar::resolve as common::yaml::Resolve);
    Config::of(Document::parse_with(
        Path::new("prow_config.yaml"),
        text,
        resolve,
    )?)
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
    assert_eq!(
        gis.kind,
        Kind::Ksonnet {
            app_dir: "kubeflow/examples/test/workflows".to_owned(),
            component: "gis".to_owned()
        }
    );
    assert_eq!(gis.include_dirs, ["github_issue_summarization/*"]);
    assert!(gis.runs_for(JobType::Periodic) && gis.runs_for(JobType::Batch));
    assert_eq!(config.workflows[4].kind.as_str(), "tekton");
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
fn two_of_one_name_are_two_workflows() {
    // kubeflow/kubeflow has three named nb-base: a test, and two that build its image.
    let entry = "- name: v1\n  manifest: a.yaml\n";
    let config = parse(&format!("workflows:\n{entry}{entry}")).unwrap();
    assert_eq!(config.workflows.len(), 2);
}

#[test]
fn an_unknown_key_is_a_warning_with_its_line() {
    let config = parse(
        "workflows:\n- name: e2e\n  manifest: a\n  include_dir: b\n- {name: x, manifest: b, kwargs: {}}\nworkflow: x\n",
    )
    .unwrap();
    let common = "name, job_types, include_dirs, exclude_dirs, always_run, params, manifest, ext_vars, top_level_args";
    assert_eq!(
        config.warnings,
        [
            format!(
                "prow_config.yaml:4: workflow \"e2e\": unknown key \"include_dir\" is ignored; known here: {common}"
            ),
            format!(
                "prow_config.yaml:5: workflow \"x\": unknown key \"kwargs\" is ignored; known here: {common}"
            ),
            "prow_config.yaml:6: unknown key \"workflow\" is ignored; known here: python_paths, workflows"
                .to_owned(),
        ]
    );
}

#[test]
fn every_key_of_a_real_file_is_known() {
    for name in ["examples", "fairing"] {
        let path = format!("tests/data/kubeflow-{name}.yaml");
        let config = Config::read(Path::new(&path)).unwrap();
        assert_eq!(config.warnings, [""; 0], "{name}");
    }
    for name in ["kubeflow-manifests.yaml", "kubeflow-training-operator.yaml"] {
        assert_eq!(parse(&uncommented(name)).unwrap().warnings, [""; 0]);
    }
    // The rest is in comments of kubeflow/testing.
    let config = parse(
        "workflows:
- tekton_run: kubeflow/testing/tekton/testing/nb-test-run.yaml
  tekton_params:
  - {name: testing-cluster-pattern, value: 'kf-v1-(?!n\\d\\d)'}
  tekton_teardown: kubeflow/testing/tekton/testing/dummy-teardown-run.yaml
  tekton_teardown_params: [{name: utter, value: bar}]
  name: tekton-v1
  include_dirs: [py/*]
- py_func: kubeflow.testing.ci.kf_unittests.create_workflow
  name: py-unittests
  kwargs: {a: 1}
  kw_args: {b: [x]}
",
    )
    .unwrap();
    assert_eq!(config.warnings, [""; 0]);
    let Kind::Tekton(tekton) = &config.workflows[0].kind else {
        panic!("{config:?}");
    };
    assert_eq!(
        tekton.params,
        [(
            "testing-cluster-pattern".to_owned(),
            "kf-v1-(?!n\\d\\d)".into()
        )]
    );
    let Kind::PyFunc { kwargs, .. } = &config.workflows[1].kind else {
        panic!("{config:?}");
    };
    assert_eq!(
        Value::Object(kwargs.clone()),
        serde_json::json!({"a": 1, "b": ["x"]})
    );
}

#[test]
fn an_empty_mapping_is_an_empty_list() {
    // kubeflow/testing's own file.
    assert!(parse("workflows: {}\n").unwrap().workflows.is_empty());
}

#[test]
fn a_mistake_in_the_yaml_names_the_entry_and_the_cure() {
    let level = |n: u32| {
        let items = vec![format!("*a{}", n - 1); 10].join(", ");
        format!("    a{n}: &a{n} [{items}]\n")
    };
    let bomb = (1..9).map(level).collect::<Vec<_>>().concat();
    for (fields, line, cure) in [
        ("\tmanifest: a\n", 6, "replace the tab"),
        ("  manifest: a\n  manifest: b\n", 7, "remove one of the two"),
        ("  tables: a\n  tables: b\n", 7, "remove one of the two"),
        ("  params: {x: .nan}\n", 6, "put it in quotes"),
        ("  params: {x: .inf}\n", 6, "put it in quotes"),
        ("  params: [a\n", 6, "compare the indentation"),
        ("  include_dirs: *.md\n", 6, "has to be in quotes: '*.md'"),
        ("  params: &p {a: *p}\n", 6, "take it apart"),
        (
            &format!(
                "  params: {{a: {}{}}}\n",
                "[".repeat(3000),
                "]".repeat(3000)
            ),
            6,
            "take it apart",
        ),
        (
            &format!("  params:\n    a0: &a0 [x, x, x]\n{bomb}"),
            0,
            "write out what the aliases",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prow_config.yaml");
        let text =
            format!("workflows:\n  # c\n- name: first\n  manifest: a\n- name: second\n{fields}");
        std::fs::write(&file, text).unwrap();
        let error = Config::read(&file).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        let report = error.report();
        if line > 0 {
            let place = format!("{}:{line}: ", file.display());
            assert!(report.starts_with(&place), "{fields:?}: {report}");
        }
        assert!(
            report.contains("in workflow \"second\": "),
            "{fields:?}: {report}"
        );
        assert!(report.contains(cure), "{fields:?}: {report}");
    }
}

#[test]
fn the_name_of_a_folder_is_no_part_of_the_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("duplicate-table-of-aliases");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("prow_config.yaml");
    std::fs::write(&file, "workflows: [\n").unwrap();
    let report = Config::read(&file).unwrap_err().report();
    assert!(report.contains("compare the indentation"), "{report}");
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
            report("workflows: x\n"),
            "prow_config.yaml:1: workflows is not a list",
        ),
        (
            report("workflows:\n- x\n"),
            "prow_config.yaml:2: entry 1: it is not a mapping",
        ),
        (
            report("workflows:\n- manifest: x\n"),
            "prow_config.yaml:2: entry 1: name is missing",
        ),
        (
            report("workflows:\n- name: ../x\n  manifest: y\n"),
            "prow_config.yaml:2: entry 1: name \"../x\" cannot be a folder's name",
        ),
        (
            report("workflows:\n- name: 1\n  manifest: y\n"),
            "prow_config.yaml:2: entry 1: name: 1 is not a string",
        ),
        (
            entry("  job_types: []\n"),
            "prow_config.yaml:2: workflow \"e2e\": the entry does not say",
        ),
        (
            entry("  manifest: a\n  py_func: b\n"),
            "prow_config.yaml:4: workflow \"e2e\": manifest and py_func in one entry",
        ),
        (
            entry("  py_func: b\n"),
            "prow_config.yaml:3: workflow \"e2e\": py_func: \"b\" names no function",
        ),
        (
            entry("  py_func: a.b c\n"),
            "prow_config.yaml:3: workflow \"e2e\": py_func: \"a.b c\" names no function",
        ),
        (
            entry("  app_dir: a/b/c\n"),
            "prow_config.yaml:2: workflow \"e2e\": app_dir without component",
        ),
        (
            entry("  app_dir: a/b/../../c\n  component: x\n"),
            "prow_config.yaml:3: workflow \"e2e\": app_dir: \"a/b/../../c\" leaves its repository",
        ),
        (
            entry("  tekton_run: x.yaml\n"),
            "prow_config.yaml:3: workflow \"e2e\": tekton_run: \"x.yaml\" is not ORG/REPO/PATH",
        ),
        (
            entry("  manifest: a\n  ext_vars: {a: b}\n"),
            "prow_config.yaml:4: workflow \"e2e\": ext_vars is for manifests in jsonnet",
        ),
        (
            entry("  manifest: a\n  always_run: maybe\n"),
            "prow_config.yaml:4: workflow \"e2e\": always_run: \"maybe\" is not true or false",
        ),
        (
            report("python_paths: [a]\nworkflows: []\n"),
            "prow_config.yaml:1: python_paths: \"a\" is not ORG/REPO/PATH",
        ),
        (
            entry("  manifest: [a]\n"),
            "prow_config.yaml:3: workflow \"e2e\": manifest is not a string",
        ),
        (
            entry("  manifest: a\n  job_types:\n  - presubmit\n  - nightly\n"),
            "prow_config.yaml:6: workflow \"e2e\": job_types: unknown job type \"nightly\"",
        ),
        (
            entry("  manifest: a\n  job_types: nightly\n"),
            "prow_config.yaml:4: workflow \"e2e\": job_types: unknown job type \"nightly\"",
        ),
        (
            entry("  manifest: a\n  include_dirs: {a: b}\n"),
            "prow_config.yaml:4: workflow \"e2e\": include_dirs: {\"a\":\"b\"} is not a list of strings",
        ),
        (
            entry("  manifest: a\n  include_dirs: [1]\n"),
            "prow_config.yaml:4: workflow \"e2e\": include_dirs: 1 is not a string",
        ),
        (
            entry("  manifest: a\n  params: [1]\n"),
            "prow_config.yaml:4: workflow \"e2e\": params is not a mapping",
        ),
    ] {
        assert!(found.starts_with(expected), "{found:?}\n{expected:?}");
    }
}

#[test]
fn arguments_are_typed_as_python_read_them() {
    let config = parse(
        "workflows:\n- name: y\n  py_func: a.b\n  kwargs: {on: y, mode: 0777, at: 1:30, rate: 1e3, is: yes, tag: !!str 1}\n",
    )
    .unwrap();
    let Kind::PyFunc { kwargs, .. } = &config.workflows[0].kind else {
        panic!("a function");
    };
    assert_eq!(
        Value::from(kwargs.clone()),
        serde_json::json!({"on": "y", "mode": 511, "at": 90, "rate": "1e3", "is": true, "tag": "1"})
    );
}

#[test]
fn a_file_that_is_too_large_names_the_entry_that_the_limit_falls_into() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.yaml");
    let large = "x".repeat(9 * 1024 * 1024);
    let entry = |name| format!("- name: {name}\n  manifest: a\n  params:\n    x: {large}\n");
    let (one, two) = (entry("one"), entry("two"));
    std::fs::write(&file, format!("workflows:\n{one}{two}- name: three\n")).unwrap();
    let error = Config::read(&file).unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    let place = format!("{}:9: it has more than the 10485760 bytes", file.display());
    assert!(error.report().starts_with(&place), "{}", error.report());
    let told = format!("{error:?}");
    assert!(
        told.contains("the limit falls into workflow \\\"two\\\""),
        "{told}"
    );
}
