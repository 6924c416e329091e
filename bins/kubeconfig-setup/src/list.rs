//! `list`: the clusters, their state, and who has them.

use std::fmt::Write as _;

use common::app::App;
use common::google::gke::Cluster;
use common::{Error, Exit, Result};
use serde_json::{Value, json};

use crate::lease::place::Place;
use crate::lease::{name_of, queue_of};
use crate::opts::{ListOpts, Output};
use crate::plan;
use crate::pool::Pool;

/// Who has a cluster.
struct Held {
    holder: String,
    fencing: u32,
}

/// What is printed.
struct Listing {
    clusters: Vec<(Cluster, Option<Held>)>,
    waiting: Vec<String>,
}

/// Prints the list.
pub(crate) async fn run(opts: ListOpts, app: &App) -> Result<Exit> {
    let limit = opts.timeout;
    let listing = tokio::select! {
        listing = tokio::time::timeout(limit, list(&opts, app)) => listing.unwrap_or_else(|_| {
            let limit = humantime::format_duration(limit);
            Err(Error::timed_out(format!("list the clusters within {limit}")))
        })?,
        signal = app.stop.wait() => {
            return Err(Error::interrupted(signal, "interrupted: listing the clusters"));
        }
    };
    match opts.output {
        Output::Text => app.print(listing.text()),
        Output::Json => app.print(format_args!("{}\n", listing.json())),
    }
}

async fn list(opts: &ListOpts, app: &App) -> Result<Listing> {
    let clusters = plan::clusters(&opts.place, &app.env)?;
    let pool = match plan::pool(&opts.place)? {
        Some(pool) => pool,
        None => Pool::new("*", opts.place.location.as_deref())?,
    };
    let address = plan::address(&opts.at)?;
    let found = pool.find(&clusters, None).await?;
    let project = clusters.project();
    let mut listing = Listing {
        clusters: Vec::new(),
        waiting: Vec::new(),
    };
    let place = match address {
        Some(address) => Some(address.open(&app.env).await?),
        None => None,
    };
    for cluster in found {
        let held = match &place {
            Some(place) => held(place, &name_of(project, &cluster)).await?,
            None => None,
        };
        listing.clusters.push((cluster, held));
    }
    if let Some(place) = &place {
        let name = queue_of(project, pool.pattern.as_str());
        if let Some(queue) = place.peek_queue(&name).await? {
            listing.waiting = queue.value.names(place.at(queue.now));
        }
    }
    Ok(listing)
}

async fn held(place: &Place, name: &str) -> Result<Option<Held>> {
    let seen = place.peek_lease(name).await?;
    let taken = seen.filter(|seen| !seen.value.is_free(seen.now));
    Ok(taken.map(|seen| Held {
        holder: seen.value.holder,
        fencing: seen.value.fencing,
    }))
}

impl Listing {
    fn text(&self) -> String {
        let header = [
            "NAME", "LOCATION", "STATUS", "VERSION", "CREATED", "TAKEN BY",
        ];
        let mut rows = vec![header.map(str::to_owned)];
        for (cluster, held) in &self.clusters {
            let holder = held.as_ref().map_or("", |held| held.holder.as_str());
            let row = [
                cluster.name.as_str(),
                cluster.location(),
                &cluster.status,
                &cluster.current_master_version,
                &cluster.create_time,
                holder,
            ];
            rows.push(row.map(common::on_one_line));
        }
        let mut text = String::new();
        for row in &rows {
            for (column, cell) in row.iter().enumerate() {
                let width = rows
                    .iter()
                    .map(|row| row[column].len())
                    .max()
                    .unwrap_or_default();
                // Writing to a String cannot fail.
                let _ = write!(text, "{cell:width$}  ");
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        for (index, name) in self.waiting.iter().enumerate() {
            let _ = writeln!(text, "waiting, {}: {name}", index + 1);
        }
        text
    }

    fn json(&self) -> Value {
        let cluster = |(cluster, held): &(Cluster, Option<Held>)| {
            let lease = held
                .as_ref()
                .map(|held| json!({ "holder": held.holder, "fencing": held.fencing }));
            json!({
                "name": cluster.name, "location": cluster.location(), "status": cluster.status,
                "version": cluster.current_master_version, "created": cluster.create_time,
                "healthy": cluster.is_healthy(), "lease": lease,
            })
        };
        let clusters: Vec<Value> = self.clusters.iter().map(cluster).collect();
        json!({ "clusters": clusters, "waiting": self.waiting })
    }
}
