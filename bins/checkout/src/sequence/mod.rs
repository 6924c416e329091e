//! Which commands a checkout takes, in which order. The commits are those of Prow's clonerefs
//! (`pkg/pod-utils/clone`); how they come about is not: the history comes without its bulk, the
//! merge is made before anything is checked out, and each file is written once.

use std::num::NonZeroU32;

use common::job::Pull;

use crate::lfs;
use crate::opts::PullMode;
use crate::plan::{History, Repository};
use crate::step::Step;

/// The name of a setting and its value.
pub(crate) type Setting = (&'static str, String);

/// The setting that tells a repository of checkout's own from a person's clone.
pub(crate) const MADE_BY_CHECKOUT: &str = "testworker.madeByCheckout";

/// Trees and files come when they are needed.
const ON_DEMAND: &str = "tree:0";

/// What the base and each pull request stand for once they are fetched: a commit id, or the
/// ref that it was fetched into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The base.
    pub base: String,
    /// The pull requests, in merge order.
    pub pulls: Vec<String>,
    /// When the base was committed, in seconds; `None` where that is not known yet.
    pub time: Option<i64>,
    /// For each pull request its best common ancestors with what it is merged into; none where
    /// nobody has asked yet.
    pub merge_bases: Vec<Vec<String>>,
}

impl Repository {
    /// The repository's own settings. `origin` is set up so that a person's `git fetch` works in
    /// it.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let set = |key, value: &str| (key, value.to_owned());
        let mut settings = vec![
            set(MADE_BY_CHECKOUT, "true"),
            set("remote.origin.url", self.url.as_str()),
            set("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
        ];
        // Later fetches bring the trees, without which `git log` on a path asks for each.
        let later = match &self.history {
            History::Whole => return settings,
            History::OnDemand => "blob:none",
            History::Filtered(filter) => filter,
        };
        settings.extend([
            set("core.repositoryFormatVersion", "1"),
            set("extensions.partialClone", "origin"),
            set("remote.origin.promisor", "true"),
            set("remote.origin.partialCloneFilter", later),
        ]);
        settings
    }

    /// Fetches the files of the commits under test while the history is on its way.
    pub(crate) fn files_step(&self) -> Option<Step> {
        if self.history != History::OnDemand || !self.sparse.is_empty() {
            return None;
        }
        // A part of an id cannot be asked for.
        let source = |id: &str, reference: String| match id {
            "" => Some(reference),
            id => is_full_id(id).then(|| id.to_owned()),
        };
        let pulls = self.refs.pulls.iter();
        let pulls = pulls.filter_map(|pull| source(&pull.sha, pull_ref(pull)));
        let mut sources = Vec::new();
        if self.refs.pulls.is_empty() || !self.checks_out_head() {
            let reference = match self.refs.base_ref.as_str() {
                "" => "HEAD",
                name => name,
            };
            sources.push(source(&self.refs.base_sha, reference.to_owned())?);
        }
        sources.extend(pulls);
        (!sources.is_empty()).then_some(Step::FetchFiles { sources })
    }

    /// Fetches the base and the pull requests, all at once where no depth divides them, but for
    /// those pull requests that the server has no ref of.
    pub(crate) fn fetch_steps(&self, filter: Option<&str>, lacking: &[u64]) -> Vec<Step> {
        let depth = self.depth.map(NonZeroU32::get);
        let pulls = self.refs.pulls.iter();
        let pulls = pulls.filter(|pull| !lacking.contains(&pull.number));
        let pulls: Vec<String> = pulls
            .map(|pull| format!("+{}:{}", pull_ref(pull), kept_pull_ref(pull)))
            .collect();
        let fetch = |refspecs, tags, depth| Step::Fetch {
            refspecs,
            tags,
            depth,
            filter: filter.map(str::to_owned),
        };
        let base = vec![self.base_refspec()];
        match depth {
            None => vec![fetch([base, pulls].concat(), true, None)],
            Some(_) if pulls.is_empty() => vec![fetch(base, true, depth)],
            Some(_) => vec![fetch(base, true, depth), fetch(pulls, false, None)],
        }
    }

    /// Brings what a repository that was there left out of its history and is to have now.
    pub(crate) fn complete_steps(&self, is_shallow: bool, is_partial: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.depth.is_none() && is_shallow {
            steps.push(Step::Unshallow);
        }
        if self.depth.is_none() && self.filter().is_none() && is_partial {
            let pulls = self.refs.pulls.iter();
            let pulls = pulls.map(|pull| format!("+{}:{}", pull_ref(pull), kept_pull_ref(pull)));
            let refspecs = [self.base_refspec()].into_iter().chain(pulls).collect();
            steps.push(Step::Refetch { refspecs });
        }
        steps
    }

