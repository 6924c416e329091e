//! What a step is, its tags and variables replaced: the same for every runtime.

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::view::Bind;

use super::environment::{self, Pod, expand};
use super::{Leaf, Replace, StepRunner, volumes};
use crate::manifest::{Container, OutputSource, Pull, Security};

/// A container of a step with all its texts.
#[derive(Debug)]
pub(super) struct Resolved {
    /// Of its pod: the node's id.
    pub(super) pod_name: String,
    /// Where its log and its private files are.
    pub(super) folder: PathBuf,
    pub(super) image: Option<String>,
    pub(super) pull: Option<Pull>,
    pub(super) security: Security,
    /// Empty for the image's own.
    pub(super) command: Vec<String>,
    pub(super) args: Vec<String>,
    pub(super) source: Option<String>,
    pub(super) working_dir: Option<String>,
    pub(super) variables: Vec<(String, String)>,
    pub(super) binds: Vec<Bind>,
    /// Output parameters that are files, as the step names them.
    pub(super) outputs: Vec<(String, PathBuf)>,
    /// Its stdout is wanted by itself.
    pub(super) result_wanted: bool,
}

impl StepRunner {
    /// Replaces tags and variables of one of the step's containers; makes its folder, and those of
    /// its volumes in that of the step.
    pub(super) fn resolve(
        &self,
        leaf: &Leaf<'_>,
        container: &Container,
        step_folder: &Path,
        replace: Replace<'_>,
    ) -> Result<Resolved, String> {
        let folder = match &container.name {
            Some(name) => step_folder.join("init").join(name),
            None => step_folder.to_owned(),
        };
        std::fs::create_dir_all(folder.join("work"))
            .map_err(|error| format!("make {}: {error}", folder.display()))?;
        let volumes = [self.volumes.as_slice(), leaf.template.volumes.as_slice()];
        let binds = volumes::binds(
            container,
            &volumes,
            replace,
            &self.run_dir,
            step_folder,
            &self.secrets,
        )?;
        let pod = Pod {
            name: leaf.id,
            namespace: &self.namespace,
            service_account: &self.service_account,
            labels: &self.labels,
            annotations: &self.annotations,
        };
        let variables =
            environment::of_container(container, replace, &self.inherited, &self.secrets, &pod)?;
        let words = |words: &[String]| -> Result<Vec<String>, String> {
            let word = |word: &String| Ok(expand(&replace(word)?, &variables));
            words.iter().map(word).collect()
        };
        let is_own = container.name.is_none();
        let mut outputs = Vec::new();
        for output in leaf.template.outputs.iter().filter(|_| is_own) {
            if let OutputSource::Path(path) = &output.source {
                outputs.push((output.name.clone(), PathBuf::from(replace(path)?)));
            }
        }
        Ok(Resolved {
            pod_name: leaf.id.to_owned(),
            folder,
            image: container.image.as_deref().map(replace).transpose()?,
            pull: container.pull,
            security: container.security.clone(),
            command: words(&container.command)?,
            args: words(&container.args)?,
            source: container.source.as_deref().map(replace).transpose()?,
            working_dir: container.working_dir.as_deref().map(replace).transpose()?,
            binds,
            outputs,
            result_wanted: leaf.result_wanted && is_own,
            variables,
        })
    }
}

/// How long the step may take, its init containers included.
pub(super) fn deadline(leaf: &Leaf<'_>, replace: Replace<'_>) -> Result<Option<Duration>, String> {
    let Some(text) = &leaf.template.active_deadline else {
        return Ok(None);
    };
    let text = replace(text)?;
    let seconds = text
        .parse()
        .map_err(|_| format!("activeDeadlineSeconds {text:?} is not a number"))?;
    Ok(Some(Duration::from_secs(seconds)))
}

/// A pod starts with nothing of the one before it, and so does a step. The volumes that are
/// kept are elsewhere.
pub(super) fn start_afresh(folder: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("make {}: {error}", folder.display());
    let removed = match std::fs::remove_dir_all(folder) {
        // Read-only folders, a module cache of Go's for example, keep their files.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            make_writable(folder);
            match std::fs::remove_dir_all(folder) {
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    put_aside(folder)
                }
                other => other,
            }
        }
        other => other,
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
        _ => std::fs::create_dir_all(folder).map_err(failed),
    }
}

/// Lets this user change a folder and those in it, as far as they are this user's own.
fn make_writable(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

/// Files of another user, which a container left, cannot be removed: they must not stop this
/// step for ever.
fn put_aside(folder: &Path) -> std::io::Result<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let free = (1..).map(|number| folder.with_file_name(format!(".{name}.{number}")));
    let mut free = free.filter(|place| !place.exists());
    let place = free.next().unwrap_or_else(|| folder.to_owned());
    std::fs::rename(folder, &place)?;
    tracing::warn!(
        "{} has files of another user, which only that one or root can remove",
        place.display()
    );
    Ok(())
}
