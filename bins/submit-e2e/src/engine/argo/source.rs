//! Where the cluster is, and who we are there.

mod gke;

use std::fmt;
use std::path::{Path, PathBuf};

use common::env::{self, Env};
use common::{Error, Result, ResultExt};
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::opts::ClusterOpts;

/// Where Kubernetes mounts a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What leads to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Kubeconfig files, the first one's say before the others'.
    Kubeconfig {
        files: Vec<PathBuf>,
        /// What named them.
        named_by: &'static str,
    },
    /// A cluster of Google Kubernetes Engine.
    Gke {
        project: String,
        /// Its zone or region.
        location: String,
        name: String,
    },
    /// The service account of the pod that this runs in.
    InCluster,
}

impl Source {
    /// What is configured: an option before a variable, a variable before the pod's own account.
    pub(crate) fn find(opts: &ClusterOpts, project: Option<&str>, env: &Env) -> Option<Source> {
        let kubeconfig = |files: Vec<PathBuf>, named_by| Source::Kubeconfig { files, named_by };
        // None of the three goes without the others: the command line sees to it.
        if let (Some(project), Some(location), Some(name)) = (project, &opts.zone, &opts.cluster) {
            return Some(Source::Gke {
                project: project.to_owned(),
                location: location.clone(),
                name: name.clone(),
            });
        }
        if let Some(file) = &opts.kubeconfig {
            return Some(kubeconfig(vec![file.clone()], "--kubeconfig"));
        }
        for name in [env::KUBECONFIG, env::KUBE_CONFIG] {
            let files = env.paths(name);
            if !files.is_empty() {
                return Some(kubeconfig(files, name));
            }
        }
        let in_cluster = env.get("KUBERNETES_SERVICE_HOST").is_some()
            && Path::new(SERVICE_ACCOUNT).join("token").exists();
        in_cluster.then_some(Source::InCluster)
    }

    /// As [`Source::find`]; where nothing is configured the file that kubectl reads.
    pub(crate) fn of_person(
        opts: &ClusterOpts,
        project: Option<&str>,
        env: &Env,
    ) -> Result<Source> {
        if let Some(source) = Source::find(opts, project, env) {
            return Ok(source);
        }
        let home = env.get(env::HOME).map(Path::new);
        match home.map(|home| home.join(".kube/config")) {
            Some(file) if file.exists() => Ok(Source::Kubeconfig {
                files: vec![file],
                named_by: "~/.kube/config",
            }),
            _ => Err(Error::usage("no cluster is configured").hint(
                "name one with --kubeconfig FILE or KUBECONFIG, or one of Google's with --project, \
                 --zone and --cluster, or run this in a pod whose service account may use Argo Workflows",
            )),
        }
    }

    /// Reads how to reach it.
    pub(super) async fn config(&self, env: &Env) -> Result<Config> {
        let what = || format!("find the cluster by {self}");
        let kubeconfig = match self {
            Source::InCluster => return Config::incluster().or_usage(what),
            Source::Kubeconfig { files, .. } => merged(files, what)?,
            Source::Gke {
                project,
                location,
                name,
                // What asks Google is large, and rarely needed.
            } => Box::pin(gke::kubeconfig(project, location, name, env)).await?,
        };
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        config.or_usage(what)
    }
}

/// Several kubeconfig files as one.
fn merged(files: &[PathBuf], what: impl Fn() -> String) -> Result<Kubeconfig> {
    let mut merged: Option<Kubeconfig> = None;
    // As kubectl has it: of several files those that are missing do not count.
    let several = files.len() > 1;
    for file in files.iter().filter(|file| !several || file.exists()) {
        let next = Kubeconfig::read_from(file).or_usage(&what)?;
        merged = Some(match merged {
            Some(merged) => merged.merge(next).or_usage(&what)?,
            None => next,
        });
    }
    merged.ok_or_else(|| Error::usage(what()).because("none of the files is there".to_owned()))
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::InCluster => out.write_str("the pod's service account"),
            Source::Gke {
                project,
                location,
                name,
            } => write!(out, "--cluster ({name} in {location} of project {project})"),
            Source::Kubeconfig { files, named_by } => {
                let files: Vec<_> = files
                    .iter()
                    .map(|file| file.display().to_string())
                    .collect();
                write!(out, "{named_by} ({})", files.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(kubeconfig: Option<&str>, variables: &[(&str, &str)]) -> Option<String> {
        let opts = ClusterOpts {
            kubeconfig: kubeconfig.map(PathBuf::from),
            ..ClusterOpts::default()
        };
        let env: Env = variables.iter().copied().collect();
        Source::find(&opts, Some("p"), &env).map(|source| source.to_string())
    }

    #[test]
    fn an_option_goes_before_a_variable() {
        let variables = [("KUBECONFIG", "/a:/b:"), ("KUBE_CONFIG", "/c")];
        assert_eq!(found(Some("/o"), &variables).unwrap(), "--kubeconfig (/o)");
        assert_eq!(found(None, &variables).unwrap(), "KUBECONFIG (/a, /b)");
        assert_eq!(found(None, &variables[1..]).unwrap(), "KUBE_CONFIG (/c)");
        assert_eq!(found(None, &[("KUBECONFIG", ":")]), None);
    }

    #[test]
    fn a_cluster_of_google_goes_before_a_variable() {
        let opts = ClusterOpts {
            cluster: Some("c".to_owned()),
            zone: Some("z".to_owned()),
            ..ClusterOpts::default()
        };
        let env: Env = [("KUBECONFIG", "/a")].into_iter().collect();
        let found = Source::find(&opts, Some("p"), &env).unwrap();
        assert_eq!(found.to_string(), "--cluster (c in z of project p)");
    }

    #[test]
    fn nothing_configured_says_what_to_do() {
        let opts = ClusterOpts::default();
        let error = Source::of_person(&opts, None, &Env::default()).unwrap_err();
        assert!(error.report().contains("--kubeconfig FILE"), "{error:?}");
    }
}
