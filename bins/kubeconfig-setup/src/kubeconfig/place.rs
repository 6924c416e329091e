//! Which file is the kubeconfig.

use std::path::{Path, PathBuf};

use common::env::{self, Env};
use common::{Error, Result};

/// The file that was named, that of `KUBECONFIG` (of several the first, as kubectl and gcloud
/// write) or `KUBE_CONFIG`, else `.kube/config` in the run folder, whose `src` is `SRC_DIR`. A
/// person's own file is written to only where it is named.
pub(crate) fn place(named: Option<PathBuf>, env: &Env) -> Result<PathBuf> {
    let of_variable = || env.paths(env::KUBECONFIG).into_iter().next();
    let of_other = || env.get(env::KUBE_CONFIG).map(PathBuf::from);
    let of_run = || {
        let run = Path::new(env.get(env::SRC_DIR)?).parent()?;
        Some(run.join(".kube/config"))
    };
    (named.or_else(of_variable).or_else(of_other))
        .or_else(of_run)
        .ok_or_else(|| {
            Error::usage("it is not said where the kubeconfig is")
                .hint("name it with --kubeconfig, or set KUBECONFIG")
        })
}

/// The same for whoever only reads: all files of `KUBECONFIG`, which count as one.
pub(crate) fn places(named: Option<PathBuf>, env: &Env) -> Result<Vec<PathBuf>> {
    let all = env.paths(env::KUBECONFIG);
    if named.is_some() || all.is_empty() {
        return place(named, env).map(|path| vec![path]);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_counts() {
        let all = [
            (env::SRC_DIR, "/run/w/src"),
            (env::KUBE_CONFIG, "/b"),
            (env::KUBECONFIG, ":/a:/c"),
        ];
        let of = |variables: &[(&str, &str)]| place(None, &variables.iter().copied().collect());
        assert_eq!(of(&all).unwrap(), Path::new("/a"));
        assert_eq!(of(&all[..2]).unwrap(), Path::new("/b"));
        assert_eq!(of(&all[..1]).unwrap(), Path::new("/run/w/.kube/config"));
        assert!(of(&[]).is_err());
        let env = all.into_iter().collect();
        assert_eq!(place(Some("x".into()), &env).unwrap(), Path::new("x"));
        let all = |named: Option<PathBuf>| places(named, &env).unwrap();
        assert_eq!(all(None), [Path::new("/a"), Path::new("/c")]);
        assert_eq!(all(Some("x".into())), [Path::new("x")]);
    }
}
