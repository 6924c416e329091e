//! Volumes, as far as a folder can stand in for them.

use std::collections::BTreeSet;

use common::Result;
use common::job::check_segment;

use super::cursor::Cursor;
use super::fields;

/// A volume of the workflow or of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) source: VolumeSource,
}

/// What a volume is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VolumeSource {
    /// Kept between steps and runs: a claim, a path of the host, an NFS share. The text says
    /// which one; the same text is the same folder.
    Kept(String),
    /// New for every step.
    Empty,
    /// A secret or config map, by name.
    Projected { name: String, optional: bool },
}

/// The `volumes` of a spec or template.
pub(crate) fn read(owner: &Cursor, not_applied: &mut BTreeSet<String>) -> Result<Vec<Volume>> {
    owner
        .items("volumes")?
        .iter()
        .map(|volume| read_one(volume, not_applied))
        .collect()
}

fn read_one(volume: &Cursor, not_applied: &mut BTreeSet<String>) -> Result<Volume> {
    volume.check(&fields::VOLUME, not_applied)?;
    let name = segment(volume, "name")?;
    let claim = volume.field("persistentVolumeClaim");
    let host = volume.field("hostPath");
    let nfs = volume.field("nfs");
    let source = if !claim.value.is_null() {
        VolumeSource::Kept(segment(&claim, "claimName")?)
    } else if !host.value.is_null() {
        if matches!(
            host.text("type")?.as_deref(),
            Some("Socket" | "File" | "CharDevice" | "BlockDevice")
        ) {
            return Err(host.error("run-local has a folder for a hostPath, not a file or device"));
        }
        let path = host.required_text("path")?;
        VolumeSource::Kept(format!("hostPath{}", path.trim_end_matches('/')))
    } else if !nfs.value.is_null() {
        let path = nfs.required_text("path")?;
        VolumeSource::Kept(format!("nfs-{}{path}", nfs.required_text("server")?))
    } else if !volume.field("secret").value.is_null() {
        projected(&volume.field("secret"), "secretName")?
    } else if !volume.field("configMap").value.is_null() {
        projected(&volume.field("configMap"), "name")?
    } else {
        VolumeSource::Empty
    };
    Ok(Volume { name, source })
}

fn projected(source: &Cursor, key: &str) -> Result<VolumeSource> {
    if !source.field("items").is_empty() {
        return Err(source.error("run-local does not support the field \"items\" of a volume"));
    }
    Ok(VolumeSource::Projected {
        name: source.required_text(key)?,
        optional: source.flag("optional")?,
    })
}

/// A text that can be the name of a folder.
pub(super) fn segment(cursor: &Cursor, field: &str) -> Result<String> {
    let name = cursor.required_text(field)?;
    check_segment(field, &name).map_err(|error| cursor.field(field).error(error.report()))?;
    Ok(name)
}

/// `volumeClaimTemplates`: a claim of this workflow's own, named as the controller names it.
pub(crate) fn read_claim_templates(spec: &Cursor, workflow: &str) -> Result<Vec<Volume>> {
    let claim = |template: &Cursor| {
        let name = segment(&template.field("metadata"), "name")?;
        Ok(Volume {
            source: VolumeSource::Kept(format!("{workflow}-{name}")),
            name,
        })
    };
    spec.items("volumeClaimTemplates")?
        .iter()
        .map(claim)
        .collect()
}
