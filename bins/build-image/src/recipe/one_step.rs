//! Configs that Docker can build as well: one step of `docker build`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use common::{Error, Result};
use serde_json::Value;

use super::config::Config;
use super::dockerfile::{DOCKERFILE, Dockerfile};
use super::substitutions::expand;

/// The image of Cloud Build's docker step.
const DOCKER_STEP: &str = "gcr.io/cloud-builders/docker";

/// Members of a step that change nothing of what is built.
const WITHOUT_EFFECT: [&str; 6] = ["name", "args", "id", "timeout", "waitFor", "allowFailure"];

/// Flags of `docker build` that have a value, and those that have none and no effect here: an
/// engine of one's own has no network of Cloud Build, and its cache is what it is for.
const VALUED: [&str; 10] = [
    "-t",
    "--tag",
    "-f",
    "--file",
    "--build-arg",
    "--label",
    "--target",
    "--platform",
    "--cache-from",
    "--network",
];
const WITHOUT_VALUE: [&str; 3] = ["--no-cache", "--pull", "--quiet"];

/// The Dockerfile that a config builds, and the folder of the source that it sees.
pub(super) fn read(
    config: &Config,
    values: &BTreeMap<String, String>,
) -> Result<(Dockerfile, PathBuf)> {
    let refuse = |why: String| refuse(config, why);
    let steps = config.build().get("steps").and_then(Value::as_array);
    let [step] = steps.map(Vec::as_slice).unwrap_or_default() else {
        let count = steps.map_or(0, Vec::len);
        return Err(refuse(format!(
            "it has {count} steps, and Docker knows one, docker build"
        )));
    };
    let name = step["name"].as_str().unwrap_or_default();
    if name.split(['@', ':']).next() != Some(DOCKER_STEP) {
        let name = common::on_one_line(name);
        return Err(refuse(format!(
            "its step runs {name:?}, and not {DOCKER_STEP}"
        )));
    }
    let members = step.as_object().into_iter().flat_map(|step| step.keys());
    if let Some(other) = members
        .into_iter()
        .find(|key| !WITHOUT_EFFECT.contains(&key.as_str()))
    {
        let other = common::on_one_line(other);
        return Err(refuse(format!(
            "its step has {other:?}, which only Cloud Build knows"
        )));
    }
    let mut arguments = Vec::new();
    let mut is_name = false;
    for argument in step["args"].as_array().into_iter().flatten() {
        let text = argument.as_str().unwrap_or_default();
        // The images are those of the config's `images`: what the step calls them is not read.
        let is_unread = is_name || text.starts_with("--tag=");
        is_name = !is_name && matches!(text, "-t" | "--tag");
        let expanded = if is_unread {
            Some(text.to_owned())
        } else {
            expand(text, values)
        };
        arguments.push(expanded.ok_or_else(|| {
            let text = common::on_one_line(text);
            refuse(format!(
                "what {text:?} stands for is known to Cloud Build only"
            ))
        })?);
    }
    parse(&arguments).map_err(refuse)
}

/// The error of a config that takes Cloud Build.
pub(super) fn refuse(config: &Config, why: String) -> Error {
    let path = config.path().display();
    Error::usage(format!("{path} cannot be built with Docker"))
        .because(why)
        .hint("--builder cloud-build runs all steps; --dockerfile builds without the config")
}

/// Reads `build FLAG… FOLDER`. The images are those of the config's `images`.
fn parse(arguments: &[String]) -> Result<(Dockerfile, PathBuf), String> {
    let mut arguments = arguments.iter().map(String::as_str);
    if arguments.next() != Some("build") {
        return Err("its step is no docker build".to_owned());
    }
    let mut dockerfile = Dockerfile {
        path: PathBuf::new(),
        build_args: Vec::new(),
        labels: Vec::new(),
        target: None,
        platform: None,
        cache_from: Vec::new(),
    };
    let (mut file, mut folder) = (None, None);
    while let Some(argument) = arguments.next() {
        let (flag, joined) = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value)),
            _ => (argument, None),
        };
        if WITHOUT_VALUE.contains(&flag) {
            continue;
        }
        if !flag.starts_with('-') {
            if folder.replace(argument).is_some() {
                return Err("its step names two folders".to_owned());
            }
            continue;
        }
        let unknown = || format!("its step has {:?}", common::on_one_line(argument));
        if !VALUED.contains(&flag) {
            return Err(unknown());
        }
        let value = joined
            .or_else(|| arguments.next())
            .ok_or_else(unknown)?
            .to_owned();
        match flag {
            "-f" | "--file" => file = Some(value),
            // Docker would take the value from the environment that it runs in.
            "--build-arg" if !value.contains('=') => return Err(unknown()),
            "--build-arg" => dockerfile.build_args.push(value),
            "--label" => dockerfile.labels.push(value),
            "--target" => dockerfile.target = Some(value),
            "--platform" => dockerfile.platform = Some(value),
            "--cache-from" => dockerfile.cache_from.push(value),
            _ => {}
        }
    }
    let folder = within(folder.unwrap_or("."))?;
    // A step names its Dockerfile as it sees the whole source; without a name it is the folder's.
    dockerfile.path = match file {
        Some(file) => within(&file)?,
        None => folder.join(DOCKERFILE),
    };
    Ok((dockerfile, folder))
}

