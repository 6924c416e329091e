//! Facts about the run that its report carries.

use common::app::App;
use common::env;
use common::git::Git;
use common::redact::Rules;

use crate::plan::Plan;

/// Commit, image, command and seed, as far as they are known; the host is in each suite.
pub(crate) fn properties(
    plan: &Plan,
    app: &App,
    secrets: &Rules,
    commit: Option<String>,
    seed: Option<String>,
) -> Vec<(String, String)> {
    let shard = plan
        .sharding
        .as_ref()
        .map(|sharding| sharding.shard.to_string());
    let facts = [
        ("command", Some(plan.given.to_string())),
        ("commit", commit),
        ("image", app.env.get(env::STEP_IMAGE).map(str::to_owned)),
        ("workflow", plan.workflow.clone()),
        ("shard", shard),
        ("seed", seed),
    ];
    let known = facts
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    known
        .map(|(name, value)| (name.to_owned(), secrets.redact(&value)))
        .collect()
}

/// The commit of the working folder; the one that Prow names where that is no repository.
pub(crate) async fn commit(app: &App) -> Option<String> {
    let head = Git::at(".")
        .text(["rev-parse", "--verify", "--quiet", "HEAD"], &app.stop)
        .await;
    let head = head.ok().map(|text| text.trim().to_owned());
    let head = head.filter(|head| !head.is_empty());
    let named = [env::PULL_PULL_SHA, env::PULL_BASE_SHA].map(|name| app.env.get(name));
    head.or_else(|| named.into_iter().flatten().next().map(str::to_owned))
}

/// The seed of random orders, as Go (`-shuffle`), libtest (`--shuffle`) and pytest-randomly
/// say it.
pub(crate) fn seed(line: &str) -> Option<&str> {
    let markers = ["-test.shuffle ", "shuffle seed: ", "--randomly-seed="];
    let rest = markers
        .iter()
        .find_map(|marker| Some(line.split_once(marker)?.1))?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    (end > 0).then(|| &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::seed;

    #[test]
    fn seeds_are_found_as_tools_say_them() {
        assert_eq!(seed("-test.shuffle 1763917"), Some("1763917"));
        assert_eq!(seed(r#"{"Output":"-test.shuffle 17\n"}"#), Some("17"));
        assert_eq!(seed("running 3 tests (shuffle seed: 42)"), Some("42"));
        assert_eq!(seed("Using --randomly-seed=7"), Some("7"));
        assert_eq!(seed("go test -shuffle on"), None);
    }
}