    /// Fetches the commits that the refs do not lead to.
    pub(crate) fn commit_steps(&self, filter: Option<&str>) -> Vec<Step> {
        let depth = self.depth.map(NonZeroU32::get);
        let commit = |id: &str, pull, depth| {
            is_full_id(id).then(|| Step::FetchCommit {
                id: id.to_owned(),
                pull,
                depth,
                filter: filter.map(str::to_owned),
            })
        };
        let pulls = self.refs.pulls.iter();
        let pulls = pulls.filter_map(|pull| commit(&pull.sha, Some(pull.number), None));
        let base = commit(&self.refs.base_sha, None, depth);
        base.into_iter().chain(pulls).collect()
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
            time: None,
            merge_bases: Vec::new(),
        }
    }

    /// The same, if it is known without asking the server.
    pub(crate) fn pinned(&self) -> Option<Fetched> {
        let fetched = self.fetched();
        let known =
            is_full_id(&fetched.base) || (self.checks_out_head() && !fetched.pulls.is_empty());
        (known && fetched.pulls.iter().all(|pull| is_full_id(pull))).then_some(fetched)
    }

    /// Merges one pull request. `tree` is what the first of the two steps prints.
    pub(crate) fn merge_steps(&self, pull: &Pull, onto: &str, rev: &str, tree: &str) -> [Step; 2] {
        [
            Step::Merge {
                number: pull.number,
                onto: onto.to_owned(),
                rev: rev.to_owned(),
            },
            Step::Commit {
                tree: tree.to_owned(),
                parents: [onto.to_owned(), rev.to_owned()],
                message: self.merge_message(pull),
            },
        ]
    }

    /// Writes the files, of one commit and once.
    pub(crate) fn place_steps(&self, target: &str, force: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        steps.push(match self.sparse.as_slice() {
            [] => Step::AllFolders,
            folders => Step::Sparse {
                folders: folders.to_vec(),
            },
        });
        steps.push(Step::Checkout {
            rev: target.to_owned(),
            force,
        });
        if !self.refs.skip_submodules {
            steps.extend([Step::SyncSubmodules, Step::Submodules { force }]);
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

    /// What is noted of a finished checkout: HEAD, and all that went into it. The branch is in the
    /// message of a merge, and without git-lfs pointers are in the place of large files.
    pub(crate) fn note(&self, fetched: &Fetched, head: &str) -> String {
        let sparse = match self.sparse.as_slice() {
            [] => String::new(),
            folders => format!("sparse {}\n", folders.join(" ")),
        };
        let depth = match self.depth {
            None => "all".to_owned(),
            Some(depth) => depth.to_string(),
        };
        format!(
            "HEAD {head}\nbase {} of {}\npulls {}\nmode {:?}\nsubmodules {}\ndepth {depth}\nfilter {}\ngit-lfs {}\n{sparse}",
            fetched.base,
            self.branch(),
            fetched.pulls.join(" "),
            self.mode,
            !self.refs.skip_submodules,
            self.filter().unwrap_or("none"),
            lfs::is_installed(),
        )
    }

    /// Whether a pull request is tested as it is.
    pub(crate) fn checks_out_head(&self) -> bool {
        self.mode == PullMode::Head
    }

    /// The base branch; HEAD, the server's default one, where none is named.
    pub(crate) fn branch(&self) -> &str {
        match self.refs.base_ref.as_str() {
            "" => "HEAD",
            name => name.strip_prefix("refs/heads/").unwrap_or(name),
        }
    }

    /// What is left out of the history, as a filter of git.
    pub(crate) fn filter(&self) -> Option<&str> {
        match &self.history {
            History::Whole => None,
            History::OnDemand => Some(ON_DEMAND),
            History::Filtered(filter) => Some(filter),
        }
    }

    /// The message that git gives the merge when Prow runs it on the base branch; git does not
    /// name main and master. The message is part of the commit's hash.
    fn merge_message(&self, pull: &Pull) -> String {
        let what = match pull.sha.as_str() {
            // Prow merges FETCH_HEAD then, of which git knows where it came from.
            "" => {
                let reference = pull_ref(pull);
                let url = self.url.as_str().trim_end_matches('/');
                let url = url.strip_suffix(".git").unwrap_or(url);
                let what = match reference.strip_prefix("refs/heads/") {
                    Some(branch) => format!("branch '{branch}'"),
                    None => format!("commit '{reference}'"),
                };
                format!("{what} of {url}")
            }
            sha => format!("commit '{sha}'"),
        };
        match self.branch() {
            "main" | "master" => format!("Merge {what}"),
            branch => format!("Merge {what} into {branch}"),
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

/// The ref of a pull request on the server.
pub(crate) fn pull_ref(pull: &Pull) -> String {
    match pull.reference.as_str() {
        "" => format!("refs/pull/{}/head", pull.number),
        reference => reference.to_owned(),
    }
}

/// The ref that it is fetched into: not below `origin`, where a branch may be called `pull`.
pub(crate) fn kept_pull_ref(pull: &Pull) -> String {
    format!("refs/remotes/pull/{}/head", pull.number)
}

/// Only a whole id can be asked of a server.
pub(crate) fn is_full_id(id: &str) -> bool {
    matches!(id.len(), 40 | 64) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
