//! The clusters of a pool: those that match, the healthy ones, the newest first.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use common::google::gke::{Cluster, Clusters};
use common::{Error, Result};
use glob::Pattern;
use k8s_openapi::jiff::Timestamp;

/// Which clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) pattern: Pattern,
    /// A zone or region; `-` for all of them.
    pub(crate) location: String,
}

impl Pool {
    /// Checks the pattern: `*`, `?` and `[…]`, as in a shell.
    pub(crate) fn new(pattern: &str, location: Option<&str>) -> Result<Self> {
        let pattern = Pattern::new(pattern).map_err(|error| {
            Error::usage(format!("--pool {pattern:?} is no pattern")).because(error)
        })?;
        let location = location.unwrap_or("-").to_owned();
        Ok(Pool { pattern, location })
    }

    /// All clusters that match, the newest first.
    pub(crate) async fn find(
        &self,
        clusters: &Clusters,
        until: Option<Instant>,
    ) -> Result<Vec<Cluster>> {
        let mut found = clusters.list(&self.location, until).await?;
        found.retain(|cluster| self.pattern.matches(&cluster.name));
        newest_first(&mut found);
        Ok(found)
    }

    /// Those of them that take work; an error, if there is none.
    pub(crate) async fn healthy(&self, clusters: &Clusters) -> Result<Vec<Cluster>> {
        let watch = Watch::new(self, clusters).await?;
        if watch.healthy.is_empty() {
            return Err(Error::unavailable(self.none_runs(clusters)));
        }
        Ok(watch.healthy)
    }

    fn none_runs(&self, clusters: &Clusters) -> String {
        let (pattern, project) = (self.pattern.as_str(), clusters.project());
        format!("no cluster of project {project} that matches {pattern:?} is RUNNING")
    }
}

/// How often whoever waits for a cluster looks which there are.
const AGAIN: Duration = Duration::from_secs(30);

/// The same where none of them takes work.
const AGAIN_WITHOUT: Duration = Duration::from_secs(5);

/// How long such a look may take: there is the list before it to go on with.
const ENOUGH: Duration = Duration::from_secs(10);

/// The healthy clusters of a pool, for somebody who waits for one: clusters are made, mended and
/// removed meanwhile.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    pool: &'a Pool,
    clusters: &'a Clusters,
    healthy: Vec<Cluster>,
    listed: Instant,
    /// What the log was told.
    told: BTreeSet<String>,
}

impl<'a> Watch<'a> {
    /// Looks for the first time; that no cluster matches is an error.
    pub(crate) async fn new(pool: &'a Pool, clusters: &'a Clusters) -> Result<Self> {
        let mut watch = Watch {
            pool,
            clusters,
            healthy: Vec::new(),
            listed: Instant::now(),
            told: BTreeSet::new(),
        };
        let found = pool.find(clusters, None).await?;
        if found.is_empty() {
            return Err(Error::usage(pool.none_runs(clusters))
                .hint("kubeconfig-setup list shows which clusters there are"));
        }
        watch.see(found);
        Ok(watch)
    }

    /// The healthy ones, the newest first, as they were a short while ago.
    pub(crate) async fn healthy(&mut self) -> &[Cluster] {
        let again = if self.healthy.is_empty() {
            AGAIN_WITHOUT
        } else {
            AGAIN
        };
        if self.listed.elapsed() >= again {
            let now = Instant::now();
            self.listed = now;
            match self.pool.find(self.clusters, Some(now + ENOUGH)).await {
                Ok(found) => self.see(found),
                Err(error) => {
                    tracing::warn!("{}; going on with what was there before", error.report());
                }
            }
        }
        &self.healthy
    }

    /// The healthy ones of this moment.
    pub(crate) async fn look(&mut self) -> Result<&[Cluster]> {
        self.listed = Instant::now();
        let found = self.pool.find(self.clusters, None).await?;
        self.see(found);
        Ok(&self.healthy)
    }

    fn see(&mut self, found: Vec<Cluster>) {
        let (healthy, others): (Vec<_>, Vec<_>) = found.into_iter().partition(Cluster::is_healthy);
        for Cluster { name, status, .. } in &others {
            if self.told.insert(format!("{name} {status}")) {
                tracing::info!("{name} is {status}: passed over");
            }
        }
        self.healthy = healthy;
    }
}

fn newest_first(clusters: &mut [Cluster]) {
    // A time that cannot be read counts as the oldest.
    let made = |cluster: &Cluster| cluster.create_time.parse::<Timestamp>().ok();
    clusters.sort_by(|one, other| {
        let by_time = Reverse(made(one)).cmp(&Reverse(made(other)));
        by_time.then_with(|| one.name.cmp(&other.name))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_comes_first_in_whatever_zone_its_time_is_told() {
        let cluster = |name: &str, create_time: &str| {
            let mut cluster = Cluster::default();
            cluster.name = name.to_owned();
            cluster.create_time = create_time.to_owned();
            cluster
        };
        let mut clusters = [
            cluster("old", "2026-05-01T10:00:00+00:00"),
            cluster("odd", ""),
            cluster("new", "2026-05-01T13:30:00+02:00"),
            cluster("mid", "2026-05-01T11:00:00Z"),
        ];
        newest_first(&mut clusters);
        let names: Vec<&str> = clusters.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["new", "mid", "old", "odd"]);
    }

    #[test]
    fn patterns_are_those_of_a_shell() {
        let pool = Pool::new("kf-vmaster-n??", None).unwrap();
        assert!(pool.pattern.matches("kf-vmaster-n01"));
        assert!(!pool.pattern.matches("kf-vmaster-n1"));
        assert!(Pool::new("a[", None).is_err());
    }
}
