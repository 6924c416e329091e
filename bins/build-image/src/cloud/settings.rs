//! Where and on what Cloud Build builds, checked.

use std::time::Duration;

use common::bucket::is_bucket;
use common::env::{self, Env};
use common::{Error, Result};

use crate::opts::CloudOpts;
use crate::registry::Name;

/// Builds that are bound to no region.
const GLOBAL: &str = "global";

/// A folder of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) bucket: String,
    /// Without slashes around it; empty for the bucket itself.
    pub(crate) folder: String,
}

/// Where and on what Cloud Build builds.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) project: String,
    pub(crate) location: String,
    pub(crate) machine_type: Option<String>,
    pub(crate) disk_size_gb: Option<u64>,
    pub(crate) worker_pool: Option<String>,
    pub(crate) service_account: Option<String>,
    pub(crate) logs: Option<Folder>,
    pub(crate) staging: Folder,
    /// Whether nobody chose the staging bucket: then its name could be anybody's.
    pub(crate) staging_is_default: bool,
    /// Whether nobody waits for the build.
    pub(crate) detached: bool,
}

impl Settings {
    /// Checks what was typed. `pool` is the worker pool that a config names.
    pub(crate) fn new(
        opts: &CloudOpts,
        project: Option<String>,
        pool: Option<&str>,
    ) -> Result<Self> {
        let project = project.ok_or_else(|| {
            Error::usage("no project to build in")
                .hint("give --project, or an image in gcr.io/PROJECT")
        })?;
        check("--project", &project, |c| {
            c.is_ascii_alphanumeric() || "-.:_".contains(c)
        })?;
        let pool_region = opts
            .worker_pool
            .as_deref()
            .map(region_of_pool)
            .transpose()?;
        let location = match opts.region.clone().or(pool_region) {
            Some(location) => Some(location),
            None => pool.map(region_of_config).transpose()?,
        };
        let location = location.unwrap_or_else(|| GLOBAL.to_owned());
        check("--region", &location, |c| {
            c.is_ascii_alphanumeric() || c == '-'
        })?;
        let folder = |flag, url: &Option<String>| {
            url.as_deref()
                .map(|url| Folder::parse(flag, url))
                .transpose()
        };
        let staging = folder("--staging-bucket", &opts.staging_bucket)?;
        Ok(Settings {
            machine_type: opts.machine_type.as_deref().map(machine_type).transpose()?,
            disk_size_gb: opts.disk_size.as_deref().map(gigabytes).transpose()?,
            worker_pool: opts.worker_pool.clone(),
            service_account: opts.service_account.clone(),
            logs: folder("--log-bucket", &opts.log_bucket)?,
            staging_is_default: staging.is_none(),
            staging: staging.unwrap_or_else(|| default_staging(&project)),
            detached: opts.detached,
            location,
            project,
        })
    }
}

/// The project that is meant: the one that was typed, the environment's, the image's.
pub(crate) fn project(opts: &CloudOpts, env: &Env, names: &[Name]) -> Option<String> {
    let of_env = |name| env.get(name).map(str::to_owned);
    opts.project
        .clone()
        .or_else(|| of_env(env::CLOUDSDK_CORE_PROJECT))
        .or_else(|| of_env(env::GOOGLE_CLOUD_PROJECT))
        .or_else(|| names.iter().find_map(Name::project))
}

impl Folder {
    fn parse(flag: &str, url: &str) -> Result<Self> {
        let rest = url.strip_prefix("gs://").unwrap_or_default();
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() || url.contains(char::is_control) {
            return Err(Error::usage(format!(
                "{flag} {url:?} is not gs://BUCKET[/FOLDER]"
            )));
        }
        if !is_bucket(bucket) {
            return Err(
                Error::usage(format!("{flag} {url:?}: {bucket:?} is no bucket's name"))
                    .hint("it has 3 to 222 small letters, digits, - _ and ."),
            );
        }
        Ok(Folder {
            bucket: bucket.to_owned(),
            folder: folder.trim_matches('/').to_owned(),
        })
    }

    /// Reads what Cloud Build calls it, with or without `gs://`.
    pub(crate) fn of_build(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("gs://").unwrap_or(text);
        Folder::parse("", &format!("gs://{rest}")).ok()
    }

    /// The name of an object in it.
    pub(crate) fn object(&self, name: &str) -> String {
        match self.folder.as_str() {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        }
    }
}

impl std::fmt::Display for Folder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "gs://{}", self.bucket)?;
        match self.folder.as_str() {
            "" => Ok(()),
            folder => write!(out, "/{folder}"),
        }
    }
}

/// The bucket that gcloud takes, and makes.
fn default_staging(project: &str) -> Folder {
    // No bucket may have `google` in its name.
    let project = project.replace([':', '.'], "_").replace("google", "elgoog");
    Folder {
        bucket: format!("{project}_cloudbuild"),
        folder: "source".to_owned(),
    }
}

fn check(flag: &str, value: &str, allowed: impl Fn(char) -> bool) -> Result<()> {
    if !value.is_empty() && value.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::usage(format!("{flag} {value:?} is none")))
}

/// `e2-highcpu-8` is `E2_HIGHCPU_8` to the API.
fn machine_type(typed: &str) -> Result<String> {
    check("--machine-type", typed, |c| {
        c.is_ascii_alphanumeric() || "-_".contains(c)
    })?;
    Ok(typed.to_ascii_uppercase().replace('-', "_"))
}

