//! What a failed step means to its reader: what was tried, why it failed, what to do next.

use common::git::{Finished, mask};
use common::{Error, exec};

use crate::fault::Fault;
use crate::plan::Repository;
use crate::sequence::pull_ref;
use crate::step::Step;

/// More file names than this are counted, not listed.
const MOST_NAMES: usize = 20;

const FORCE_PUSHED: &str =
    "it may have been force-pushed since the job started: run the job again on the new commit";

/// A step that talks to the server failed, the last time it was tried.
pub(crate) fn network(
    repository: &Repository,
    step: &Step,
    fault: Fault,
    finished: &Finished,
) -> Error {
    let Repository { url, .. } = repository;
    let name = repository.name();
    let subject = subject(repository, step, finished);
    let reason = finished.reason();
    match (fault, step) {
        (Fault::NoCommit, Step::FetchCommit { .. }) => {
            Error::failed(format!("{name}: {subject} is not to be had from {url}"))
                .because(reason)
                .hint(FORCE_PUSHED)
        }
        (Fault::NoRef, _) => {
            Error::failed(format!("{name}: there is no {subject} in {url}")).because(reason)
        }
        (Fault::NoRepository, _) => Error::failed(format!("{name}: fetch {subject} from {url}"))
            .because(reason)
            .hint("is the repository's name right, and may it be read with these credentials?"),
        (Fault::Denied, _) => Error::failed(format!("{name}: fetch {subject} from {url}"))
            .because(reason)
            .hint(
                "the server wants other credentials: see `checkout --help`; git's own credential \
                 helpers are asked as well",
            ),
        (Fault::Transient, _) => Error::unavailable(format!(
            "{name}: fetch {subject} from {url}, tried several times"
        ))
        .because(reason),
        _ => Error::failed(format!("{name}: fetch {subject} from {url}")).because(reason),
    }
}

fn subject(repository: &Repository, step: &Step, finished: &Finished) -> String {
    match step {
        Step::Fetch { .. } => missing_ref(repository, finished)
            .unwrap_or_else(|| format!("ref {}", repository.branch())),
        Step::FetchCommit { id, pull: None, .. } => format!("commit {id}"),
        Step::FetchCommit {
            id,
            pull: Some(number),
            ..
        } => format!("commit {id} of pull request {number}"),
        Step::FetchTrees { .. } | Step::Checkout { .. } | Step::Merge { .. } => "files".to_owned(),
        Step::Submodules { .. } => "the submodules".to_owned(),
        Step::LargeFiles => "the large files".to_owned(),
        Step::LargeFilesOfSubmodules => "the large files of the submodules".to_owned(),
        _ => "the history".to_owned(),
    }
}

/// Of all that was asked for, git names what the server does not have.
fn missing_ref(repository: &Repository, finished: &Finished) -> Option<String> {
    let mut lines = finished.stderr.lines();
    let named = lines.find_map(|line| line.split_once("couldn't find remote ref "))?;
    let named = named.1.trim();
    let pulls = &repository.refs.pulls;
    let pull = pulls.iter().find(|pull| pull_ref(pull) == named);
    Some(match pull {
        Some(pull) => format!("pull request {}", pull.number),
        None => format!("ref {named}"),
    })
}

/// A step that works on the folder alone failed.
pub(crate) fn local(
    repository: &Repository,
    command: &exec::Command,
    finished: &Finished,
) -> Error {
    let command = mask(&command.to_string());
    Error::failed(format!("{}: {command}", repository.name())).because(finished.reason())
}

/// A pull request does not merge.
pub(crate) fn conflict(repository: &Repository, number: u64, sha: &str, files: &[String]) -> Error {
    let pulls = repository.refs.pulls.iter();
    let before: Vec<String> = pulls
        .map(|pull| pull.number)
        .take_while(|other| *other != number)
        .map(|other| format!("pull request {other}"))
        .collect();
    let branch = repository.branch();
    let base = if before.is_empty() {
        branch.to_owned()
    } else {
        format!("{branch} (with {} merged)", before.join(" and "))
    };
    Error::failed(format!(
        "{}: pull request {number} ({sha}) conflicts with {base} in {}",
        repository.name(),
        list(files)
    ))
    .hint(format!("rebase the pull request onto {branch}"))
}

/// A commit is not in what was fetched.
pub(crate) fn no_commit(repository: &Repository, revision: &str) -> Error {
    let name = repository.name();
    let url = &repository.url;
    Error::failed(format!(
        "{name}: there is no commit {revision} in what {url} has"
    ))
    .hint(FORCE_PUSHED)
}

/// A commit is there, but not in the pull request that it is said to be of.
pub(crate) fn not_in_pull(repository: &Repository, number: u64, commit: &str) -> Error {
    let name = repository.name();
    Error::failed(format!(
        "{name}: commit {commit} is not in pull request {number} any more"
    ))
    .hint("the pull request was force-pushed: run the job again on its new commit")
}

/// The folder holds uncommitted changes.
pub(crate) fn changed(repository: &Repository, files: &[String]) -> Error {
    Error::failed(format!(
        "{} has uncommitted changes that a checkout would lose: {}",
        repository.folder.display(),
        list(files)
    ))
    .hint("commit or remove them, give another --src-dir, or --clean to have them removed")
}

/// The folder is a clone of another repository.
pub(crate) fn other_origin(repository: &Repository, origin: &str) -> Error {
    let folder = repository.folder.display();
    let is = if origin.is_empty() {
        "has no origin".to_owned()
    } else {
        format!("is a clone of {:?}", mask(origin))
    };
    Error::usage(format!("{folder} {is}, not a clone of {}", repository.url))
        .hint("move it away, give another --src-dir, or --clean to have it removed")
}

/// Names that a pull request chose, so quoted.
fn list(files: &[String]) -> String {
    let mut names: Vec<String> = files
        .iter()
        .take(MOST_NAMES)
        .map(|file| exec::quote(file))
        .collect();
    if files.len() > MOST_NAMES {
        names.push(format!("and {} more", files.len() - MOST_NAMES));
    }
    names.join(", ")
}
