//! A Dockerfile and how it is built: the arguments of `docker build`, wherever that runs.

use std::path::{Path, PathBuf};

use common::{Error, Result, ResultExt};

use crate::opts::DockerOpts;
use crate::registry::Image;

/// What Docker calls it where nothing else is said.
pub(crate) const DOCKERFILE: &str = "Dockerfile";

/// A Dockerfile and how it is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dockerfile {
    /// Relative to the context where it lies in it, else absolute.
    pub(crate) path: PathBuf,
    pub(crate) build_args: Vec<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) target: Option<String>,
    pub(crate) platform: Option<String>,
    pub(crate) cache_from: Vec<String>,
}

impl Dockerfile {
    /// Checks what was typed. Without a context on this machine (`None`) the path is that of the
    /// source.
    pub(crate) fn new(
        path: Option<&Path>,
        context: Option<&Path>,
        opts: &DockerOpts,
    ) -> Result<Self> {
        for (flag, pairs) in [("--build-arg", &opts.build_arg), ("--label", &opts.label)] {
            for pair in pairs {
                // Docker would take the value of a bare name from its own environment: which is
                // another one on each machine.
                if pair.split_once('=').is_none_or(|(key, _)| key.is_empty()) {
                    return Err(Error::usage(format!("{flag} {pair:?} is not KEY=VALUE")));
                }
            }
        }
        let words = opts
            .cache_from
            .iter()
            .chain(&opts.target)
            .chain(&opts.platform);
        for word in words {
            if word.is_empty() || word.starts_with('-') || word.contains(char::is_whitespace) {
                return Err(Error::usage(format!(
                    "{word:?} is no value for docker build"
                )));
            }
        }
        Ok(Dockerfile {
            path: match context {
                Some(context) => place(path, context)?,
                None => path.unwrap_or(Path::new(DOCKERFILE)).to_owned(),
            },
            build_args: opts.build_arg.clone(),
            labels: opts.label.clone(),
            target: opts.target.clone(),
            platform: opts.platform.clone(),
            cache_from: opts.cache_from.clone(),
        })
    }

    /// The flags that say what is built; those of the engine come before, the context after.
    pub(crate) fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        let mut add = |flag: &str, value: &str| {
            flags.extend([flag.to_owned(), value.to_owned()]);
        };
        let pairs = [("--build-arg", &self.build_args), ("--label", &self.labels)];
        for (flag, values) in pairs {
            for value in values {
                add(flag, value);
            }
        }
        if let Some(target) = &self.target {
            add("--target", target);
        }
        if let Some(platform) = &self.platform {
            add("--platform", platform);
        }
        for image in &self.cache_from {
            add("--cache-from", image);
        }
        flags
    }

    /// The arguments of Cloud Build's docker step, as gcloud gives them. `$` would be a
    /// substitution there.
    pub(crate) fn cloud_arguments(&self, images: &[Image]) -> Vec<String> {
        let mut arguments: Vec<String> = ["build", "--network", "cloudbuild"]
            .map(str::to_owned)
            .into();
        if self.cache_from.is_empty() {
            arguments.push("--no-cache".to_owned());
        }
        for image in images {
            arguments.extend(["-t".to_owned(), image.to_string()]);
        }
        if self.path != Path::new(DOCKERFILE) {
            arguments.extend(["-f".to_owned(), self.path.display().to_string()]);
        }
        arguments.extend(self.flags());
        let mut arguments: Vec<String> = arguments
            .into_iter()
            .map(|argument| argument.replace('$', "$$"))
            .collect();
        arguments.push(".".to_owned());
        arguments
    }
}

