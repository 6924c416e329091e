//! What will be done, checked, as data.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use common::env::{self, Env};
use common::google::gke::{Clusters, Endpoint};
use common::job::Job;
use common::{Error, Result, ResultExt};

use crate::kubeconfig;
use crate::lease::place::Address;
use crate::opts::{ExecPlugin, GetOpts, LeaseOpts, LeasePlaceOpts, Output, PlaceOpts};
use crate::pool::Pool;
use crate::source::{Given, Plugin, command};

/// How long a lease is good for where nobody renews it: as long as a test may take.
const WITHOUT_HEARTBEAT: Duration = Duration::from_hours(2);

const WITH_HEARTBEAT: Duration = Duration::from_mins(1);

/// Shorter ones end before a slow place has answered.
const SHORTEST: Duration = Duration::from_secs(3);

/// What `get` does.
#[derive(Debug)]
pub(crate) struct Get {
    pub(crate) source: Source,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) namespace: Option<String>,
    pub(crate) timeout: Duration,
    pub(crate) output: Output,
}

/// Where the entry comes from.
#[derive(Debug)]
pub(crate) enum Source {
    Gke(Box<Gke>),
    InCluster,
    Existing {
        path: PathBuf,
        context: Option<String>,
        command: String,
    },
    Given(Given),
}

/// A cluster of Google.
#[derive(Debug)]
pub(crate) struct Gke {
    pub(crate) clusters: Clusters,
    pub(crate) which: Which,
    pub(crate) endpoint: Endpoint,
    pub(crate) plugin: Plugin,
    pub(crate) account: Option<String>,
}

/// Which of them.
#[derive(Debug)]
pub(crate) enum Which {
    One { location: String, name: String },
    OfPool { pool: Pool, lease: Option<Lease> },
}

/// Having it alone.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    pub(crate) at: Address,
    pub(crate) holder: String,
    pub(crate) seconds: u32,
    pub(crate) wait: Duration,
    pub(crate) hold: Option<Hold>,
}

/// Renewing it.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) until_file: Option<PathBuf>,
    pub(crate) limit: Duration,
}

impl Get {
    /// Checks what was typed.
    pub(crate) fn new(opts: GetOpts, env: &Env) -> Result<Self> {
        if let Some(namespace) = &opts.namespace {
            check_namespace(namespace)?;
        }
        let kubeconfig = kubeconfig::place(opts.file.kubeconfig.clone(), env)?;
        let (namespace, timeout, output) = (opts.namespace.clone(), opts.timeout, opts.output);
        Ok(Get {
            source: source(opts, env)?,
            // The notes of leases and exec plugins are used from other folders as well.
            kubeconfig: std::path::absolute(&kubeconfig).map_err(|error| {
                Error::usage(format!("find {}", kubeconfig.display())).because(error)
            })?,
            namespace,
            timeout,
            output,
        })
    }
}

fn source(opts: GetOpts, env: &Env) -> Result<Source> {
    let by_address = opts.internal_ip || opts.dns_endpoint;
    let is_gke = opts.cluster.is_some() || opts.place.pool.is_some();
    if by_address && !is_gke {
        return Err(
            Error::usage("--internal-ip and --dns-endpoint are for clusters of Google")
                .hint("name one with --cluster, or --pool"),
        );
    }
    if opts.lease.lease && opts.place.pool.is_none() {
        return Err(Error::usage("--lease takes one cluster of several")
            .hint("name them with --pool; a pattern may be a name as it is"));
    }
    if opts.in_cluster {
        return Ok(Source::InCluster);
    }
    if let Some(path) = opts.from_kubeconfig {
        let (context, command) = (opts.context, command(env)?);
        return Ok(Source::Existing {
            path,
            context,
            command,
        });
    }
    if let (Some(server), Some(token)) = (&opts.server, &opts.token_file) {
        let authority = opts.certificate_authority.as_deref();
        return Given::new(server, token, authority).map(Source::Given);
    }
    gke(opts, env).map(|gke| Source::Gke(Box::new(gke)))
}

