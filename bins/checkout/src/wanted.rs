//! Which repositories are wanted: the job's refs, and the lists of `--repos` and `EXTRA_REPOS`.

use common::env::{self, Env};
use common::job::{Job, JobType, Pull, Refs, check_ref, check_segment, check_sha};
use common::{Error, Result, ResultExt};

use crate::opts::Opts;

/// All that is wanted, the repository under test first.
pub(crate) fn wanted(opts: &Opts, env: &Env) -> Result<Vec<Refs>> {
    let mut wanted = Vec::new();
    if let Some(job) = Job::from_env(env)? {
        wanted.extend(job.refs.map(|refs| with_branch(refs, job.job_type, env)));
        wanted.extend(job.extra_refs);
    }
    // The same repository may be named again by a list that many jobs share: the job's word holds.
    for (name, list, separator) in [
        ("--repos", &opts.repos, ','),
        (env::EXTRA_REPOS, &opts.extra_repos, ';'),
    ] {
        let entries = list.as_deref().unwrap_or_default().split(separator);
        for entry in entries.map(str::trim).filter(|entry| !entry.is_empty()) {
            wanted.push(parse(name, entry)?);
        }
    }
    if wanted.is_empty() {
        return Err(Error::usage("there is nothing to check out").hint(
            "looked for refs and extra_refs in JOB_SPEC, for REPO_OWNER and REPO_NAME (with \
             JOB_NAME and JOB_TYPE), and for repositories in --repos and --extra-repos (EXTRA_REPOS)",
        ));
    }
    Ok(wanted)
}

/// Periodic jobs may name their branch by a variable of its own.
fn with_branch(mut refs: Refs, job_type: JobType, env: &Env) -> Refs {
    if job_type == JobType::Periodic
        && refs.base_ref.is_empty()
        && let Some(branch) = env.get(env::BRANCH_NAME)
    {
        branch.clone_into(&mut refs.base_ref);
    }
    refs
}

/// Reads `ORG/NAME`, `ORG/NAME@REV`, `ORG/NAME@COMMIT:PULL` or `ORG/NAME@HEAD:PULL`.
fn parse(list: &str, entry: &str) -> Result<Refs> {
    let in_entry = || format!("{list}: {entry:?}");
    let (name, rev) = entry.split_once('@').unwrap_or((entry, "HEAD"));
    let (org, repo) = name
        .split_once('/')
        .ok_or_else(|| Error::usage(in_entry()).because("a repository is written ORG/NAME"))?;
    check_segment("organisation", org).or_usage(in_entry)?;
    check_segment("repository", repo).or_usage(in_entry)?;
    let mut refs = Refs {
        org: org.to_owned(),
        repo: repo.to_owned(),
        ..Refs::default()
    };
    match rev.split_once(':') {
        Some((rev, number)) => {
            let number = number.parse().or_usage(|| {
                format!("{}: {number:?} is not a pull request's number", in_entry())
            })?;
            if rev != "HEAD" && !is_commit(rev) {
                return Err(Error::usage(in_entry())
                    .because("before a pull request's number comes a commit id or HEAD"));
            }
            let sha = if rev == "HEAD" { "" } else { rev };
            refs.pulls.push(Pull {
                number,
                sha: sha.to_owned(),
                ..Pull::default()
            });
        }
        None if rev == "HEAD" => {}
        None if rev.is_empty() => {
            return Err(Error::usage(in_entry()).because("nothing follows the @"));
        }
        None if is_commit(rev) => rev.clone_into(&mut refs.base_sha),
        None => {
            check_ref("branch or tag", rev).or_usage(in_entry)?;
            rev.clone_into(&mut refs.base_ref);
        }
    }
    Ok(refs)
}

/// Whether a revision reads as a commit id. A tag of hexadecimal digits, a date for example,
/// still works: git looks for tags first.
fn is_commit(rev: &str) -> bool {
    rev.len() >= 7 && check_sha("", rev).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opts(args: &[&str]) -> Opts {
        let args = ["checkout", "--src-dir=/src"]
            .into_iter()
            .chain(args.iter().copied());
        <Opts as clap::Parser>::try_parse_from(args).unwrap()
    }

    #[test]
    fn entries_of_a_list() {
        let refs = |entry| parse("--repos", entry).unwrap();
        assert_eq!(refs("o/r"), refs("o/r@HEAD"));
        assert_eq!(refs("o/r@release-1.0").base_ref, "release-1.0");
        assert_eq!(refs("o/r@abcdef1").base_sha, "abcdef1");
        let pull = &refs("o/r@abcdef1:12").pulls[0];
        assert_eq!((pull.number, pull.sha.as_str()), (12, "abcdef1"));
        let pull = &refs("o/r@HEAD:12").pulls[0];
        assert_eq!((pull.number, pull.sha.as_str()), (12, ""));
    }

    #[test]
    fn entries_that_are_none() {
        for entry in [
            "r",
            "/r",
            "o/",
            "../r",
            "o/..",
            "o/r/x",
            "-o/r",
            "o/-r",
            "o/r@",
            "o/r@-x",
            "o/r@a..b",
            "o/r@a b",
            "o/r@main:1",
            "o/r@HEAD:x",
            "o/r@HEAD:-1",
            "o/r@HEAD:",
        ] {
            let error = parse("EXTRA_REPOS", entry).unwrap_err();
            assert_eq!(error.exit(), common::Exit::Usage, "{entry}");
            assert!(error.report().starts_with("EXTRA_REPOS: "), "{entry}");
        }
    }

    #[test]
    fn a_periodic_jobs_branch_comes_from_its_variable() {
        let env: Env = [
            ("JOB_NAME", "nightly"),
            ("JOB_TYPE", "periodic"),
            ("BUILD_ID", "1"),
            ("REPO_OWNER", "o"),
            ("REPO_NAME", "r"),
            ("BRANCH_NAME", "release"),
        ]
        .into_iter()
        .collect();
        assert_eq!(wanted(&opts(&[]), &env).unwrap()[0].base_ref, "release");
    }

    #[test]
    fn nothing_wanted_says_where_it_looked() {
        let error = wanted(&opts(&["--repos= , "]), &Env::default()).unwrap_err();
        let report = error.report();
        for name in [
            "JOB_SPEC",
            "REPO_OWNER",
            "JOB_TYPE",
            "--repos",
            "EXTRA_REPOS",
        ] {
            assert!(report.contains(name), "{report}");
        }
    }
}
