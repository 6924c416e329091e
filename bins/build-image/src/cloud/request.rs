//! The build as Cloud Build is asked for it. Source: the REST reference of
//! `projects.locations.builds`, and what gcloud sends for the same flags.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::settings::{Settings, seconds};
use crate::recipe::{Kind, Recipe};
use crate::registry::Image;

/// The image of the step that builds a Dockerfile.
const DOCKER_STEP: &str = "gcr.io/cloud-builders/docker";

/// The build. `pushed` are the images that it pushes, of those that the recipe has; `source` is
/// its member of that name.
pub(crate) fn build(
    recipe: &Recipe,
    pushed: &[Image],
    settings: &Settings,
    timeout: Option<Duration>,
    source: Option<Value>,
) -> Value {
    let mut build = match &recipe.kind {
        Kind::Dockerfile(dockerfile) => {
            let tags: Vec<Image> = pushed.iter().chain(&recipe.latest).cloned().collect();
            let mut steps: Vec<Value> = dockerfile
                .cache_from
                .iter()
                // What is no name, as in `type=registry,ref=IMAGE`, is fetched by the build itself.
                .filter(|image| !image.contains('='))
                // There may be none yet, and that is no reason not to build.
                .map(|image| {
                    let image = image.replace('$', "$$");
                    json!({"name": DOCKER_STEP, "args": ["pull", image], "allowFailure": true})
                })
                .collect();
            steps.push(json!({"name": DOCKER_STEP, "args": dockerfile.cloud_arguments(&tags)}));
            Map::from_iter([("steps".to_owned(), steps.into())])
        }
        Kind::Config {
            config,
            substitutions,
            ..
        } => {
            let mut build = config.build().clone();
            if substitutions.is_empty() {
                build.remove("substitutions");
            } else {
                build.insert("substitutions".to_owned(), json!(substitutions));
            }
            build
        }
    };
    set_images(&mut build, recipe, pushed);
    set(&mut build, "timeout", timeout.map(seconds));
    set(&mut build, "source", source);
    set(
        &mut build,
        "logsBucket",
        settings.logs.as_ref().map(ToString::to_string),
    );
    set(
        &mut build,
        "serviceAccount",
        settings.service_account.clone(),
    );
    let disk = settings.disk_size_gb.map(|size| size.to_string());
    set_option(&mut build, "machineType", settings.machine_type.clone());
    set_option(&mut build, "diskSizeGb", disk);
    let pool = settings
        .worker_pool
        .as_ref()
        .map(|name| json!({ "name": name }));
    set_option(&mut build, "pool", pool);
    Value::Object(build)
}

/// A config's lists stay as their author wrote them, but for what is not to be pushed.
fn set_images(build: &mut Map<String, Value>, recipe: &Recipe, pushed: &[Image]) {
    let is_wanted = |image: &Image| pushed.contains(image) || recipe.latest.contains(image);
    match &recipe.kind {
        Kind::Dockerfile(_) => {
            let images = pushed.iter().chain(&recipe.latest);
            let images: Vec<String> = images.map(ToString::to_string).collect();
            build.insert("images".to_owned(), images.into());
            drop_empty(build, "images");
        }
        Kind::Config { .. } => {
            let is_left_out = |name: &Value| {
                recipe.written.iter().any(|(written, image)| {
                    name == written && image.as_ref().is_some_and(|it| !is_wanted(it))
                })
            };
            let leave_out = |members: &mut Map<String, Value>| {
                if let Some(Value::Array(images)) = members.get_mut("images") {
                    images.retain(|name| !is_left_out(name));
                }
                drop_empty(members, "images");
            };
            leave_out(build);
            if let Some(Value::Object(artifacts)) = build.get_mut("artifacts") {
                leave_out(artifacts);
            }
        }
    }
}

fn drop_empty(members: &mut Map<String, Value>, key: &str) {
    let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    if members.get(key).is_some_and(is_empty) {
        members.remove(key);
    }
}

fn set(build: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        build.insert(key.to_owned(), value.into());
    }
}

fn set_option(build: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        let options = build.entry("options").or_insert_with(|| json!({}));
        if let Value::Object(options) = options {
            options.insert(key.to_owned(), value.into());
        }
    }
}
