//! Where Cloud Build gets a build's source from.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use common::Result;
use common::bucket::{Bucket, ObjectName};
use common::env::Env;
use serde_json::{Value, json};

use super::settings::Settings;
use super::staging;
use crate::archive::{Archive, LARGE, human};

/// What gcloud says an archive is.
const MEDIA_TYPE: &str = "application/x-tar";

/// Where a build's source comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A folder of this machine, under this name in the staging bucket.
    Archive { archive: Archive, object: String },
    /// A repository that Cloud Build reads itself.
    Git {
        url: String,
        dir: Option<String>,
        revision: Option<String>,
    },
    /// The steps get their own.
    None,
}

impl Source {
    /// A folder, under a name that no other build has: `SECONDS.MICROSECONDS-UUID.tgz`.
    pub(crate) fn of_archive(archive: Archive, settings: &Settings, now: SystemTime) -> Self {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, micros) = (since.as_secs(), since.subsec_micros());
        let name = format!("{seconds}.{micros:06}-{:032x}.tgz", fastrand::u128(..));
        let object = settings.staging.object(&name);
        Source::Archive { archive, object }
    }

    /// The build's member `source`, as far as it is known before.
    pub(crate) fn planned(&self, settings: &Settings) -> Option<Value> {
        match self {
            Source::Archive { object, .. } => {
                let bucket = &settings.staging.bucket;
                Some(json!({"storageSource": {"bucket": bucket, "object": object}}))
            }
            Source::Git { url, dir, revision } => {
                let mut source = json!({ "url": url });
                for (key, value) in [("dir", dir), ("revision", revision)] {
                    if let Some(value) = value {
                        source[key] = json!(value);
                    }
                }
                Some(json!({ "gitSource": source }))
            }
            Source::None => None,
        }
    }

    /// Brings it to where Cloud Build finds it; gives the build's member `source`.
    pub(super) async fn bring(&self, settings: &Settings, env: &Env) -> Result<Option<Value>> {
        let Source::Archive { archive, object } = self else {
            return Ok(self.planned(settings));
        };
        tell_size(archive)?;
        let (bucket, name) = (&settings.staging.bucket, ObjectName::parse(object)?);
        let target = Bucket::parse(&format!("gs://{bucket}"), env)?;
        staging::ensure(settings, env).await?;
        let start = Instant::now();
        let sent = target
            .upload_stream(&name, MEDIA_TYPE, || archive.stream())
            .await?;
        let took = humantime::format_duration(std::time::Duration::from_millis(
            u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        ));
        tracing::info!(
            "sent {} to gs://{bucket}/{object} in {took}",
            human(sent.size)
        );
        let generation = sent.generation.to_string();
        let source = json!({"bucket": bucket, "object": object, "generation": generation});
        Ok(Some(json!({ "storageSource": source })))
    }
}

/// Says how large a source is, and warns of one that can hardly be meant.
fn tell_size(archive: &Archive) -> Result<()> {
    let size = archive.measure()?;
    let root = archive.root().display();
    let (files, bytes) = (size.files, human(size.bytes));
    match archive.rules().from() {
        [] => tracing::info!("the source is {root}: {files} files, {bytes} before compression"),
        from => tracing::info!(
            "the source is {root} without what {} leaves out: {files} files, {bytes} before \
             compression",
            from.join(" and ")
        ),
    }
    if size.bytes <= LARGE {
        return Ok(());
    }
    let largest: Vec<String> = size
        .largest()
        .into_iter()
        .map(|(folder, bytes)| {
            let folder = common::on_one_line(&folder.to_string_lossy());
            format!("{folder} ({})", human(bytes))
        })
        .collect();
    let advice = "a .gcloudignore leaves out what the build does not need";
    if largest.is_empty() {
        tracing::warn!("the source is large: {advice}");
    } else {
        let folders = largest.join(", ");
        tracing::warn!("the source is large, most of it in {folders}: {advice}");
    }
    Ok(())
}
