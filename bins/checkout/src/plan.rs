//! What will be done, as data: for each repository a folder, a URL and a list of git commands.

use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::env::Env;
use common::git::Git;
use common::job::{Refs, check_ref};
use common::{Error, Result, ResultExt};

use crate::beside::files_folder;
use crate::cache::Cache;
use crate::credentials::Access;
use crate::lfs;
use crate::links::{self, Link};
use crate::opts::{Opts, PullMode};
use crate::step::{Step, When};
use crate::url::CloneUrl;
use crate::wanted::wanted;

/// All repositories, each in a folder of its own.
#[derive(Debug)]
pub(crate) struct Plan {
    /// In the order of their mention, the one under test first.
    pub repositories: Vec<Repository>,
    /// Links to make once all of them are there.
    pub links: Vec<Link>,
}

/// A repository and what is wanted of it.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    /// As the job or a list gave it.
    pub refs: Refs,
    /// The folder of the sources, absolute. No link below it is followed.
    pub src_dir: PathBuf,
    /// Where it goes: absolute.
    pub folder: PathBuf,
    /// Where it comes from.
    pub url: CloneUrl,
    /// How many commits are fetched; `None` for all.
    pub depth: Option<NonZeroU32>,
    /// What comes with the commits.
    pub history: History,
    /// The only folders that are checked out; all where none is named.
    pub sparse: Vec<String>,
    /// What is tested of its pull requests.
    pub mode: PullMode,
    /// How long a transfer may come to a halt.
    pub stall_timeout: Duration,
    /// Who its git is to the server.
    pub access: Access,
    /// Where others left what they fetched.
    pub cache: Option<Cache>,
    /// Whether whatever is in the way is removed.
    pub clean: bool,
}

/// What is fetched of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum History {
    /// The commits; trees and files when something needs them.
    OnDemand,
    /// What a filter leaves; the rest when something needs it.
    Filtered(String),
    /// Everything.
    Whole,
}

impl Plan {
    /// Checks everything that can be checked without git.
    pub(crate) fn new(opts: &Opts, env: &Env) -> Result<Plan> {
        let src_dir = opts.src_dir.as_deref().unwrap_or(Path::new("."));
        let src_dir =
            std::path::absolute(src_dir).or_usage(|| format!("--src-dir {}", src_dir.display()))?;
        let depth = opts.depth.as_deref().map(parse_depth).transpose()?;
        let mut plan = Plan {
            repositories: Vec::new(),
            links: Vec::new(),
        };
        for refs in wanted(opts, env)? {
            plan.add(Repository::new(refs, &src_dir, depth, opts)?)?;
        }
        let folders: Vec<&Path> = plan.repositories.iter().map(|one| &*one.folder).collect();
        plan.links = links::parse(opts.links.as_deref(), &src_dir, &folders)?;
        Ok(plan)
    }

    /// Adds a repository unless it is there already.
    fn add(&mut self, new: Repository) -> Result<()> {
        let overlapping = self
            .repositories
            .iter()
            .find(|old| old.folder.starts_with(&new.folder) || new.folder.starts_with(&old.folder));
        let Some(old) = overlapping else {
            self.repositories.push(new);
            return Ok(());
        };
        // A list that many jobs share names the repository under test as well.
        let adds_nothing = new.refs.base_ref.is_empty()
            && new.refs.base_sha.is_empty()
            && new.refs.pulls.is_empty();
        if old.folder == new.folder && (adds_nothing || old.refs == new.refs) {
            return Ok(());
        }
        Err(Error::usage(format!(
            "{} and {} cannot both be checked out, in {} and {}",
            old.wanted(),
            new.wanted(),
            old.folder.display(),
            new.folder.display()
        )))
    }
}

