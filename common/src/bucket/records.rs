//! `started.json` and `finished.json`, in the shape that Prow's pages and TestGrid read.
//!
//! Source: TestGrid's `metadata.Started` and `metadata.Finished`, and Prow's `SpecToStarted`.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::job::{Job, Refs};
use crate::{Result, ResultExt};

/// The name of the record of a run's start.
pub const STARTED: &str = "started.json";
/// The name of the record of a run's end.
pub const FINISHED: &str = "finished.json";

/// `started.json`: what runs, and on what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// When, in seconds since 1970.
    pub timestamp: u64,
    /// Number of the pull request; of the first one for a batch.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pull: String,
    /// `ORG/REPO` to `BASE:SHA,NUMBER:SHA…`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub repos: BTreeMap<String, String>,
    /// Commit of the first repository.
    #[serde(
        rename = "repo-commit",
        default,
        skip_serializing_if = "String::is_empty"
    )]
    pub repo_commit: String,
    /// Machine that it runs on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// Anything else; shown on the job's page.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

impl Started {
    /// What the job itself says; node and metadata are left to the caller, and so is a
    /// `repo_commit` that is known better (that of the merge).
    pub fn of(job: &Job, at: SystemTime) -> Self {
        let main = job.refs.as_ref().or(job.extra_refs.first());
        let pull = job.refs.as_ref().and_then(|refs| refs.pulls.first());
        Started {
            timestamp: seconds(at),
            pull: pull.map(|pull| pull.number.to_string()).unwrap_or_default(),
            repos: repos(job),
            repo_commit: main.map(revision).unwrap_or_default(),
            ..Started::default()
        }
    }

    /// Adds a link for the job's page: `metadata.links.NAME`.
    pub fn link(&mut self, name: &str, url: &str, description: &str) {
        let links = self.metadata.entry("links").or_insert_with(|| json!({}));
        links[name] = json!({"url": url, "description": description});
    }

    /// The record's bytes.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        to_json(self, STARTED)
    }
}

/// How a run ended, in the words of `finished.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "UPPERCASE")]
#[value(rename_all = "UPPER")]
pub enum Outcome {
    /// All passed.
    Success,
    /// Something failed.
    Failure,
    /// It was interrupted.
    Aborted,
}

impl Outcome {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "SUCCESS",
            Outcome::Failure => "FAILURE",
            Outcome::Aborted => "ABORTED",
        }
    }
}

/// `finished.json`: the verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// When, in seconds since 1970.
    pub timestamp: u64,
    /// Whether all passed.
    pub passed: bool,
    /// The same, in a word.
    pub result: Outcome,
    /// `{workflow}-phase`, `{workflow}-ui`, `repos` and anything else for the job's page.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

impl Finished {
    /// The verdict on a job: `metadata.repos` says on which commits, where that is known.
    pub fn of(job: &Job, outcome: Outcome, at: SystemTime) -> Self {
        let repos = repos(job);
        let mut metadata = Map::new();
        if !repos.is_empty() {
            metadata.insert("repos".to_owned(), json!(repos));
        }
        Finished {
            timestamp: seconds(at),
            passed: outcome == Outcome::Success,
            result: outcome,
            metadata,
        }
    }

    /// The record's bytes.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        to_json(self, FINISHED)
    }
}

fn to_json(record: &impl Serialize, name: &str) -> Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(record).or_failed(|| format!("write {name}"))?;
    json.push(b'\n');
    Ok(json)
}

fn repos(job: &Job) -> BTreeMap<String, String> {
    let all = job.refs.iter().chain(&job.extra_refs);
    all.map(|refs| (format!("{}/{}", refs.org, refs.repo), refs.to_string()))
        .collect()
}

/// Prow's `GetRevisionFromRefs`.
fn revision(refs: &Refs) -> String {
    let of_pull = refs.pulls.first().map(|pull| pull.sha.as_str());
    let candidates = [of_pull, Some(&refs.base_sha), Some(&refs.base_ref)];
    let first = candidates.into_iter().flatten().find(|sha| !sha.is_empty());
    first.unwrap_or_default().to_owned()
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn job(spec: &str) -> Job {
        serde_json::from_str(spec).unwrap()
    }

    fn at() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_700_000_000_900)
    }

    const PRESUBMIT: &str = r#"{"type": "presubmit", "job": "e2e", "buildid": "7", "refs": {
        "org": "o", "repo": "r", "base_ref": "main", "base_sha": "aaaa",
        "pulls": [{"number": 12, "sha": "bbbb"}]},
        "extra_refs": [{"org": "o", "repo": "x", "base_ref": "main"}]}"#;

    #[test]
    fn started_has_the_shape_of_the_contract() {
        let mut started = Started::of(&job(PRESUBMIT), at());
        started.node = "host".to_owned();
        started.link("e2e", "https://example.com", "the workflow");
        let json: Value = serde_json::from_slice(&started.to_json().unwrap()).unwrap();
        assert_eq!(
            json,
            json!({
                "timestamp": 1_700_000_000,
                "pull": "12",
                "repos": {"o/r": "main:aaaa,12:bbbb", "o/x": "main"},
                "repo-commit": "bbbb",
                "node": "host",
                "metadata": {"links": {
                    "e2e": {"url": "https://example.com", "description": "the workflow"}}},
            })
        );
    }

    #[test]
    fn finished_has_the_shape_of_the_contract() {
        for (outcome, word, passed) in [
            (Outcome::Success, "SUCCESS", true),
            (Outcome::Failure, "FAILURE", false),
            (Outcome::Aborted, "ABORTED", false),
        ] {
            let finished = Finished::of(&job(PRESUBMIT), outcome, at());
            let json: Value = serde_json::from_slice(&finished.to_json().unwrap()).unwrap();
            assert_eq!(
                json,
                json!({
                    "timestamp": 1_700_000_000,
                    "passed": passed,
                    "result": word,
                    "metadata": {"repos": {"o/r": "main:aaaa,12:bbbb", "o/x": "main"}},
                })
            );
        }
    }

    #[test]
    fn a_periodic_without_repository_leaves_out_what_it_does_not_know() {
        let periodic = job(r#"{"type": "periodic", "job": "e2e", "buildid": "7"}"#);
        let started = Started::of(&periodic, at());
        assert_eq!(
            serde_json::to_value(started).unwrap(),
            json!({"timestamp": 1_700_000_000})
        );
        let finished = Finished::of(&periodic, Outcome::Success, at());
        assert_eq!(
            serde_json::to_value(finished).unwrap(),
            json!({"timestamp": 1_700_000_000, "passed": true, "result": "SUCCESS"})
        );
    }
}
