//! A container before it runs: the flags that it would be made with.

use std::path::{Path, PathBuf};

use super::Shared;
use super::create::{mount, security};
use crate::manifest::{Container, Volume, VolumeSource};
use crate::step::environment::Secrets;
use crate::step::volumes::kept;

/// What its flags follow from.
pub(crate) struct Described<'a> {
    pub(crate) container: &'a Container,
    pub(crate) volumes: &'a [&'a [Volume]],
    pub(crate) run_dir: &'a Path,
    pub(crate) secrets: &'a Secrets,
    /// The folders of `--mount`.
    pub(crate) shared: &'a [Shared],
    /// The names of `--pass-env`.
    pub(crate) passed: &'a [String],
}

impl Described<'_> {
    /// A line for each kind of flags that there are: as whom it runs, where, with which mounts and
    /// variables. Of variables there are the names alone, as values may be secrets.
    pub(crate) fn flags(&self) -> Vec<String> {
        let working_dir = self.container.working_dir.as_deref();
        let mut lines = vec![
            security(&self.container.security).join(" "),
            working_dir.map_or(String::new(), |folder| format!("--workdir={folder}")),
        ];
        let shared = self.shared.iter();
        lines.extend(shared.map(|shared| line(&shared.folder, &shared.folder, shared.read_only)));
        lines.extend(self.mounts());
        lines.push(self.variables().join(" "));
        lines.retain(|line| !line.is_empty());
        lines
    }

    fn mounts(&self) -> impl Iterator<Item = String> {
        self.container.mounts.iter().filter_map(|mount| {
            let mut volumes = self.volumes.iter().flat_map(|volumes| volumes.iter());
            let volume = volumes.find(|volume| volume.name == mount.volume)?;
            let (mut source, read_only) = match &volume.source {
                VolumeSource::Kept(key) => (kept(self.run_dir, key), false),
                VolumeSource::Empty => (PathBuf::from("(a new folder)"), false),
                // A copy of it, which the container's user can read.
                VolumeSource::Projected { name, .. } => (self.secrets.get(name)?.clone(), true),
            };
            if let Some(sub_path) = &mount.sub_path {
                source.push(sub_path);
            }
            Some(line(
                &source,
                Path::new(&mount.path),
                mount.read_only || read_only,
            ))
        })
    }

    fn variables(&self) -> Vec<String> {
        let passed = self.passed.iter().map(|name| format!("--env={name}"));
        let objects = self.container.env_from.iter();
        let objects =
            objects.map(|from| format!("--env={}(each key of {})", from.prefix, from.object));
        let own = self.container.env.iter();
        let own = own.map(|variable| format!("--env={}", variable.name));
        passed.chain(objects).chain(own).collect()
    }
}

fn line(source: &Path, target: &Path, read_only: bool) -> String {
    mount(source, target, read_only).unwrap_or_else(|why| why)
}
