use super::*;

fn env(variables: &[(&str, &str)]) -> Env {
    variables.iter().copied().collect()
}

#[test]
fn single_variables_and_job_spec_give_the_same_job() {
    let single = env(&[
        ("JOB_NAME", "e2e"),
        ("JOB_TYPE", "presubmit"),
        ("BUILD_NUMBER", "7"),
        ("REPO_OWNER", "kubeflow"),
        ("REPO_NAME", "testing"),
        ("PULL_BASE_REF", "master"),
        ("PULL_BASE_SHA", "aaaa"),
        ("PULL_REFS", "master:aaaa,12:bbbb"),
        ("PULL_NUMBER", "12"),
        ("PULL_PULL_SHA", "bbbb"),
    ]);
    let job = Job::from_env(&single).unwrap().unwrap();
    assert_eq!(job.build_id, "7");
    let spec: Env = job.variables().into_iter().collect();
    assert_eq!(Job::from_env(&spec).unwrap().unwrap(), job);
    assert_eq!(spec.get(env::PULL_REFS), Some("master:aaaa,12:bbbb"));
    assert_eq!(spec.get(env::PULL_NUMBER), Some("12"));
}

#[test]
fn a_batch_has_several_pulls_and_no_pull_number() {
    let job = Job::from_env(&env(&[
        ("JOB_NAME", "e2e"),
        ("JOB_TYPE", "batch"),
        ("BUILD_ID", "7"),
        ("REPO_OWNER", "o"),
        ("REPO_NAME", "r"),
        ("PULL_REFS", "main:aaaa,1:bbbb,2:cccc"),
    ]))
    .unwrap()
    .unwrap();
    assert_eq!(job.refs.as_ref().unwrap().pulls.len(), 2);
    assert!(job.pull().is_none());
}

#[test]
fn no_variables_mean_no_job() {
    assert!(Job::from_env(&env(&[("JOB_SPEC", "")])).unwrap().is_none());
}

#[test]
fn names_that_would_leave_their_folder_are_refused() {
    for (name, value) in [
        ("JOB_NAME", "../x"),
        ("BUILD_ID", "a/b"),
        ("REPO_OWNER", ".."),
        ("REPO_NAME", "-rf"),
        ("PULL_BASE_REF", "--upload-pack=x"),
        ("PULL_BASE_SHA", "HEAD"),
        ("PULL_BASE_REF", "{{workflow.name}}"),
        ("JOB_NAME", "{{item}}"),
    ] {
        let mut variables = vec![
            ("JOB_NAME", "e2e"),
            ("JOB_TYPE", "postsubmit"),
            ("BUILD_ID", "7"),
            ("REPO_OWNER", "o"),
            ("REPO_NAME", "r"),
        ];
        variables.retain(|(other, _)| *other != name);
        variables.push((name, value));
        let error = Job::from_env(&env(&variables)).unwrap_err();
        assert_eq!(error.exit(), crate::Exit::Usage, "{name}={value}");
    }
}

#[test]
fn a_job_spec_that_is_not_json_is_wrong_usage() {
    let error = Job::from_env(&env(&[("JOB_SPEC", "{type: presubmit}")])).unwrap_err();
    assert!(
        error
            .report()
            .starts_with("JOB_SPEC is not the JSON that Prow sets: ")
    );
    assert_eq!(error.exit(), crate::Exit::Usage);
    let spec = "{\"extra_refs\": null,\n\"type\": 3}";
    let error = Job::from_env(&env(&[("JOB_SPEC", spec)])).unwrap_err();
    assert!(error.report().contains(" at line "), "{}", error.report());
}

#[test]
fn a_field_that_go_writes_as_null_is_an_absent_one() {
    let spec = |text: &str| Job::from_env(&env(&[("JOB_SPEC", text)])).unwrap();
    assert_eq!(
        spec(
            r#"{"type": "postsubmit", "job": "e2e", "buildid": "7", "prowjobid": null, "refs":
            {"org": "o", "repo": "r", "base_ref": "main", "pulls": null}, "extra_refs": null}"#
        ),
        spec(
            r#"{"type": "postsubmit", "job": "e2e", "buildid": "7",
            "refs": {"org": "o", "repo": "r", "base_ref": "main"}}"#
        )
    );
}

#[test]
fn a_commit_that_pull_refs_leaves_out_is_that_of_pull_pull_sha() {
    for list in ["main:aaaa,12", "main:aaaa,12:", "main:aaaa", ""] {
        let job = Job::from_env(&env(&[
            ("JOB_NAME", "e2e"),
            ("JOB_TYPE", "presubmit"),
            ("BUILD_ID", "7"),
            ("REPO_OWNER", "o"),
            ("REPO_NAME", "r"),
            ("PULL_REFS", list),
            ("PULL_NUMBER", "12"),
            ("PULL_PULL_SHA", "bbbb"),
        ]))
        .unwrap()
        .unwrap();
        assert_eq!(job.pull().unwrap().sha, "bbbb", "{list:?}");
    }
}
