//! The git commands for one repository, as data: printed by `--dry-run`, tested without git,
//! run, and recorded.

use std::fmt;

use crate::lfs;

/// How many submodules are fetched at once.
const SUBMODULE_JOBS: &str = "8";

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
    /// Fetches commits with their files and without their history, into a repository beside.
    FetchFiles {
        /// The commits' ids, or refs.
        sources: Vec<String>,
    },
    /// Fetches the base with the tags, which `git describe` needs, and the pull requests.
    Fetch {
        /// What to fetch and where to keep it.
        refspecs: Vec<String>,
        /// Whether all tags come along.
        tags: bool,
        /// Value of `--depth`.
        depth: Option<u32>,
        /// Value of `--filter`.
        filter: Option<String>,
    },
    /// Fetches a commit by its id, for one that no fetched ref leads to.
    FetchCommit {
        /// The commit.
        id: String,
        /// The pull request that it is of; `None` for the base.
        pull: Option<u64>,
        /// Value of `--depth`.
        depth: Option<u32>,
        /// Value of `--filter`.
        filter: Option<String>,
    },
    /// Fetches trees, with all below them but the files' contents.
    FetchTrees {
        /// Their ids.
        ids: Vec<String>,
    },
    /// Fetches the rest of the history, for a merge that needs more than `--depth` fetched.
    Deepen {
        /// The two commits whose common ancestor is missing.
        between: [String; 2],
    },
    /// Fetches the rest of the history into a repository that has a part of it.
    Unshallow,
    /// Fetches everything anew, for a repository that left something out.
    Refetch {
        /// What to fetch and where to keep it.
        refspecs: Vec<String>,
    },
    /// Merges a pull request, without touching a file.
    Merge {
        /// Number of the pull request.
        number: u64,
        /// The commit to merge into.
        onto: String,
        /// The pull request's commit.
        rev: String,
    },
    /// Makes the merge commit.
    Commit {
        /// The merged tree.
        tree: String,
        /// The commit that was merged into, and the pull request's.
        parents: [String; 2],
        /// As `git merge` would write it: it is part of the commit's hash.
        message: String,
    },
    /// Limits the checkout to some folders.
    Sparse {
        /// The folders.
        folders: Vec<String>,
    },
    /// Has all folders checked out, where an earlier run wanted some.
    AllFolders,
    /// Removes the files of submodules that are not wanted any more.
    RemoveSubmodules {
        /// Where they are.
        paths: Vec<String>,
    },
    /// Writes the files of a commit.
    Checkout {
        /// The commit.
        rev: String,
        /// Whether changed files are overwritten: those of a run that did not finish.
        force: bool,
    },
    /// Tells submodules that are there where they come from now.
    SyncSubmodules,
    /// Fetches and checks out the submodules.
    Submodules {
        /// As for [`Step::Checkout`].
        force: bool,
    },
    /// Tells git of git-lfs, in this repository.
    SetUpLargeFiles,
    /// Fetches the large files and puts them in the place of their pointers.
    LargeFiles,
    /// Both, in the submodules.
    LargeFilesOfSubmodules,
}

/// When a step is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum When {
    /// In every run.
    Always,
    /// While the folder has not been set up.
    New,
    /// As well; all settings go into `.git/config` at once.
    Settings,
    /// At the same time as the next one, in a repository beside.
    Beside,
    /// When this commit is not there yet.
    Missing(String),
    /// When these trees are not there yet.
    MissingTrees,
    /// When these two commits have no common ancestor here.
    Unrelated([String; 2]),
    /// When an earlier run checked out some folders only.
    Sparse,
    /// When the commit has submodules.
    Submodules,
    /// When an earlier run checked out submodules.
    SubmodulesThere,
    /// When the commit has large files and git-lfs is here.
    LargeFiles,
    /// When git-lfs has been set up.
    LargeFilesSetUp,
    /// When a submodule has large files and git-lfs is here.
    LargeFilesInSubmodules,
}

impl Step {
    /// When it is needed.
    pub(crate) fn when(&self) -> When {
        match self {
            Step::Init => When::New,
            Step::Configure { .. } => When::Settings,
            Step::FetchFiles { .. } => When::Beside,
            Step::FetchCommit { id, .. } => When::Missing(id.clone()),
            Step::FetchTrees { .. } => When::MissingTrees,
            Step::Deepen { between } => When::Unrelated(between.clone()),
            Step::AllFolders => When::Sparse,
            Step::SyncSubmodules => When::SubmodulesThere,
            Step::Submodules { .. } => When::Submodules,
            Step::SetUpLargeFiles => When::LargeFiles,
            Step::LargeFiles => When::LargeFilesSetUp,
            Step::LargeFilesOfSubmodules => When::LargeFilesInSubmodules,
            Step::Fetch { .. }
            | Step::Unshallow
            | Step::Refetch { .. }
            | Step::Merge { .. }
            | Step::Commit { .. }
            | Step::Sparse { .. }
            | Step::RemoveSubmodules { .. }
            | Step::Checkout { .. } => When::Always,
        }
    }

    /// Whether it talks to the server, so that it may help to try again. In a partial clone a
    /// merge and a checkout do so where they need an object.
    pub(crate) fn uses_network(&self) -> bool {
        !matches!(
            self,
            Step::Init
                | Step::Configure { .. }
                | Step::Commit { .. }
                | Step::RemoveSubmodules { .. }
                | Step::SyncSubmodules
                | Step::SetUpLargeFiles
        )
    }

