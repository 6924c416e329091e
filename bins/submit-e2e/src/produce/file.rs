//! Files that entries name: what they name has to be in the repository.

use std::path::{Path, PathBuf};

use common::{Error, Result, ResultExt};

use super::Context;
use crate::config::Entry;

/// The file of a manifest, wherever symbolic links lead; its path starts at the configuration's
/// folder.
pub(super) fn of_config(context: &Context<'_>, entry: &Entry, path: &str) -> Result<PathBuf> {
    let config = context.config;
    let mistake = |what: String| config.error(entry, "manifest", format!("manifest: {what}"));
    let file = config.folder().join(path);
    canonical(&file).map_err(|error| mistake(error.report()))?;
    let limit = limit(context)?;
    within(&file, &limit).map_err(|_| {
        let what = format!("{path:?} leaves {}", limit.display());
        mistake(what).hint("a manifest is a file of the repository under test")
    })
}

/// The folder that manifests, and what they import, have to be in.
pub(super) fn limit(context: &Context<'_>) -> Result<PathBuf> {
    let folder = canonical(&context.config.folder())?;
    let root = canonical(context.repositories.root())?;
    // A configuration from elsewhere has its manifests beside it.
    Ok(if folder.starts_with(&root) {
        root
    } else {
        folder
    })
}

/// A file, which has to be there, and in a folder wherever symbolic links lead.
pub(super) fn within(file: &Path, folder: &Path) -> Result<PathBuf> {
    if canonical(file)?.starts_with(canonical(folder)?) {
        Ok(file.to_owned())
    } else {
        let (file, folder) = (file.display(), folder.display());
        Err(Error::usage(format!("{file} leaves {folder}")))
    }
}

fn canonical(path: &Path) -> Result<PathBuf> {
    path.canonicalize()
        .or_usage(|| format!("read {}", path.display()))
}
