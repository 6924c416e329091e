//! The git commands for one repository, as data: printed by `--dry-run`, tested without git,
//! run, and recorded. The sequence and the commits are those of Prow's clonerefs
//! (`pkg/pod-utils/clone`), with the fetched refs kept under `refs/remotes/origin`.

use std::fmt;

use common::job::Pull;

use crate::opts::PullMode;
use crate::plan::Repository;

/// One git command and its place in the sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Makes the repository.
    Init,
    /// Sets one value of the repository's own configuration.
    Configure {
        /// Name of the setting.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// Fetches the base and the tags, which `git describe` needs.
    FetchBase {
        /// What to fetch and where to keep it.
        refspec: String,
        /// Value of `--depth`.
        depth: Option<u32>,
    },
    /// Fetches the head of a pull request.
    FetchPull {
        /// Number of the pull request.
        number: u64,
        /// What to fetch and where to keep it.
        refspec: String,
        /// Whether a commit is asked for, so that the ref itself may be gone.
        may_lack: bool,
    },
    /// Fetches a commit by its id, for one that no fetched ref leads to.
    FetchCommit {
        /// The commit.
        id: String,
        /// The pull request that it is of; `None` for the base.
        pull: Option<u64>,
        /// Value of `--depth`.
        depth: Option<u32>,
    },
    /// Fetches the rest of the history, for a merge that needs more than `--depth` fetched.
    Deepen {
        /// The two commits whose common ancestor is missing.
        between: [String; 2],
    },
    /// Writes the files of a commit.
    Checkout {
        /// The commit.
        rev: String,
        /// Whether changed files are overwritten: those of a run that did not finish.
        force: bool,
    },
    /// Merges a pull request.
    Merge {
        /// Number of the pull request.
        number: u64,
        /// Its commit.
        rev: String,
        /// Its place among the pull requests, from 1; the commit is dated by it.
        nth: u32,
        /// The branch that Prow would be on, for the message.
        branch: String,
    },
    /// Fetches and checks out the submodules.
    Submodules {
        /// As for [`Step::Checkout`].
        force: bool,
    },
}

/// When a step is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum When {
    /// In every run.
    Always,
    /// While the folder has not been set up.
    New,
    /// When this commit is not there yet.
    Missing(String),
    /// When these two commits have no common ancestor here.
    Unrelated([String; 2]),
    /// When the commit has submodules.
    Submodules,
}

/// What the base and each pull request stand for once they are fetched: a commit id, or the
/// ref that it was fetched into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The base.
    pub base: String,
    /// The pull requests, in merge order.
    pub pulls: Vec<String>,
}

impl Step {
    /// When it is needed.
    pub(crate) fn when(&self) -> When {
        match self {
            Step::Init | Step::Configure { .. } => When::New,
            Step::FetchCommit { id, .. } => When::Missing(id.clone()),
            Step::Deepen { between } => When::Unrelated(between.clone()),
            Step::Submodules { .. } => When::Submodules,
            Step::FetchBase { .. }
            | Step::FetchPull { .. }
            | Step::Checkout { .. }
            | Step::Merge { .. } => When::Always,
        }
    }

    /// Whether it talks to the server, so that it may help to try again.
    pub(crate) fn uses_network(&self) -> bool {
        matches!(
            self,
            Step::FetchBase { .. }
                | Step::FetchPull { .. }
                | Step::FetchCommit { .. }
                | Step::Deepen { .. }
                | Step::Submodules { .. }
        )
    }

    /// The arguments of git.
    pub(crate) fn args(&self) -> Vec<String> {
        let fetch = |options: &[&str], depth: Option<u32>, what: &[&str]| {
            let mut args = vec!["fetch".to_owned()];
            args.extend(options.iter().map(|&option| option.to_owned()));
            args.extend(depth.map(|depth| format!("--depth={depth}")));
            args.push("origin".to_owned());
            args.extend(what.iter().map(|&what| what.to_owned()));
            args
        };
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        match self {
            Step::Init => words(&["init", "--quiet"]),
            Step::Configure { key, value } => words(&["config", "--replace-all", key, value]),
            // A tag that was moved on the server has moved here too: hence the force.
            Step::FetchBase { refspec, depth } => {
                fetch(&["--tags", "--force"], *depth, &[refspec.as_str()])
            }
            Step::FetchPull { refspec, .. } => fetch(&["--no-tags"], None, &[refspec.as_str()]),
            Step::FetchCommit { id, depth, .. } => fetch(&["--no-tags"], *depth, &[id.as_str()]),
            Step::Deepen { .. } => fetch(&["--unshallow"], None, &[]),
            Step::Checkout { rev, force: false } => {
                words(&["checkout", "--quiet", "--detach", rev, "--"])
            }
            Step::Checkout { rev, force: true } => {
                words(&["checkout", "--quiet", "--force", "--detach", rev, "--"])
            }
            Step::Merge { rev, branch, .. } => {
                let message = merge_message(rev, branch);
                words(&[
                    "merge",
                    "--no-ff",
                    "--no-stat",
                    "--no-log",
                    "-m",
                    &message,
                    rev,
                ])
            }
            Step::Submodules { force } => {
                let mut args: Vec<String> =
                    words(&["submodule", "update", "--init", "--recursive"]);
                args.extend(force.then(|| "--force".to_owned()));
                args
            }
        }
    }
}

/// The message that git gives the merge when Prow runs it on the base branch; git does not
/// name master. The message is part of the commit's hash.
fn merge_message(rev: &str, branch: &str) -> String {
    match branch {
        "master" => format!("Merge commit '{rev}'"),
        branch => format!("Merge commit '{rev}' into {branch}"),
    }
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
            set("remote.origin.url", self.url.as_str()),
            set("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
        ]
    }

    /// Fetches everything that is needed.
    pub(crate) fn fetch_steps(&self) -> Vec<Step> {
        let depth = self.depth.map(std::num::NonZeroU32::get);
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
    pub(crate) fn place_steps(&self, fetched: &Fetched, force: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        let checkout = |rev: &String| Step::Checkout {
            rev: rev.clone(),
            force,
        };
        match fetched.pulls.first() {
            Some(pull) if self.checks_out_head() => steps.push(checkout(pull)),
            _ => {
                steps.push(checkout(&fetched.base));
                self.add_merges(fetched, &mut steps);
            }
        }
        if !self.refs.skip_submodules {
            steps.push(Step::Submodules { force });
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

impl fmt::Display for When {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Always => out.write_str("always"),
            When::New => out.write_str("in a new folder"),
            When::Missing(id) => write!(out, "if {id} is not there yet"),
            When::Unrelated([one, other]) => {
                write!(out, "if {one} and {other} have no common ancestor yet")
            }
            When::Submodules => out.write_str("if there is a .gitmodules file"),
        }
    }
}
