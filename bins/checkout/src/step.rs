//! The git commands for one repository, as data: printed by `--dry-run`, tested without git,
//! run, and recorded. The sequence and the commits are those of Prow's clonerefs
//! (`pkg/pod-utils/clone`), with the fetched refs kept under `refs/remotes/origin`.

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
    /// When this commit is not there yet.
    Missing(String),
    /// When these two commits have no common ancestor here.
    Unrelated([String; 2]),
    /// When the commit has submodules.
    Submodules,
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
            Step::Init | Step::Configure { .. } => When::New,
            Step::FetchCommit { id, .. } => When::Missing(id.clone()),
            Step::Deepen { between } => When::Unrelated(between.clone()),
            Step::Submodules { .. } => When::Submodules,
            Step::SetUpLargeFiles => When::LargeFiles,
            Step::LargeFiles => When::LargeFilesSetUp,
            Step::LargeFilesOfSubmodules => When::LargeFilesInSubmodules,
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
                | Step::LargeFiles
                | Step::LargeFilesOfSubmodules
        )
    }

    /// The arguments of git.
    pub(crate) fn args(&self) -> Vec<String> {
        let fetch = |options: &[&str], depth: Option<u32>, what: &[&str]| {
            // A person's own clone, which serves as the server of a local run, may be shallow.
            let mut args = vec!["fetch".to_owned(), "--update-shallow".to_owned()];
            args.extend(options.iter().map(|&option| option.to_owned()));
            if let Some(depth) = depth {
                args.extend(["--depth".to_owned(), depth.to_string()]);
            }
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
                let mut args: Vec<String> = words(&[
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

/// The message that git gives the merge when Prow runs it on the base branch; git does not
/// name main and master. The message is part of the commit's hash.
fn merge_message(rev: &str, branch: &str) -> String {
    match branch {
        "main" | "master" => format!("Merge commit '{rev}'"),
        branch => format!("Merge commit '{rev}' into {branch}"),
    }
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
            When::LargeFiles | When::LargeFilesSetUp => {
                out.write_str("if a .gitattributes file names Git LFS")
            }
            When::LargeFilesInSubmodules => {
                out.write_str("if a submodule's .gitattributes file names Git LFS")
            }
        }
    }
}