/// Where the Dockerfile lies: within the context, or its absolute path.
fn place(path: Option<&Path>, context: &Path) -> Result<PathBuf> {
    let path = match path {
        Some(path) => path.to_owned(),
        None => context.join(DOCKERFILE),
    };
    let whole = std::fs::canonicalize(&path).or_usage(|| format!("read {}", path.display()));
    let whole =
        whole.map_err(|error| error.hint("--dockerfile or --context names another place"))?;
    if !whole.is_file() {
        return Err(Error::usage(format!("{} is no file", path.display())));
    }
    let context = std::fs::canonicalize(context)
        .or_usage(|| format!("open the context {}", context.display()))?;
    // By the name under which it is asked for: what a link in the context leads to may lie
    // elsewhere.
    let named = path.parent().unwrap_or(Path::new("."));
    let named = if named.as_os_str().is_empty() {
        Path::new(".")
    } else {
        named
    };
    let named = std::fs::canonicalize(named)
        .map(|folder| folder.join(path.file_name().unwrap_or_default()));
    let within = |path: &Path| path.strip_prefix(&context).map(Path::to_owned).ok();
    Ok(named
        .ok()
        .as_deref()
        .and_then(within)
        .or_else(|| within(&whole))
        .unwrap_or(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opts() -> DockerOpts {
        DockerOpts {
            build_arg: Vec::new(),
            target: None,
            platform: None,
            label: Vec::new(),
            cache_from: Vec::new(),
        }
    }

    fn image(text: &str) -> Image {
        Image::parse(text).unwrap()
    }

    #[test]
    fn cloud_build_gets_the_arguments_that_gcloud_gives() {
        let dockerfile = Dockerfile::new(None, None, &opts()).unwrap();
        assert_eq!(
            dockerfile.cloud_arguments(&[image("gcr.io/p/app:v1")]),
            [
                "build",
                "--network",
                "cloudbuild",
                "--no-cache",
                "-t",
                "gcr.io/p/app:v1",
                "."
            ]
        );
    }

    #[test]
    fn flags_reach_docker_and_no_value_is_a_substitution() {
        let opts = DockerOpts {
            build_arg: vec!["PRICE=$5 $HOME".to_owned(), "EMPTY=".to_owned()],
            target: Some("run".to_owned()),
            platform: Some("linux/arm64".to_owned()),
            label: vec!["a=b".to_owned()],
            cache_from: vec!["gcr.io/p/app:latest".to_owned()],
        };
        let dockerfile = Dockerfile::new(Some(Path::new("a/Dockerfile")), None, &opts).unwrap();
        assert_eq!(
            dockerfile.cloud_arguments(&[image("gcr.io/p/app:v1")]),
            [
                "build",
                "--network",
                "cloudbuild",
                "-t",
                "gcr.io/p/app:v1",
                "-f",
                "a/Dockerfile",
                "--build-arg",
                "PRICE=$$5 $$HOME",
                "--build-arg",
                "EMPTY=",
                "--label",
                "a=b",
                "--target",
                "run",
                "--platform",
                "linux/arm64",
                "--cache-from",
                "gcr.io/p/app:latest",
                "."
            ]
        );
    }

    #[test]
    fn no_value_is_taken_for_a_flag() {
        for (arg, target) in [
            ("NAME", None),
            ("=x", None),
            ("A=b", Some("--push")),
            ("A=b", Some("")),
        ] {
            let opts = DockerOpts {
                build_arg: vec![arg.to_owned()],
                target: target.map(str::to_owned),
                ..opts()
            };
            assert!(
                Dockerfile::new(None, None, &opts).is_err(),
                "{arg} {target:?}"
            );
        }
    }

    #[test]
    fn a_dockerfile_is_known_by_its_place_in_the_context() {
        let folder = tempfile::tempdir().unwrap();
        let context = folder.path().join("context");
        std::fs::create_dir_all(context.join("a")).unwrap();
        for file in ["context/Dockerfile", "context/a/File", "Outside"] {
            std::fs::write(folder.path().join(file), "FROM scratch").unwrap();
        }
        let place = |path: Option<&str>| {
            place(
                path.map(|path| folder.path().join(path)).as_deref(),
                &context,
            )
        };
        assert_eq!(place(None).unwrap(), Path::new("Dockerfile"));
        assert_eq!(
            place(Some("context/a/../a/File")).unwrap(),
            Path::new("a/File")
        );
        assert!(place(Some("Outside")).unwrap().is_absolute());
        assert!(place(Some("context/missing")).is_err());
        assert!(place(Some("context/a")).is_err());
    }
}