impl Repository {
    fn new(refs: Refs, src_dir: &Path, depth: Option<u32>, opts: &Opts) -> Result<Repository> {
        let name = format!("{}/{}", refs.org, refs.repo);
        check_ref(&format!("branch of {name}"), &refs.base_ref)?;
        let url = if refs.clone_uri.is_empty() {
            let base = opts.git_base_url.trim_end_matches('/');
            CloneUrl::parse("--git-base-url", &format!("{base}/{name}"))?
        } else {
            CloneUrl::parse(&format!("clone_uri of {name}"), &refs.clone_uri)?
        };
        let mode = match opts.called_as {
            // The scripts did so; for several pulls they knew nothing to do.
            Some(_) if refs.pulls.len() == 1 => PullMode::Head,
            _ => opts.pr_mode,
        };
        if mode == PullMode::Head && refs.pulls.len() > 1 {
            return Err(Error::usage(format!(
                "--pr-mode head: {name} has {} pull requests, of which only one can be checked out",
                refs.pulls.len()
            )));
        }
        let folder = if refs.path_alias.is_empty() {
            src_dir.join(&refs.org).join(&refs.repo)
        } else {
            src_dir.join(&refs.path_alias)
        };
        let depth = NonZeroU32::new(depth.unwrap_or(refs.clone_depth));
        Ok(Repository {
            history: history(opts.filter.as_deref(), depth, &url, &refs)?,
            sparse: sparse(&opts.sparse)?,
            clean: opts.clean,
            cache: Cache::new(opts),
            depth,
            refs,
            src_dir: src_dir.to_owned(),
            folder,
            url,
            mode,
            stall_timeout: opts.stall_timeout,
            access: Access::default(),
        })
    }

    /// `ORG/REPO`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.refs.org, self.refs.repo)
    }

    /// `ORG/REPO@BASE:SHA,PULL:SHA`.
    fn wanted(&self) -> String {
        format!("{}@{}", self.name(), self.refs)
    }

    /// Git in the repository's folder, and nowhere above it: a folder that is not a repository
    /// yet may lie in another one.
    pub(crate) fn git(&self) -> Git {
        self.git_at(&self.folder)
    }

    /// Git in another folder, with the same settings and credentials.
    pub(crate) fn git_at(&self, folder: &Path) -> Git {
        let above = folder.parent().unwrap_or(folder);
        // Prow's identity, so that the same merge gives the same commit.
        let git = Git::at(folder)
            .env("GIT_CEILING_DIRECTORIES", above)
            .env("GIT_AUTHOR_NAME", "ci-robot")
            .env("GIT_AUTHOR_EMAIL", "ci-robot@k8s.io")
            .env("GIT_COMMITTER_NAME", "ci-robot")
            .env("GIT_COMMITTER_EMAIL", "ci-robot@k8s.io")
            // Large files come in a step of their own, not one by one as files are written.
            .env("GIT_LFS_SKIP_SMUDGE", "1");
        let git = match self.url.username() {
            Some((key, value)) => git.config(key, value),
            None => git,
        };
        let git = lfs::off_unless_installed(git);
        let halt = self.stall_timeout.as_secs().to_string();
        let git = self.access.apply(git).config("http.lowSpeedTime", halt);
        // Merges come out as without any configuration, and no pack waits for the disk: what a
        // killed checkout leaves is told from what is whole, and a machine that goes down takes
        // the job along.
        let git = [
            ("merge.renames", "true"),
            ("merge.directoryRenames", "conflict"),
            ("merge.renormalize", "false"),
            ("merge.default", "text"),
            ("core.attributesFile", "/dev/null"),
            ("core.fsync", "none"),
            ("fetch.unpackLimit", "1"),
            // Files are written by as many processes as there are processors.
            ("checkout.workers", "0"),
        ]
        .into_iter()
        .fold(git, |git, (key, value)| git.config(key, value));
        if self.url.is_local() {
            // A local repository may have local submodules; one from a server may not.
            git.config("protocol.file.allow", "always")
        } else {
            git
        }
    }
}

