//! Which commands a checkout takes, in which order: those of Prow's clonerefs
//! (`pkg/pod-utils/clone`), with the fetched refs kept under `refs/remotes/origin`.

use std::num::NonZeroU32;

use common::job::Pull;

use crate::opts::PullMode;
use crate::plan::Repository;
use crate::step::Step;

/// The setting that tells a repository of checkout's own from a person's clone.
pub(crate) const MADE_BY_CHECKOUT: &str = "testworker.madeByCheckout";

/// What the base and each pull request stand for once they are fetched: a commit id, or the
/// ref that it was fetched into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The base.
    pub base: String,
    /// The pull requests, in merge order.
    pub pulls: Vec<String>,
}

impl Repository {
    /// Makes the repository. `origin` is set up so that a person's `git fetch` works in it.
    pub(crate) fn start_steps(&self) -> Vec<Step> {
        let set = |key, value: &str| Step::Configure {
            key,
            value: value.to_owned(),
        };
        vec![
            Step::Init,
            set(MADE_BY_CHECKOUT, "true"),
            set("remote.origin.url", self.url.as_str()),
            set("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
        ]
    }

    /// Fetches everything that is needed.
    pub(crate) fn fetch_steps(&self) -> Vec<Step> {
        let depth = self.depth.map(NonZeroU32::get);
        let mut steps = vec![Step::FetchBase {
            refspec: self.base_refspec(),
            depth,
        }];
        let commit = |id: &str, pull| {
            is_full_id(id).then(|| Step::FetchCommit {
                id: id.to_owned(),
                pull,
                depth: if pull.is_none() { depth } else { None },
            })
        };
        steps.extend(commit(&self.refs.base_sha, None));
        for pull in &self.refs.pulls {
            steps.push(Step::FetchPull {
                number: pull.number,
                refspec: format!("+{}:{}", pull_ref(pull), kept_pull_ref(pull)),
                may_lack: is_full_id(&pull.sha),
            });
            steps.extend(commit(&pull.sha, Some(pull.number)));
        }
        steps
    }

    /// What the fetched base and pull requests are called.
    pub(crate) fn fetched(&self) -> Fetched {
        let base = match self.refs.base_sha.as_str() {
            "" => format!("refs/remotes/origin/{}", self.branch()),
            sha => sha.to_owned(),
        };
        let pull = |pull: &Pull| match pull.sha.as_str() {
            "" => kept_pull_ref(pull),
            sha => sha.to_owned(),
        };
        Fetched {
            base,
            pulls: self.refs.pulls.iter().map(pull).collect(),
        }
    }

    /// The same, if it is known without asking the server.
    pub(crate) fn pinned(&self) -> Option<Fetched> {
        let fetched = self.fetched();
        let known =
            is_full_id(&fetched.base) || (self.checks_out_head() && !fetched.pulls.is_empty());
        (known && fetched.pulls.iter().all(|pull| is_full_id(pull))).then_some(fetched)
    }

    /// Writes the files: the base with the pull requests merged in order, or the head of one.
    ///
    /// `force` is for a folder in which an earlier run was killed: what it was writing is there
    /// and known to no index, so that a merge would take it for somebody's. Checking out each
    /// pull request first, by force, makes those files git's own again.
    pub(crate) fn place_steps(&self, fetched: &Fetched, force: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        let checkout = |rev: &String| Step::Checkout {
            rev: rev.clone(),
            force,
        };
        match fetched.pulls.first() {
            Some(pull) if self.checks_out_head() => steps.push(checkout(pull)),
            _ => {
                steps.extend(fetched.pulls.iter().filter(|_| force).map(checkout));
                steps.push(checkout(&fetched.base));
                self.add_merges(fetched, &mut steps);
            }
        }
        if !self.refs.skip_submodules {
            steps.push(Step::Submodules { force });
        }
        steps.extend([Step::SetUpLargeFiles, Step::LargeFiles]);
        if !self.refs.skip_submodules {
            steps.push(Step::LargeFilesOfSubmodules);
        }
        steps
    }

    /// The commit that ends up in the folder, where that needs no merge.
    pub(crate) fn target(&self, fetched: &Fetched) -> Option<String> {
        match fetched.pulls.first() {
            None => Some(fetched.base.clone()),
            Some(pull) if self.checks_out_head() => Some(pull.clone()),
            Some(_) => None,
        }
    }

    /// What is noted of a finished checkout: HEAD, and all that went into it.
    pub(crate) fn note(&self, fetched: &Fetched, head: &str) -> String {
        format!(
            "HEAD {head}\nbase {}\npulls {}\nmode {:?}\nsubmodules {}\n",
            fetched.base,
            fetched.pulls.join(" "),
            self.mode,
            !self.refs.skip_submodules
        )
    }

    fn add_merges(&self, fetched: &Fetched, steps: &mut Vec<Step>) {
        let pulls = self.refs.pulls.iter().zip(&fetched.pulls);
        for ((pull, rev), nth) in pulls.zip(1..) {
            if self.depth.is_some() {
                steps.push(Step::Deepen {
                    between: [fetched.base.clone(), rev.clone()],
                });
            }
            steps.push(Step::Merge {
                number: pull.number,
                rev: rev.clone(),
                nth,
                branch: self.branch().to_owned(),
            });
        }
    }

    fn checks_out_head(&self) -> bool {
        self.mode == PullMode::Head
    }

    /// The base branch; HEAD, the server's default one, where none is named.
    pub(crate) fn branch(&self) -> &str {
        match self.refs.base_ref.as_str() {
            "" => "HEAD",
            name => name.strip_prefix("refs/heads/").unwrap_or(name),
        }
    }

    fn base_refspec(&self) -> String {
        let branch = self.branch();
        match self.refs.base_ref.as_str() {
            // Nobody says where the commit is, and a part of an id cannot be asked for.
            "" if !self.refs.base_sha.is_empty() => {
                "+refs/heads/*:refs/remotes/origin/*".to_owned()
            }
            "" => format!("+HEAD:refs/remotes/origin/{branch}"),
            name => format!("+{name}:refs/remotes/origin/{branch}"),
        }
    }
}

fn pull_ref(pull: &Pull) -> String {
    match pull.reference.as_str() {
        "" => format!("refs/pull/{}/head", pull.number),
        reference => reference.to_owned(),
    }
}

fn kept_pull_ref(pull: &Pull) -> String {
    format!("refs/remotes/origin/pull/{}/head", pull.number)
}

/// Only a whole id can be asked of a server.
fn is_full_id(id: &str) -> bool {
    matches!(id.len(), 40 | 64) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
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
    fn a_pull_requests_own_ref_is_fetched_in_place_of_githubs() {
        let refs = r#""base_ref": "refs/heads/main",
            "pulls": [{"number": 7, "ref": "refs/changes/07/7/1"}]"#;
        let repository = repository(refs, &[]);
        assert_eq!(
            lines(&repository.fetch_steps()),
            [
                "fetch --update-shallow --tags --force origin +refs/heads/main:refs/remotes/origin/main",
                "fetch --update-shallow --no-tags origin +refs/changes/07/7/1:refs/remotes/origin/pull/7/head",
            ]
        );
    }

    #[test]
    fn an_unfinished_folder_gets_each_pull_request_by_force_before_the_base() {
        let refs = format!(
            r#""base_sha": "{BASE}", "base_ref": "release", "skip_submodules": true,
               "pulls": [{{"number": 1, "sha": "{PULL}"}}]"#
        );
        let repository = repository(&refs, &[]);
        let merge = format!(
            "merge --no-ff --no-stat --no-log -m Merge commit '{PULL}' into release {PULL}"
        );
        let fetched = repository.fetched();
        assert_eq!(
            lines(&repository.place_steps(&fetched, false))[..2],
            [
                format!("checkout --quiet --detach {BASE} --"),
                merge.clone()
            ]
        );
        assert_eq!(
            lines(&repository.place_steps(&fetched, true))[..3],
            [
                format!("checkout --quiet --force --detach {PULL} --"),
                format!("checkout --quiet --force --detach {BASE} --"),
                merge
            ]
        );
    }
}