    /// Whether it does nothing else.
    pub(crate) fn is_fetch(&self) -> bool {
        matches!(
            self,
            Step::FetchFiles { .. }
                | Step::Fetch { .. }
                | Step::FetchCommit { .. }
                | Step::FetchTrees { .. }
                | Step::Deepen { .. }
                | Step::Unshallow
                | Step::Refetch { .. }
                | Step::Submodules { .. }
                | Step::LargeFiles
                | Step::LargeFilesOfSubmodules
        )
    }

    /// The arguments of git.
    pub(crate) fn args(&self) -> Vec<String> {
        match self {
            Step::Init => words(&["init", "--quiet", "--template="]),
            Step::Configure { key, value } => words(&["config", "--replace-all", key, value]),
            // A filter that filters nothing: it marks what comes as the server's, so that git
            // does not look for the history.
            Step::FetchFiles { sources } => {
                fetch(&["--no-tags"], Some(1), Some(EVERYTHING), sources)
            }
            // A tag that was moved on the server has moved here too: hence the force.
            Step::Fetch {
                refspecs,
                tags,
                depth,
                filter,
            } => {
                let tags: &[&str] = if *tags {
                    &["--tags", "--force"]
                } else {
                    &["--no-tags"]
                };
                fetch(tags, *depth, filter.as_deref(), refspecs)
            }
            Step::FetchCommit {
                id, depth, filter, ..
            } => fetch(
                &["--no-tags"],
                *depth,
                filter.as_deref(),
                std::slice::from_ref(id),
            ),
            Step::FetchTrees { ids } => fetch(
                &["--no-tags", "--no-write-fetch-head"],
                None,
                Some("blob:none"),
                ids,
            ),
            Step::Deepen { .. } | Step::Unshallow => fetch(&["--unshallow"], None, None, &[]),
            Step::Refetch { refspecs } => fetch(
                &["--tags", "--force", "--refetch", "--no-filter"],
                None,
                None,
                refspecs,
            ),
            Step::Merge { onto, rev, .. } => words(&[
                "merge-tree",
                "--write-tree",
                "--name-only",
                "--no-messages",
                "-z",
                onto,
                rev,
            ]),
            Step::Commit {
                tree,
                parents: [onto, rev],
                message,
            } => words(&["commit-tree", "-p", onto, "-p", rev, "-m", message, tree]),
            Step::Sparse { folders } => {
                let mut args = words(&["sparse-checkout", "set", "--cone", "--"]);
                args.extend(folders.iter().cloned());
                args
            }
            Step::AllFolders => words(&["sparse-checkout", "disable"]),
            Step::RemoveSubmodules { paths } => {
                let mut args = words(&["submodule", "--quiet", "deinit", "--"]);
                args.extend(paths.iter().cloned());
                args
            }
            Step::SyncSubmodules => words(&["submodule", "--quiet", "sync", "--recursive"]),
            Step::Checkout { rev, force } => {
                let mut args = words(&["checkout", "--quiet"]);
                args.extend(force.then(|| "--force".to_owned()));
                args.extend(words(&["--detach", rev, "--"]));
                args
            }
            Step::Submodules { force } => {
                let mut args = words(&[
                    "submodule",
                    "update",
                    "--init",
                    "--recursive",
                    "--jobs",
                    SUBMODULE_JOBS,
                ]);
                args.extend(force.then(|| "--force".to_owned()));
                args
            }
            Step::SetUpLargeFiles => {
                words(&["lfs", "install", "--local", "--skip-repo", "--force"])
            }
            Step::LargeFiles => words(&["lfs", "pull"]),
            Step::LargeFilesOfSubmodules => {
                words(&["submodule", "foreach", "--recursive", lfs::IN_SUBMODULES])
            }
        }
    }
}

/// No file is as large.
const EVERYTHING: &str = "blob:limit=1024g";

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn fetch(
    options: &[&str],
    depth: Option<u32>,
    filter: Option<&str>,
    what: &[String],
) -> Vec<String> {
    // Quiet, so that warnings are not lost among hundreds of tags. A person's own clone, which
    // serves as the server of a local run, may be shallow.
    let mut args = words(&["fetch", "--quiet", "--update-shallow"]);
    args.extend(words(options));
    if let Some(depth) = depth {
        args.extend(words(&["--depth", &depth.to_string()]));
    }
    if let Some(filter) = filter {
        args.extend(words(&["--filter", filter]));
    }
    args.push("origin".to_owned());
    args.extend_from_slice(what);
    args
}

impl fmt::Display for When {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Always => out.write_str("always"),
            When::New => out.write_str("in a new folder"),
            When::Settings => out.write_str("in a new folder, all settings at once"),
            When::Beside => out.write_str("in a new folder, at the same time as the next"),
            When::Missing(id) => write!(out, "if {id} is not there yet"),
            When::MissingTrees => out.write_str("if they are not there yet"),
            When::Unrelated([one, other]) => {
                write!(out, "if {one} and {other} have no common ancestor yet")
            }
            When::Sparse => out.write_str("if an earlier run wanted some folders"),
            When::Submodules => out.write_str("if there is a .gitmodules file"),
            When::SubmodulesThere => out.write_str("if an earlier run checked out submodules"),
            When::LargeFiles | When::LargeFilesSetUp => {
                out.write_str("if a .gitattributes file names Git LFS")
            }
            When::LargeFilesInSubmodules => {
                out.write_str("if a submodule's .gitattributes file names Git LFS")
            }
        }
    }
}
