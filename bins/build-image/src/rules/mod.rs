//! Which files of a folder are part of the source: what `.gcloudignore`, `.gitignore` and
//! `.dockerignore` leave out.

mod docker;
mod gcloud;

use std::path::{Path, PathBuf};

use common::Result;
use ignore::gitignore::Gitignore;

use docker::Patterns;

/// What becomes of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is part of the source.
    Keep,
    /// It is not, nor is anything in it.
    LeaveOut,
    /// The folder itself is not, but something in it may be.
    LookInside,
}

/// What is left out of a source.
#[derive(Debug)]
pub(crate) struct Rules {
    cloud: Gitignore,
    docker: Option<Patterns>,
    /// The files that named the rules, for the log.
    from: Vec<String>,
}

impl Rules {
    /// Reads the rules of a folder as gcloud does: `ignore_file` where one is named, else
    /// `.gcloudignore`, else `.gitignore` and git's own files.
    pub(crate) fn of_cloud(folder: &Path, ignore_file: Option<&Path>) -> Result<Self> {
        let (cloud, from) = gcloud::read(folder, ignore_file)?;
        Ok(Rules {
            cloud,
            docker: None,
            from: from.into_iter().collect(),
        })
    }

    /// Those of a folder for an engine that reads it itself.
    pub(crate) fn of_docker(folder: &Path, dockerfile: &Path) -> Result<Self> {
        let none = Rules {
            cloud: Gitignore::empty(),
            docker: None,
            from: Vec::new(),
        };
        none.and_of_docker(folder, dockerfile)
    }

    /// Leaves out what Docker would not look at, too: `DOCKERFILE.dockerignore`, else
    /// `.dockerignore`. The path of the Dockerfile is relative to the folder; it stays in, and so
    /// do these files, or the rules would be others where the source is unpacked.
    pub(crate) fn and_of_docker(self, folder: &Path, dockerfile: &Path) -> Result<Self> {
        let mut own = dockerfile.as_os_str().to_owned();
        own.push(".dockerignore");
        for file in [PathBuf::from(own), PathBuf::from(".dockerignore")] {
            if let Some(patterns) = Patterns::read(folder, &file, dockerfile)? {
                let mut from = self.from;
                from.push(file.display().to_string());
                let docker = Some(patterns);
                return Ok(Rules {
                    docker,
                    from,
                    ..self
                });
            }
        }
        Ok(self)
    }

    /// The files that the rules come from.
    pub(crate) fn from(&self) -> &[String] {
        &self.from
    }

    /// What becomes of a path, relative to the folder. One below a folder that was left out is
    /// not asked for.
    pub(crate) fn verdict(&self, path: &Path, is_folder: bool) -> Verdict {
        if self.cloud.matched(path, is_folder).is_ignore() {
            return Verdict::LeaveOut;
        }
        match &self.docker {
            Some(patterns) => patterns.verdict(path, is_folder),
            None => Verdict::Keep,
        }
    }

    /// Whether a file is part of the source, wherever it lies.
    pub(crate) fn keeps(&self, path: &Path) -> bool {
        let mut parents: Vec<&Path> = path.ancestors().skip(1).collect();
        parents.pop();
        let is_in = |folder: &Path| self.verdict(folder, true) != Verdict::LeaveOut;
        parents.into_iter().rev().all(is_in) && self.verdict(path, false) == Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_left_out_with_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join(".gcloudignore"),
            "out/\n*.log\n!keep.log\n",
        )
        .unwrap();
        let rules = Rules::of_cloud(folder.path(), None).unwrap();
        assert_eq!(rules.from(), [".gcloudignore"]);
        for (path, kept) in [
            ("Dockerfile", true),
            ("a/b/Dockerfile", true),
            ("out/Dockerfile", false),
            ("a/out/b/Dockerfile", false),
            ("a/x.log", false),
            ("a/keep.log", true),
        ] {
            assert_eq!(rules.keeps(Path::new(path)), kept, "{path}");
        }
    }
}