/// A path that stays within the source.
fn within(path: &str) -> Result<PathBuf, String> {
    let mut inside = PathBuf::new();
    let path = path
        .strip_prefix("/workspace")
        .map_or(path, |path| path.trim_start_matches('/'));
    for component in Path::new(path).components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => inside.push(name),
            Component::ParentDir if inside.pop() => {}
            _ => {
                return Err(format!(
                    "{:?} leads out of the source",
                    common::on_one_line(path)
                ));
            }
        }
    }
    Ok(inside)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "a test's own words")]
    fn read(step: Value) -> Result<(Dockerfile, PathBuf)> {
        let config = Config::of(Path::new("c.yaml"), json!({ "steps": step })).unwrap();
        super::read(&config, &[("_TAG".to_owned(), "v1".to_owned())].into())
    }

    #[test]
    fn a_step_of_docker_build_is_understood() {
        let args = json!([
            "build",
            "-t",
            "a:$BUILD_ID",
            "--label=git-versions=$_TAG",
            "--build-arg",
            "A=$$x",
            "--no-cache",
            "--network",
            "cloudbuild",
            "--file=docker/ks/Dockerfile",
            "/workspace/docker"
        ]);
        let step = json!([{"name": "gcr.io/cloud-builders/docker:20", "id": "b", "args": args}]);
        let (dockerfile, folder) = read(step).unwrap();
        assert_eq!(folder, Path::new("docker"));
        assert_eq!(dockerfile.path, Path::new("docker/ks/Dockerfile"));
        assert_eq!(dockerfile.labels, ["git-versions=v1"]);
        assert_eq!(dockerfile.build_args, ["A=$x"]);
        let step = json!([{"name": "gcr.io/cloud-builders/docker", "args": ["build", "sub"]}]);
        assert_eq!(read(step).unwrap().0.path, Path::new("sub/Dockerfile"));
    }

    #[test]
    fn what_only_cloud_build_can_do_is_refused_by_name() {
        let step = |args: Value| json!([{"name": "gcr.io/cloud-builders/docker", "args": args}]);
        let with = |key: &str| {
            let mut step = step(json!(["build", "."]));
            step[0][key] = json!("x");
            step
        };
        let two = json!([{"name": "a"}, {"name": "b"}]);
        for (steps, said) in [
            (two, "it has 2 steps"),
            (json!([{"name": "bash"}]), "runs \"bash\""),
            (with("entrypoint"), "has \"entrypoint\""),
            (with("secretEnv"), "has \"secretEnv\""),
            (step(json!(["push", "x"])), "no docker build"),
            (
                step(json!(["build", "--iidfile", "/etc/x", "."])),
                "has \"--iidfile\"",
            ),
            (step(json!(["build", "--build-arg"])), "has \"--build-arg\""),
            (
                step(json!(["build", "--label", "a=$BUILD_ID", "."])),
                "is known to Cloud Build only",
            ),
            (step(json!(["build", "a", "b"])), "two folders"),
            (step(json!(["build", "../.."])), "leads out"),
            (
                step(json!(["build", "-f", "/etc/passwd", "."])),
                "leads out",
            ),
        ] {
            let error = read(steps).unwrap_err().report();
            assert!(
                error.starts_with("c.yaml cannot be built with Docker: "),
                "{error}"
            );
            assert!(error.contains(said), "{error}");
        }
    }
}
