//! The clusters of a pool: those that match, the healthy ones, the newest first.

use std::cmp::Reverse;

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
    pub(crate) async fn find(&self, clusters: &Clusters) -> Result<Vec<Cluster>> {
        let mut found = clusters.list(&self.location, None).await?;
        found.retain(|cluster| self.pattern.matches(&cluster.name));
        newest_first(&mut found);
        Ok(found)
    }

    /// Those of them that take work; an error, if there is none.
    pub(crate) async fn healthy(&self, clusters: &Clusters) -> Result<Vec<Cluster>> {
        let (healthy, others): (Vec<_>, Vec<_>) = self
            .find(clusters)
            .await?
            .into_iter()
            .partition(Cluster::is_healthy);
        for Cluster { name, status, .. } in &others {
            tracing::info!("{name} is {status}: passed over");
        }
        if !healthy.is_empty() {
            return Ok(healthy);
        }
        let (pattern, project) = (&self.pattern, clusters.project());
        let what = format!(
            "no cluster of project {project} that matches {pattern:?} is RUNNING",
            pattern = pattern.as_str()
        );
        Err(if others.is_empty() {
            Error::usage(what).hint("kubeconfig-setup list shows which clusters there are")
        } else {
            Error::unavailable(what)
        })
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