fn gke(opts: GetOpts, env: &Env) -> Result<Gke> {
    // Who uses the cluster also looks it up, as with gcloud.
    let account = opts.impersonate_service_account;
    let variable = account
        .as_deref()
        .map(|it| (env::IMPERSONATE_SERVICE_ACCOUNT, it));
    let env: &Env = &env.iter().chain(variable).collect();
    let clusters = clusters(&opts.place, env)?;
    if opts.exec_plugin == ExecPlugin::Gcloud && opts.lease.lease {
        tracing::warn!(
            "gcloud's plugin gives tokens after the lease has run out as well: what uses the \
             kubeconfig has to end before"
        );
    }
    let which = match (opts.cluster, pool(&opts.place)?) {
        (_, Some(pool)) => Which::OfPool {
            pool,
            lease: lease(opts.lease, env)?,
        },
        (Some(name), None) => {
            let location = opts.place.location.ok_or_else(|| {
                Error::usage(format!("it is not said where cluster {name} is"))
                    .hint("name its zone or region with --location")
            })?;
            Which::One { location, name }
        }
        (None, None) => {
            return Err(Error::usage("it is not said which cluster")
                .hint("use --cluster, --pool, --in-cluster, --from-kubeconfig or --server"));
        }
    };
    Ok(Gke {
        clusters,
        which,
        endpoint: match (opts.internal_ip, opts.dns_endpoint) {
            (true, _) => Endpoint::Internal,
            (_, true) => Endpoint::Dns,
            _ => Endpoint::Usual,
        },
        plugin: match opts.exec_plugin {
            ExecPlugin::Own => Plugin::Own(command(env)?),
            ExecPlugin::Gcloud => Plugin::Gcloud,
        },
        account,
    })
}

/// The clusters of the project that was named.
pub(crate) fn clusters(place: &PlaceOpts, env: &Env) -> Result<Clusters> {
    let project = place.project.as_deref();
    let project = project.or_else(|| env.get(env::GOOGLE_CLOUD_PROJECT));
    let project = project.ok_or_else(|| {
        Error::usage("it is not said which project").hint(format!(
            "use --project, or set {} or {}",
            env::CLOUDSDK_CORE_PROJECT,
            env::GOOGLE_CLOUD_PROJECT
        ))
    })?;
    Clusters::of(project, env)
}

/// The pool that was named.
pub(crate) fn pool(place: &PlaceOpts) -> Result<Option<Pool>> {
    let new = |pattern: &String| Pool::new(pattern, place.location.as_deref());
    place.pool.as_ref().map(new).transpose()
}

/// The place of leases that was named.
pub(crate) fn address(at: &LeasePlaceOpts) -> Result<Option<Address>> {
    // Noted for steps that run in other folders.
    let kubeconfig = at.lease_kubeconfig.as_deref().map(std::path::absolute);
    let kubeconfig = kubeconfig
        .transpose()
        .or_usage(|| "find --lease-kubeconfig")?;
    let parse = |url: &String| Address::parse(url, kubeconfig.as_deref());
    at.lease_at.as_ref().map(parse).transpose()
}

fn lease(opts: LeaseOpts, env: &Env) -> Result<Option<Lease>> {
    if !opts.lease {
        return Ok(None);
    }
    let at = address(&opts.at)?.ok_or_else(|| {
        Error::usage("it is not said where the leases are").hint(format!(
            "use --lease-at, or set {}: all runs that share the pool have to name the same place",
            env::CLUSTER_LEASES
        ))
    })?;
    let usual = if opts.hold {
        WITH_HEARTBEAT
    } else {
        WITHOUT_HEARTBEAT
    };
    let duration = opts.lease_duration.unwrap_or(usual);
    let seconds = u32::try_from(duration.as_secs())
        .ok()
        .filter(|it| *it <= 7 * 24 * 3600);
    let seconds = seconds.filter(|_| duration >= SHORTEST).ok_or_else(|| {
        let given = humantime::format_duration(duration);
        Error::usage(format!(
            "--lease-duration {given} is not between 3s and 7days"
        ))
    })?;
    let hold = opts.hold.then(|| Hold {
        until_file: opts.until_file.clone(),
        limit: opts.time_limit,
    });
    Ok(Some(Lease {
        at,
        holder: holder(opts.holder, env),
        seconds,
        wait: opts.wait.unwrap_or_default(),
        hold,
    }))
}

/// A name that people recognise, and that no other process has.
fn holder(named: Option<String>, env: &Env) -> String {
    let of_job = || {
        let job = Job::from_env(env).ok().flatten()?;
        Some(format!("{}-{}", job.name, job.build_id))
    };
    let name = named
        .or_else(of_job)
        .or_else(env::hostname)
        .unwrap_or_default();
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || "-._".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(allowed).take(180).collect();
    format!("{name}-{:016x}", fastrand::u64(..))
}

pub(crate) fn check_namespace(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty() && name.len() <= 63 && name.chars().all(allowed) && !name.starts_with('-') {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{name:?} is not the name of a namespace"
    )))
}

