use super::*;
use crate::opts::Opts;
use crate::plan::Plan;

const BASE: &str = "1111111111111111111111111111111111111111";
const PULL: &str = "2222222222222222222222222222222222222222";

fn repository(refs: &str, args: &[&str]) -> Repository {
    let spec = format!(
        r#"{{"type": "postsubmit", "job": "j", "buildid": "1",
            "refs": {{"org": "o", "repo": "r", {refs}}}}}"#
    );
    let args = ["checkout", "--src-dir=/src"].iter().chain(args);
    let opts = <Opts as clap::Parser>::try_parse_from(args).unwrap();
    let env = [("JOB_SPEC", spec)].into_iter().collect();
    Plan::new(&opts, &env).unwrap().repositories.remove(0)
}

fn lines(steps: &[Step]) -> Vec<String> {
    steps.iter().map(|step| step.args().join(" ")).collect()
}

#[test]
fn only_whole_commit_ids_are_known_without_asking() {
    let known = |refs: &str, args: &[&str]| repository(refs, args).pinned().is_some();
    let pull = format!(r#""pulls": [{{"number": 1, "sha": "{PULL}"}}]"#);
    assert!(known(&format!(r#""base_sha": "{BASE}", {pull}"#), &[]));
    assert!(!known(r#""base_sha": "1111111""#, &[]));
    assert!(!known(&format!(r#""base_ref": "main", {pull}"#), &[]));
    assert!(known(
        &format!(r#""base_ref": "main", {pull}"#),
        &["--pr-mode=head"]
    ));
    let no_sha = r#""pulls": [{"number": 1}]"#;
    assert!(!known(&format!(r#""base_sha": "{BASE}", {no_sha}"#), &[]));
}

#[test]
fn a_pull_requests_own_ref_is_fetched_in_place_of_githubs_and_with_the_base() {
    let refs = r#""base_ref": "refs/heads/main",
        "pulls": [{"number": 7, "ref": "refs/changes/07/7/1"}]"#;
    let fetched = "+refs/changes/07/7/1:refs/remotes/pull/7/head";
    let base = "+refs/heads/main:refs/remotes/origin/main";
    let fetch = "fetch --quiet --update-shallow";
    let on_demand = repository(refs, &[]);
    assert_eq!(
        lines(&on_demand.fetch_steps(on_demand.filter(), &[])),
        [format!(
            "{fetch} --tags --force --filter tree:0 origin {base} {fetched}"
        )]
    );
    let shallow = repository(refs, &["--depth=2"]);
    assert_eq!(
        lines(&shallow.fetch_steps(shallow.filter(), &[])),
        [
            format!("{fetch} --tags --force --depth 2 origin {base}"),
            format!("{fetch} --no-tags origin {fetched}")
        ]
    );
    assert_eq!(
        lines(&on_demand.fetch_steps(None, &[7])),
        [format!("{fetch} --tags --force origin {base}")]
    );
}

#[test]
fn the_files_that_come_early_are_those_of_the_commits_under_test() {
    let pull = format!(r#""base_ref": "release", "pulls": [{{"number": 1, "sha": "{PULL}"}}]"#);
    let sources = |refs: &str, args: &[&str]| match repository(refs, args).files_step() {
        Some(Step::FetchFiles { sources }) => sources.join(" "),
        other => format!("{other:?}"),
    };
    assert_eq!(sources(&pull, &[]), format!("release {PULL}"));
    assert_eq!(sources(&pull, &["--pr-mode=head"]), PULL);
    assert_eq!(sources(&format!(r#""base_sha": "{BASE}""#), &[]), BASE);
    assert_eq!(sources(r#""path_alias": """#, &[]), "HEAD");
    let no_sha = r#""base_ref": "release", "pulls": [{"number": 1}]"#;
    assert_eq!(sources(no_sha, &[]), "release refs/pull/1/head");
    // A part of an id cannot be asked for; a depth or a filter say what comes.
    let part = r#""base_ref": "release", "pulls": [{"number": 1, "sha": "2222222"}]"#;
    assert_eq!(sources(part, &[]), "release");
    for (refs, args) in [
        (r#""base_sha": "1111111""#, [].as_slice()),
        (&pull, &["--depth=1"]),
        (&pull, &["--filter=blob:none"]),
        (&pull, &["--sparse", "docs"]),
        (part, &["--pr-mode=head"]),
    ] {
        assert_eq!(sources(refs, args), "None", "{refs} {args:?}");
    }
}

#[test]
fn a_merge_is_described_as_git_does_it_in_clonerefs() {
    let message = |refs: &str, pull: &str| {
        let repository = repository(&format!(r#"{refs} "pulls": [{pull}]"#), &[]);
        repository.merge_message(&repository.refs.pulls[0])
    };
    let pinned = format!(r#"{{"number": 1, "sha": "{PULL}"}}"#);
    let head = r#"{"number": 1}"#;
    let main = r#""base_ref": "main","#;
    let release = r#""base_ref": "release","#;
    assert_eq!(message(main, &pinned), format!("Merge commit '{PULL}'"));
    assert_eq!(
        message(release, &pinned),
        format!("Merge commit '{PULL}' into release")
    );
    assert_eq!(
        message(main, head),
        "Merge commit 'refs/pull/1/head' of https://github.com/o/r"
    );
}