/// A repository on this machine gives no partial clones unless its owner set it up to; it costs
/// little to have it whole, unless the job says that it is a partial one itself. A few commits
/// have little bulk.
fn history(
    filter: Option<&str>,
    depth: Option<NonZeroU32>,
    url: &CloneUrl,
    refs: &Refs,
) -> Result<History> {
    let is_whole = depth.is_some() || (url.is_local() && refs.blobless_fetch != Some(true));
    let is_word = |filter: &str| {
        let starts_well = filter.starts_with(|c: char| c.is_ascii_alphanumeric());
        let mut chars = filter.chars();
        starts_well && chars.all(|c| c.is_ascii_alphanumeric() || ":=+%/._-".contains(c))
    };
    match filter {
        None if is_whole => Ok(History::Whole),
        None => Ok(History::OnDemand),
        Some("none") => Ok(History::Whole),
        Some(filter) if is_word(filter) => Ok(History::Filtered(filter.to_owned())),
        Some(filter) => Err(Error::usage(format!(
            "--filter {filter:?}: use a filter of git, blob:none for example, or none"
        ))),
    }
}

/// Folders as git's cone mode takes them.
fn sparse(folders: &[String]) -> Result<Vec<String>> {
    let folders = folders.iter().map(|folder| folder.trim_matches('/'));
    let folders: Vec<&str> = folders.filter(|folder| !folder.is_empty()).collect();
    for folder in &folders {
        let is_plain = folder
            .split('/')
            .all(|part| !["", ".", ".."].contains(&part));
        if !is_plain || folder.starts_with('-') || folder.contains(|c: char| c.is_control()) {
            return Err(Error::usage(format!(
                "--sparse {folder:?} is not a folder within a repository"
            )));
        }
    }
    Ok(folders.into_iter().map(str::to_owned).collect())
}

/// 0 is all, as in `clone_depth`.
fn parse_depth(depth: &str) -> Result<u32> {
    match depth {
        "all" => Ok(0),
        number => number
            .parse()
            .map(NonZeroU32::get)
            .or_usage(|| format!("--depth {number:?}: use a number of commits, or all")),
    }
}

/// As shell commands with comments; the same commands that are run.
impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, repository) in self.repositories.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            write!(out, "{repository}")?;
        }
        for link in &self.links {
            writeln!(out, "{link}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "# {} from {}", self.wanted(), self.url)?;
        for step in self.all_steps() {
            let git = match step {
                Step::FetchFiles { .. } => self.git_at(&files_folder(self)),
                _ => self.git(),
            };
            let line = git.command(step.args());
            match step.when() {
                When::Always => writeln!(out, "{line}")?,
                when => writeln!(out, "{line}  # {when}")?,
            }
        }
        Ok(())
    }
}

impl Repository {
    /// Everything that may be run in a new folder, with names where ids are not known yet.
    fn all_steps(&self) -> Vec<Step> {
        let fetched = self.fetched();
        let mut steps = vec![Step::Init];
        let settings = self.settings().into_iter();
        steps.extend(settings.map(|(key, value)| Step::Configure { key, value }));
        steps.extend(self.files_step());
        steps.extend(self.fetch_steps(self.filter(), &[]));
        steps.extend(self.commit_steps(self.filter()));
        let mut target = self.target(&fetched).unwrap_or(fetched.base);
        if !self.checks_out_head() {
            for ((pull, rev), nth) in self.refs.pulls.iter().zip(&fetched.pulls).zip(1..) {
                if self.depth.is_some() {
                    let between = [target.clone(), rev.clone()];
                    steps.push(Step::Deepen { between });
                }
                if self.history == History::OnDemand {
                    let ids = vec![format!("TREES_{nth}")];
                    steps.push(Step::FetchTrees { ids });
                }
                steps.extend(self.merge_steps(pull, &target, rev, &format!("MERGED_TREE_{nth}")));
                target = format!("MERGE_{nth}");
            }
        }
        steps.extend(self.place_steps(&target, false));
        steps
    }
}