impl fmt::Display for Get {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Gke(gke) => write!(out, "{gke}")?,
            Source::InCluster => writeln!(out, "take the cluster that this pod runs in")?,
            Source::Existing { path, context, .. } => {
                let context = context.as_deref().unwrap_or("the current context");
                writeln!(out, "take {context} of {}", path.display())?;
            }
            Source::Given(given) => writeln!(out, "take {}", given.server())?,
        }
        if let Some(namespace) = &self.namespace {
            writeln!(out, "use namespace {namespace}")?;
        }
        writeln!(out, "write its entry to {}", self.kubeconfig.display())
    }
}

impl fmt::Display for Gke {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let project = self.clusters.project();
        match &self.which {
            Which::One { location, name } => {
                writeln!(
                    out,
                    "look up cluster {name} in {location} of project {project}"
                )?;
            }
            Which::OfPool { pool, lease } => {
                let pattern = pool.pattern.as_str();
                writeln!(
                    out,
                    "take the newest healthy cluster {pattern:?} of project {project}"
                )?;
                if let Some(lease) = lease {
                    write!(out, "{lease}")?;
                }
            }
        }
        if let Some(account) = &self.account {
            writeln!(out, "use it as {account}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, holder) = (self.at.url(), &self.holder);
        let good_for = humantime::format_duration(Duration::from_secs(self.seconds.into()));
        let wait = humantime::format_duration(self.wait);
        writeln!(
            out,
            "lease it at {at} for {good_for} as {holder}, waiting {wait} for it"
        )?;
        if let Some(hold) = &self.hold {
            let limit = humantime::format_duration(hold.limit);
            writeln!(
                out,
                "renew the lease until SIGTERM, for {limit} at most, and give it back"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::opts::{Command, Opts};

    fn plan(args: &[&str]) -> Result<Get> {
        let args = ["kubeconfig-setup", "get", "--kubeconfig=k"]
            .iter()
            .chain(args);
        let Command::Get(opts) = Opts::try_parse_from(args).unwrap().command else {
            panic!("it is get");
        };
        Get::new(*opts, &Env::default())
    }

    #[test]
    fn what_is_missing_is_asked_for() {
        for (args, said) in [
            (&["--cluster=c", "--zone=z"][..], "which project"),
            (&["--cluster=c", "--project=p"], "where cluster c is"),
            (&["--project=p"], "which cluster"),
            (&["--in-cluster", "--lease"], "one cluster of several"),
            (&["--in-cluster", "--internal-ip"], "for clusters of Google"),
            (
                &["--project=p", "--pool=x*", "--lease"],
                "where the leases are",
            ),
            (&["--project=p", "--pool=["], "no pattern"),
            (
                &["--project=p/../q", "--cluster=c", "--zone=z"],
                "name of a project",
            ),
            (&["--in-cluster", "--namespace=../x"], "name of a namespace"),
            (
                &[
                    "--project=p",
                    "--pool=x",
                    "--lease",
                    "--lease-at=file:///l",
                    "--lease-duration=1s",
                ],
                "not between",
            ),
        ] {
            let error = plan(args).unwrap_err();
            assert!(
                error.report().contains(said),
                "{args:?}: {}",
                error.report()
            );
            assert_eq!(error.exit(), common::Exit::Usage);
        }
    }

    #[test]
    fn the_cluster_is_looked_up_as_whom_it_is_used() {
        let account = "e2e@p.iam.gserviceaccount.com";
        let flag = format!("--impersonate-service-account={account}");
        let args = ["--project=p", "--cluster=c", "--zone=z", &flag];
        let Source::Gke(gke) = plan(&args).unwrap().source else {
            panic!("it is of Google");
        };
        assert_eq!(gke.clusters.identity(), account);
        assert_eq!(gke.account.as_deref(), Some(account));
    }

    #[test]
    fn the_project_is_the_environments_where_nobody_names_one() {
        let place = |project: Option<&str>| PlaceOpts {
            project: project.map(str::to_owned),
            location: None,
            pool: None,
        };
        let env = [(env::GOOGLE_CLOUD_PROJECT, "theirs")]
            .into_iter()
            .collect();
        let project = |named| clusters(&place(named), &env).unwrap().project().to_owned();
        assert_eq!(project(None), "theirs");
        assert_eq!(project(Some("mine")), "mine");
    }

    #[test]
    fn the_kubeconfig_of_the_leases_is_found_from_other_folders() {
        let at = LeasePlaceOpts {
            lease_at: Some("kubernetes://ci".to_owned()),
            lease_kubeconfig: Some("leases.kubeconfig".into()),
        };
        let address = address(&at).unwrap().unwrap();
        assert!(address.kubeconfig().unwrap().is_absolute());
    }

    #[test]
    fn each_holder_has_a_name_of_its_own() {
        let name = |named: &str| holder(Some(named.to_owned()), &Env::default());
        assert!(name("a/b c").starts_with("a-b-c-"));
        assert_ne!(name("x"), name("x"));
    }
}
