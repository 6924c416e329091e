//! The scripts that this program stands in for, `checkout.sh` and `checkout_repos.sh` of
//! kubeflow/testing: the same names and arguments, checked out by the same code.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::opts::CalledAs;

/// Places the repository of a Prow job, as its variables say, and `EXTRA_REPOS` under a folder.
/// A pull request is checked out at its head; `checkout` merges it.
#[derive(Debug, Parser)]
#[command(name = "checkout.sh", disable_version_flag = true)]
struct CheckoutSh {
    /// Folder that gets ORG/NAME for each repository
    src_dir: PathBuf,
}

/// Places repositories under a folder. A pull request is checked out at its head, or at the
/// commit that is named; `checkout` merges it.
#[derive(Debug, Parser)]
#[command(name = "checkout_repos.sh", disable_version_flag = true)]
struct CheckoutReposSh {
    /// Repositories: ORG/NAME@COMMIT, @BRANCH, @HEAD, @COMMIT:PULL or @HEAD:PULL
    #[arg(long, value_name = "A,B")]
    repos: String,

    /// Folder that gets ORG/NAME for each repository
    #[arg(long = "src_dir", alias = "src-dir", value_name = "DIR")]
    src_dir: PathBuf,

    /// Links to make in the folder: LINK leads to ORG/NAME
    #[arg(long, value_name = "ORG/NAME=LINK,…")]
    links: Option<String>,

    /// Number of commits to fetch
    #[arg(long, value_name = "N|all")]
    depth: Option<String>,
}

/// Turns a script's command line into the program's own; one that is not called as a script
/// stays as it is.
pub fn called(args: Vec<OsString>) -> Result<Vec<OsString>, clap::Error> {
    let name = args.first().map(Path::new).and_then(Path::file_name);
    // The program calls itself for git's sake, by whatever name it is installed.
    let is_for_git = args.get(1).is_some_and(|arg| arg == "credential") && args.len() > 2;
    let name = name.and_then(|name| name.to_str()).filter(|_| !is_for_git);
    let mut own = vec![OsString::from("checkout")];
    let mut add = |flag: &str, value: Option<OsString>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let mut flag = OsString::from(flag);
            flag.push(value);
            own.push(flag);
        }
    };
    let called_as = |script: CalledAs| Some(OsString::from(script.as_str()));
    match name {
        Some("checkout.sh") => {
            let opts = CheckoutSh::try_parse_from(args)?;
            add("--called-as=", called_as(CalledAs::CheckoutSh));
            add("--src-dir=", Some(opts.src_dir.into()));
        }
        Some("checkout_repos.sh") => {
            let opts = CheckoutReposSh::try_parse_from(args)?;
            add("--called-as=", called_as(CalledAs::CheckoutReposSh));
            add("--src-dir=", Some(opts.src_dir.into()));
            add("--repos=", Some(opts.repos.into()));
            add("--links=", opts.links.map(Into::into));
            add("--depth=", opts.depth.map(Into::into));
        }
        _ => return Ok(args),
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(args: &[&str]) -> Vec<OsString> {
        called(args.iter().map(OsString::from).collect()).unwrap()
    }

    #[test]
    fn only_the_scripts_names_change_the_command_line() {
        for args in [
            &["/usr/bin/checkout", "--src-dir", "x"][..],
            &["/usr/local/bin/checkout.sh", "credential", "get"],
            &[],
        ] {
            assert_eq!(own(args), args, "{args:?}");
        }
        assert_eq!(
            own(&["/usr/local/bin/checkout.sh", "/src"]),
            ["checkout", "--called-as=checkout.sh", "--src-dir=/src"]
        );
        assert_eq!(
            own(&[
                "checkout_repos.sh",
                "--repos=o/r@HEAD:1",
                "--src_dir=/s",
                "--depth=all",
                "--links="
            ]),
            [
                "checkout",
                "--called-as=checkout_repos.sh",
                "--src-dir=/s",
                "--repos=o/r@HEAD:1",
                "--depth=all"
            ]
        );
    }

    #[test]
    fn a_value_that_looks_like_a_flag_stays_a_value() {
        let args = own(&["checkout_repos.sh", "--repos=--dry-run", "--src_dir=s"]);
        assert_eq!(args[3], "--repos=--dry-run");
    }
}
