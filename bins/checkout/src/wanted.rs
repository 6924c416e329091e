//! Which repositories are wanted: the job's refs, and the lists of `--repos` and `EXTRA_REPOS`.

use common::env::{self, Env};
use common::job::{Pull, Refs, Sources, check_ref, check_segment, check_sha};
use common::{Error, Result, ResultExt};

use crate::opts::{CalledAs, Opts};

/// All that is wanted, the repository under test first.
pub(crate) fn wanted(opts: &Opts, env: &Env) -> Result<Vec<Refs>> {
    let mut wanted = Vec::new();
    let reads_variables = opts.called_as != Some(CalledAs::CheckoutReposSh);
    if reads_variables {
        let sources = Sources::from_env(env)?;
        wanted.extend(sources.refs);
        wanted.extend(sources.extra_refs);
    }
    let job = wanted.len();
    wanted.extend(entries("--repos", opts.repos.as_deref(), ',')?);
    if reads_variables {
        for entry in entries(env::EXTRA_REPOS, opts.extra_repos.as_deref(), ';')? {
            // Many jobs share such a list; the job knows better what it tests.
            if let Some(tested) = wanted[..job].iter().find(|refs| is_same(refs, &entry)) {
                tell_left_out(&entry, tested);
            } else {
                wanted.push(entry);
            }
        }
        for entry in entries("--default-repos", opts.default_repos.as_deref(), ',')? {
            if !wanted.iter().any(|refs| is_same(refs, &entry)) {
                wanted.push(entry);
            }
        }
    }
    if wanted.is_empty() {
        return Err(Error::usage("there is nothing to check out").hint(
            "looked for refs and extra_refs in JOB_SPEC, for REPO_OWNER and REPO_NAME, and for \
             repositories in --repos and --extra-repos (EXTRA_REPOS)",
        ));
    }
    Ok(wanted)
}

/// The entries of a list.
fn entries(name: &str, list: Option<&str>, separator: char) -> Result<Vec<Refs>> {
    let entries = list.unwrap_or_default().split(separator).map(str::trim);
    let entries = entries.filter(|entry| !entry.is_empty());
    entries.map(|entry| parse(name, entry)).collect()
}

/// Whether both would be in one folder.
fn is_same(one: &Refs, other: &Refs) -> bool {
    let place = |refs: &Refs| match refs.path_alias.as_str() {
        "" => format!("{}/{}", refs.org, refs.repo),
        alias => alias.to_owned(),
    };
    place(one) == place(other)
}

fn tell_left_out(entry: &Refs, tested: &Refs) {
    let adds_nothing = entry.to_string().is_empty() || entry.to_string() == tested.to_string();
    if !adds_nothing {
        tracing::warn!(
            "{}/{} is checked out at {tested} as the job says, not at {entry} as EXTRA_REPOS says",
            entry.org,
            entry.repo,
        );
    }
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

/// Whether a revision reads as a commit id. A tag or branch of hexadecimal digits, a date for
/// example, still works: those are looked for first.
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
            ("JOB_TYPE", "periodic"),
            ("REPO_OWNER", "o"),
            ("REPO_NAME", "r"),
            ("BRANCH_NAME", "release"),
        ]
        .into_iter()
        .collect();
        assert_eq!(wanted(&opts(&[]), &env).unwrap()[0].base_ref, "release");
    }

    fn names(args: &[&str], env: &[(&str, &str)]) -> Vec<String> {
        let wanted = wanted(&opts(args), &env.iter().copied().collect()).unwrap();
        let name = |refs: &Refs| format!("{}/{}@{refs}", refs.org, refs.repo);
        wanted.iter().map(name).collect()
    }

    #[test]
    fn a_list_that_jobs_share_does_not_move_the_repository_under_test() {
        let job = [
            ("REPO_OWNER", "o"),
            ("REPO_NAME", "r"),
            ("PULL_BASE_REF", "main"),
        ];
        let lists = ["--extra-repos=o/r@v1;o/x@v1", "--default-repos=o/x,o/r,o/y"];
        assert_eq!(names(&lists, &job), ["o/r@main", "o/x@v1", "o/y@"]);
        // What was said to this run alone is not overheard: the plan refuses it.
        assert_eq!(names(&["--repos=o/r@v1"], &job), ["o/r@main", "o/r@v1"]);
    }

    #[test]
    fn checkout_repos_sh_reads_its_arguments_alone() {
        let env = [
            ("REPO_OWNER", "o"),
            ("REPO_NAME", "r"),
            ("DEFAULT_REPOS", "o/d"),
        ];
        let args = [
            "--called-as=checkout_repos.sh",
            "--repos=o/x",
            "--extra-repos=o/e",
        ];
        assert_eq!(names(&args, &env), ["o/x@"]);
    }

    #[test]
    fn a_presubmit_without_its_pull_request_is_refused() {
        let env = [
            ("JOB_TYPE", "presubmit"),
            ("REPO_OWNER", "o"),
            ("REPO_NAME", "r"),
        ];
        let error = wanted(&opts(&[]), &env.into_iter().collect()).unwrap_err();
        assert_eq!(error.exit(), common::Exit::Usage);
    }

    #[test]
    fn nothing_wanted_says_where_it_looked() {
        let error = wanted(&opts(&["--repos= , "]), &Env::default()).unwrap_err();
        let report = error.report();
        for name in ["JOB_SPEC", "REPO_OWNER", "--repos", "EXTRA_REPOS"] {
            assert!(report.contains(name), "{report}");
        }
    }
}