/// gcloud's sizes: a bare number is in GB.
fn gigabytes(typed: &str) -> Result<u64> {
    let upper = typed.trim().to_ascii_uppercase();
    let end = upper
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(upper.len());
    let (number, unit) = upper.split_at(end);
    let factor = match unit.trim() {
        "" | "G" | "GB" | "GIB" => Some(1),
        "T" | "TB" | "TIB" => Some(1024),
        _ => None,
    };
    let size = factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor));
    size.filter(|size| *size > 0)
        .ok_or_else(|| Error::usage(format!("--disk-size {typed:?} is no size, such as 100GB")))
}

/// The same of the pool that a config names: builds in it run nowhere else.
fn region_of_config(pool: &str) -> Result<String> {
    let region = region_of_pool(pool).ok().filter(|it| !it.contains('$'));
    region.ok_or_else(|| {
        let pool = common::on_one_line(pool);
        Error::usage(format!(
            "where the config's worker pool {pool} is, is not known"
        ))
        .because("its name is not projects/P/locations/R/workerPools/W")
        .hint("--region says it")
    })
}

/// The region in `projects/P/locations/R/workerPools/W`.
fn region_of_pool(pool: &str) -> Result<String> {
    let parts: Vec<&str> = pool.split('/').collect();
    match parts[..] {
        ["projects", _, "locations", region, "workerPools", name]
            if !region.is_empty() && !name.is_empty() =>
        {
            Ok(region.to_owned())
        }
        _ => Err(Error::usage(format!(
            "--worker-pool {pool:?} is not projects/P/locations/R/workerPools/W"
        ))),
    }
}

/// A duration as the API has it, in whole seconds.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opts() -> CloudOpts {
        CloudOpts {
            project: None,
            region: None,
            machine_type: None,
            disk_size: None,
            worker_pool: None,
            service_account: None,
            log_bucket: None,
            staging_bucket: None,
            detached: false,
        }
    }

    fn settings(opts: &CloudOpts) -> Result<Settings> {
        Settings::new(opts, Some("p".to_owned()), None)
    }

    #[test]
    fn a_pool_says_where_it_is() {
        let pool = Some("projects/q/locations/eu-west1/workerPools/w".to_owned());
        let mut opts = CloudOpts {
            worker_pool: pool,
            ..opts()
        };
        assert_eq!(settings(&opts).unwrap().location, "eu-west1");
        opts.region = Some("us-west1".to_owned());
        assert_eq!(settings(&opts).unwrap().location, "us-west1");
        opts.worker_pool = Some("w".to_owned());
        assert!(settings(&opts).is_err());
        assert_eq!(settings(&super::tests::opts()).unwrap().location, GLOBAL);
        // That of a config, unless something else is typed.
        let of_config =
            |opts: &CloudOpts, pool: &str| Settings::new(opts, Some("p".to_owned()), Some(pool));
        let none = super::tests::opts();
        let pool = "projects/q/locations/eu-west1/workerPools/w";
        assert_eq!(of_config(&none, pool).unwrap().location, "eu-west1");
        let pool = "projects/q/locations/$LOCATION/workerPools/w";
        assert!(
            of_config(&none, pool)
                .unwrap_err()
                .report()
                .contains("--region")
        );
        let there = CloudOpts {
            region: Some("us-west1".to_owned()),
            ..none
        };
        assert_eq!(of_config(&there, pool).unwrap().location, "us-west1");
    }

    #[test]
    fn the_default_bucket_is_gclouds() {
        for (project, bucket) in [
            ("p-1", "p-1_cloudbuild"),
            ("google.com:my-google", "elgoog_com_my-elgoog_cloudbuild"),
        ] {
            let settings = Settings::new(&opts(), Some(project.to_owned()), None).unwrap();
            assert!(settings.staging_is_default);
            assert_eq!(settings.staging.bucket, bucket);
            assert_eq!(settings.staging.object("x.tgz"), "source/x.tgz");
        }
    }

    #[test]
    fn sizes_and_machines_are_those_of_gcloud() {
        assert_eq!(machine_type("e2-highcpu-8").unwrap(), "E2_HIGHCPU_8");
        assert_eq!(gigabytes("100GB").unwrap(), 100);
        assert_eq!(gigabytes("100").unwrap(), 100);
        assert_eq!(gigabytes("1tb").unwrap(), 1024);
        for size in [
            "",
            "GB",
            "0",
            "-5GB",
            "1.5GB",
            "5MB",
            "99999999999999999999TB",
        ] {
            assert!(gigabytes(size).is_err(), "{size}");
        }
    }

    #[test]
    fn folders_of_buckets_are_read() {
        let folder = |url| Folder::parse("--log-bucket", url);
        assert_eq!(folder("gs://logs").unwrap().to_string(), "gs://logs");
        assert_eq!(
            folder("gs://logs/a/b/").unwrap().to_string(),
            "gs://logs/a/b"
        );
        assert_eq!(folder("gs://logs").unwrap().object("x"), "x");
        for url in [
            "logs",
            "gs://",
            "s3://b",
            "gs:///x",
            "gs://st/src",
            "gs://A_b/c",
        ] {
            assert!(folder(url).is_err(), "{url}");
        }
        assert_eq!(
            Folder::of_build("logs/a").unwrap().to_string(),
            "gs://logs/a"
        );
    }
}
