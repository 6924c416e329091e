//! A commit with what is not committed, made without touching the person's repository: a bare
//! repository beside it borrows its objects and takes the new ones.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use common::app::Stop;
use common::git::Git;
use common::{Result, ResultExt};

use super::base::Base;

/// Who made the commit of uncommitted changes; the person may have set no name yet.
const IDENTITY: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "submit-e2e"),
    ("GIT_AUTHOR_EMAIL", "submit-e2e@localhost"),
    ("GIT_COMMITTER_NAME", "submit-e2e"),
    ("GIT_COMMITTER_EMAIL", "submit-e2e@localhost"),
];

/// What checkout may ask for: single commits, and a part of the objects.
const SERVING: &str = "[uploadpack]\n\tallowAnySHA1InWant = true\n\tallowFilter = true\n";

/// The pull request's repository.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// Bare, with the base's branch and `refs/pull/0/head`.
    pub(super) repository: Git,
    /// The commit of the pull request.
    pub(super) commit: String,
    /// How many files differ from `HEAD`.
    pub(super) uncommitted: usize,
}

/// Takes the snapshot into `FOLDER/repository.git`.
pub(super) async fn take(
    git: &Git,
    head: &str,
    base: &Base,
    folder: &Path,
    stop: &Stop,
) -> Result<Snapshot> {
    let path = folder.join("repository.git");
    let repository = make(git, &path, stop).await?;
    let index = path.join("snapshot-index");
    let own_index = git_path(git, "index", stop).await?;
    copy_if_there(&own_index, &index)?;
    keep_time(&own_index, &index)?;
    let mut at_work = Git::at(git.folder())
        .env("GIT_INDEX_FILE", &index)
        .env("GIT_OBJECT_DIRECTORY", path.join("objects"))
        // Would leave a shared part of the index in the person's repository.
        .config("core.splitIndex", "false");
    for (name, value) in IDENTITY {
        at_work = at_work.env(name, value);
    }
    // What lies outside of a sparse checkout is a part of the change as well.
    at_work.text(["add", "--all", "--sparse"], stop).await?;
    let tree = at_work.text(["write-tree"], stop).await?;
    let args = [
        "diff",
        "--name-only",
        "--no-renames",
        "-z",
        head,
        &tree,
        "--",
    ];
    let changed = at_work.bytes(args, stop).await?;
    let uncommitted = changed.split(|byte| *byte == 0).count() - 1;
    let commit = if uncommitted == 0 {
        head.to_owned()
    } else {
        let message = "Uncommitted changes of a working tree";
        let args = ["commit-tree", &tree, "-p", head, "-m", message];
        at_work.text(args, stop).await?
    };
    let branch = format!("refs/heads/{}", base.branch);
    repository
        .text(["update-ref", &branch, &base.commit], stop)
        .await?;
    repository
        .text(["update-ref", "refs/pull/0/head", &commit], stop)
        .await?;
    repository
        .text(["symbolic-ref", "HEAD", &branch], stop)
        .await?;
    Ok(Snapshot {
        repository,
        commit,
        uncommitted,
    })
}

/// A bare repository that has all objects of another one.
async fn make(git: &Git, path: &Path, stop: &Stop) -> Result<Git> {
    // A second run in the same folder starts anew.
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).or_failed(|| format!("remove {}", path.display()));
        }
        _ => {}
    }
    fs::create_dir_all(path).or_failed(|| format!("make {}", path.display()))?;
    let format = git
        .text(["rev-parse", "--show-object-format"], stop)
        .await?;
    let repository = Git::at(path);
    let format = format!("--object-format={format}");
    repository
        .text(["init", "--quiet", "--bare", "--template=", &format], stop)
        .await?;
    let objects = git_path(git, "objects", stop).await?;
    append(
        &path.join("objects/info/alternates"),
        &format!("{}\n", objects.display()),
    )?;
    append(&path.join("config"), SERVING)?;
    copy_if_there(
        &git_path(git, "shallow", stop).await?,
        &path.join("shallow"),
    )?;
    Ok(repository)
}

/// Where a part of the repository is; work trees share some parts and own others.
async fn git_path(git: &Git, name: &str, stop: &Stop) -> Result<PathBuf> {
    let args = ["rev-parse", "--path-format=absolute", "--git-path", name];
    Ok(git.text(args, stop).await?.into())
}

fn copy_if_there(from: &Path, to: &Path) -> Result<()> {
    match fs::copy(from, to) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).or_failed(|| format!("copy {} to {}", from.display(), to.display()))
        }
        _ => Ok(()),
    }
}

/// Gives a copied index the original's time: git looks into a file that is as young as the
/// index, and takes an older one for unchanged if its size and times are.
fn keep_time(from: &Path, to: &Path) -> Result<()> {
    let keep = || {
        let time = fs::metadata(from)?.modified()?;
        fs::File::open(to)?.set_modified(time)
    };
    match keep() {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).or_failed(|| format!("set the time of {}", to.display()))
        }
        _ => Ok(()),
    }
}

fn append(file: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    let write = || {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)?;
        file.write_all(text.as_bytes())
    };
    write().or_failed(|| format!("write {}", file.display()))
}
