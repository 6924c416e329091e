//! Volumes as folders of the run folder.

use std::path::{Path, PathBuf};

use super::Replace;
use super::environment::{Secrets, missing};
use crate::manifest::{Container, Mount, Volume, VolumeSource};
use common::view::{Bind, clean};

/// The folders behind a container's mounts, made where they are missing.
pub(crate) fn binds(
    container: &Container,
    volumes: &[&[Volume]],
    replace: Replace<'_>,
    run_dir: &Path,
    step_dir: &Path,
    secrets: &Secrets,
) -> Result<Vec<Bind>, String> {
    let mut binds = Vec::new();
    for mount in &container.mounts {
        let volume = volumes
            .iter()
            .flat_map(|volumes| volumes.iter())
            .find(|volume| volume.name == mount.volume)
            .ok_or_else(|| format!("there is no volume {:?}", mount.volume))?;
        if let Some(folder) = folder(volume, run_dir, step_dir, secrets)? {
            let projected = matches!(volume.source, VolumeSource::Projected { .. });
            binds.push(bind(mount, &folder, projected, replace)?);
        }
    }
    Ok(binds)
}

/// `None` for an optional secret that nobody gave.
fn folder(
    volume: &Volume,
    run_dir: &Path,
    step_dir: &Path,
    secrets: &Secrets,
) -> Result<Option<PathBuf>, String> {
    let folder = match &volume.source {
        VolumeSource::Kept(key) => kept(run_dir, key),
        VolumeSource::Empty => step_dir.join("volumes").join(&volume.name),
        VolumeSource::Projected { name, optional } => {
            return match secrets.get(name) {
                Some(folder) => Ok(Some(folder.clone())),
                None if *optional => Ok(None),
                None => Err(missing(name)),
            };
        }
    };
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("make {}: {error}", folder.display()))?;
    Ok(Some(folder))
}

/// The folder of a volume that is kept.
pub(super) fn kept(run_dir: &Path, key: &str) -> PathBuf {
    run_dir.join("volumes").join(folder_name(key))
}

/// `projected`: the folder is a secret, the person's own. It is never written to, as in a pod.
fn bind(
    mount: &Mount,
    folder: &Path,
    projected: bool,
    replace: Replace<'_>,
) -> Result<Bind, String> {
    let path = replace(&mount.path)?;
    let target = clean(&path)
        .filter(|path| path != Path::new("/"))
        .ok_or_else(|| format!("the mountPath {path:?} is not a plain absolute path"))?;
    let source = match &mount.sub_path {
        None => folder.to_owned(),
        Some(sub_path) => {
            let sub_path = replace(sub_path)?;
            let inner = clean(&format!("/{sub_path}"))
                .ok_or_else(|| format!("the subPath {sub_path:?} leaves its volume"))?;
            let source = folder.join(inner.strip_prefix("/").unwrap_or(&inner));
            if !source.exists() && projected {
                return Err(format!("{sub_path:?} is no key of {:?}", mount.volume));
            }
            if !source.exists() {
                std::fs::create_dir_all(&source)
                    .map_err(|error| format!("make {}: {error}", source.display()))?;
            }
            inside(folder, &source)?
        }
    };
    Ok(Bind {
        source,
        target,
        read_only: mount.read_only || projected,
    })
}

/// Follows links, but not out of the volume: a step may have put them there.
fn inside(folder: &Path, path: &Path) -> Result<PathBuf, String> {
    let real = |path: &Path| {
        path.canonicalize()
            .map_err(|error| format!("look up {}: {error}", path.display()))
    };
    let (folder, path) = (real(folder)?, real(path)?);
    if path.starts_with(&folder) {
        Ok(path)
    } else {
        Err(format!("the subPath {} leaves its volume", path.display()))
    }
}

/// A name of any kind as the name of one folder; two names never share one.
pub(crate) fn folder_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.chars().all(plain) && !name.starts_with('.') && name.len() <= 100 {
        return name.to_owned();
    }
    let cleaned: String = name
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .take(80)
        .collect();
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{}~{hash:016x}", cleaned.trim_start_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_becomes_one_folder_of_its_own() {
        assert_eq!(folder_name("nfs-external"), "nfs-external");
        for name in ["../x", "..", "/var/lib", "a/b", "a\nb", ".git"] {
            let folder = folder_name(name);
            assert!(
                !folder.contains('/') && !folder.starts_with('.'),
                "{name:?}: {folder}"
            );
        }
        assert_ne!(folder_name("a/b"), folder_name("a_b"));
        assert_ne!(folder_name("a/b"), folder_name("a:b"));
    }
}
