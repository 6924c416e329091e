//! What is built: a Dockerfile, or a Cloud Build config, under one tag.

mod config;
mod dockerfile;
mod jsonnet;
mod one_step;
mod substitutions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::app::Stop;
use common::{Error, Result};
use serde_json::Value;

pub(crate) use config::Config;
use config::{is_key, pair};
pub(crate) use dockerfile::{DOCKERFILE, Dockerfile};
pub(crate) use substitutions::{expand, uses};

use crate::opts::SourceOpts;
use crate::registry::{Image, LATEST, Name};

/// What is known before a recipe is read.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// `--image`, with its registry.
    pub(crate) names: Vec<Name>,
    /// `--registry`, or where the first image lies.
    pub(crate) registry: Option<String>,
    pub(crate) tag: String,
    /// `describe-hash`, where there is a git work tree.
    pub(crate) git_version: Option<String>,
    /// Whether `latest` is asked for as well.
    pub(crate) latest: bool,
    /// For `$PROJECT_ID`.
    pub(crate) project: Option<String>,
}

/// What is built, and the images that come of it.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) kind: Kind,
    /// Images whose tags mean one thing for ever.
    pub(crate) images: Vec<Image>,
    /// Tags that move.
    pub(crate) latest: Vec<Image>,
    /// A config's own list of images, and what each stands for; `None` where only Cloud Build
    /// knows.
    pub(crate) written: Vec<(String, Option<Image>)>,
}

/// What is built.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Dockerfile(Dockerfile),
    /// With the substitutions that are sent along.
    Config {
        config: Config,
        substitutions: BTreeMap<String, String>,
        /// The same and what Cloud Build adds to them, as far as it is known here.
        values: BTreeMap<String, String>,
    },
}

impl Recipe {
    /// A Dockerfile, under all names.
    pub(crate) fn of_dockerfile(dockerfile: Dockerfile, facts: &Facts) -> Self {
        let tagged = |tag: &str| facts.names.iter().map(|name| name.tagged(tag)).collect();
        Recipe {
            kind: Kind::Dockerfile(dockerfile),
            images: tagged(&facts.tag),
            latest: if facts.latest {
                tagged(LATEST)
            } else {
                Vec::new()
            },
            written: Vec::new(),
        }
    }

    /// Reads a config, and completes it by what is known.
    pub(crate) async fn of_config(
        file: &Path,
        opts: &SourceOpts,
        facts: &Facts,
        stop: &Stop,
    ) -> Result<Self> {
        let config = if file.extension().is_some_and(|it| it == "jsonnet") {
            jsonnet::evaluate(file, opts, facts, stop).await?
        } else if opts.ext_var.is_empty() {
            Config::read(file)?
        } else {
            return Err(Error::usage(format!("{} is no jsonnet", file.display()))
                .because("--ext-var is for jsonnet; --substitutions is for all configs"));
        };
        let substitutions = complete(&config, opts, facts)?;
        Recipe::new(config, substitutions, facts)
    }

    fn new(config: Config, substitutions: BTreeMap<String, String>, facts: &Facts) -> Result<Self> {
        let mut values = substitutions.clone();
        if let Some(project) = &facts.project {
            values.insert("PROJECT_ID".to_owned(), project.clone());
        }
        let (mut images, mut latest, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for written in config.images() {
            let Some(text) = expand(written, &values) else {
                all.push((written.to_owned(), None));
                continue;
            };
            let image = Image::parse(&text).map_err(|error| {
                let path = config.path().display();
                Error::usage(format!("{path}: images")).because(error)
            })?;
            all.push((written.to_owned(), Some(image.clone())));
            let kind = if image.tag == LATEST {
                &mut latest
            } else {
                &mut images
            };
            if !kind.contains(&image) {
                kind.push(image);
            }
        }
        if facts.latest && latest.is_empty() {
            let path = config.path().display();
            return Err(Error::usage(format!("{path}: --latest is asked for"))
                .because("a config names its images, that of this tag as well"));
        }
        Ok(Recipe {
            kind: Kind::Config {
                config,
                substitutions,
                values,
            },
            images,
            latest,
            written: all,
        })
    }

    /// Whether all of its images are known.
    pub(crate) fn is_known(&self) -> bool {
        self.written.iter().all(|(_, image)| image.is_some())
    }

    /// The Dockerfile of this recipe, and the folder of the source that it sees, for an engine
    /// that knows nothing else.
    pub(crate) fn for_docker(&self) -> Result<(Dockerfile, PathBuf)> {
        match &self.kind {
            Kind::Dockerfile(dockerfile) => Ok((dockerfile.clone(), PathBuf::new())),
            Kind::Config { config, values, .. } => {
                if let Some((written, _)) = self.written.iter().find(|(_, it)| it.is_none()) {
                    let why = format!("what {written:?} stands for is known to Cloud Build only");
                    return Err(one_step::refuse(config, why));
                }
                one_step::read(config, values)
            }
        }
    }

    /// The worker pool that a config names; with its variables where only Cloud Build knows them.
    pub(crate) fn pool(&self) -> Option<String> {
        let Kind::Config { config, values, .. } = &self.kind else {
            return None;
        };
        let pool = config.pool()?;
        Some(expand(pool, values).unwrap_or_else(|| pool.to_owned()))
    }
}

/// The config's own substitutions, those that are known here where the config uses them, and
/// those that were typed, each before the one before.
fn complete(config: &Config, opts: &SourceOpts, facts: &Facts) -> Result<BTreeMap<String, String>> {
    let mut substitutions = config.substitutions();
    let whole = Value::Object(config.build().clone());
    let known = [
        ("_TAG", Some(&facts.tag)),
        ("_REGISTRY", facts.registry.as_ref()),
        ("_GIT_VERSION", facts.git_version.as_ref()),
    ];
    for (key, value) in known {
        // Cloud Build refuses a variable that is not used.
        if let Some(value) = value
            && uses(&whole, key)
        {
            substitutions.insert(key.to_owned(), value.clone());
        }
    }
    for typed in opts.substitutions.iter().flat_map(|text| list(text)) {
        let (key, value) = pair("--substitutions", typed).map_err(|error| {
            error.hint("a value with a comma in it: --substitutions '^;^_A=x,y;_B=z'")
        })?;
        if !is_key(&key) {
            return Err(Error::usage(format!(
                "--substitutions {key:?} does not match _[A-Z0-9_]+"
            )));
        }
        substitutions.insert(key, value);
    }
    Ok(substitutions)
}

/// A list as gcloud has it: with commas between, or with what its start names between two `^`.
/// Source: `gcloud topic escaping`.
fn list(text: &str) -> Vec<&str> {
    let other = text.strip_prefix('^').and_then(|rest| rest.split_once('^'));
    match other.filter(|(between, _)| !between.is_empty()) {
        Some((between, rest)) => rest.split(between).collect(),
        None => text.split(',').collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facts() -> Facts {
        Facts {
            names: vec![Name::parse("gcr.io/p/app").unwrap()],
            registry: Some("gcr.io/p".to_owned()),
            tag: "v1".to_owned(),
            git_version: None,
            latest: false,
            project: Some("p".to_owned()),
        }
    }

    fn opts(substitutions: &[&str]) -> SourceOpts {
        SourceOpts {
            context: ".".into(),
            dockerfile: None,
            config: None,
            substitutions: substitutions.iter().map(|&it| it.to_owned()).collect(),
            ext_var: Vec::new(),
            ignore_file: None,
            no_source: false,
            git_source: None,
            git_source_dir: None,
            git_source_revision: None,
        }
    }

    fn recipe(value: Value, typed: &[&str]) -> Result<Recipe> {
        let config = Config::of(Path::new("c.yaml"), value)?;
        let substitutions = complete(&config, &opts(typed), &facts())?;
        Recipe::new(config, substitutions, &facts())
    }

    #[test]
    fn what_is_typed_wins_over_what_is_known_and_that_over_the_config() {
        let config = json!({
            "steps": [{"name": "a", "args": ["$_TAG", "${_A}", "$_REGISTRY"]}],
            "substitutions": {"_TAG": "none", "_A": "a", "_B": "b"},
        });
        let substitutions = |typed: &[&str]| match recipe(config.clone(), typed).unwrap().kind {
            Kind::Config { substitutions, .. } => serde_json::to_value(substitutions).unwrap(),
            Kind::Dockerfile(_) => panic!("it is a config"),
        };
        let expected = json!({"_TAG": "v1", "_A": "a", "_B": "b", "_REGISTRY": "gcr.io/p"});
        assert_eq!(substitutions(&[]), expected);
        let expected = json!({"_TAG": "v2", "_A": "x=y", "_B": "b", "_REGISTRY": "gcr.io/p"});
        assert_eq!(substitutions(&["_TAG=v2", "_A=x=y"]), expected);
        let expected = json!({"_TAG": "v1", "_A": "x,y", "_B": "z", "_REGISTRY": "gcr.io/p"});
        assert_eq!(substitutions(&["^:^_A=x,y:_B=z"]), expected);
        assert_eq!(substitutions(&["_A=x", "^##^_A=x,y##_B=z"]), expected);
        let error = recipe(config.clone(), &["_A=x,y"]).unwrap_err().report();
        assert!(error.contains("a value with a comma"), "{error}");
        assert!(recipe(config.clone(), &["TAG=x"]).is_err());
        assert!(recipe(config, &["_TAG"]).is_err());
    }

    #[test]
    fn images_are_told_apart_by_what_their_tags_mean() {
        let config = json!({
            "steps": [{"name": "a", "args": ["$_TAG"]}],
            "images": ["gcr.io/$PROJECT_ID/a:$_TAG", "gcr.io/p/a:latest", "gcr.io/p/b:$BUILD_ID",
                "gcr.io/p/c:1.0"],
        });
        let recipe = recipe(config, &[]).unwrap();
        let texts = |images: &[Image]| images.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(&recipe.images), ["gcr.io/p/a:v1", "gcr.io/p/c:1.0"]);
        assert_eq!(texts(&recipe.latest), ["gcr.io/p/a:latest"]);
        assert!(!recipe.is_known());
        assert_eq!(recipe.written[2], ("gcr.io/p/b:$BUILD_ID".to_owned(), None));
    }

    #[test]
    fn docker_pushes_no_image_whose_name_it_does_not_know() {
        let of = |image: &str| {
            let step = json!({"name": "gcr.io/cloud-builders/docker", "args": ["build", "."]});
            let config = json!({"steps": [step], "images": [image]});
            recipe(config, &[]).unwrap().for_docker()
        };
        assert!(of("gcr.io/$PROJECT_ID/a:1.0").is_ok());
        let error = of("gcr.io/p/a:$BUILD_ID").unwrap_err().report();
        assert!(error.contains("known to Cloud Build only"), "{error}");
    }

    #[test]
    fn images_among_the_artifacts_are_images() {
        let config = json!({
            "steps": [{"name": "a"}],
            "artifacts": {"images": ["gcr.io/p/a:1.0"]},
        });
        assert_eq!(
            recipe(config, &[]).unwrap().images[0].to_string(),
            "gcr.io/p/a:1.0"
        );
    }

    #[test]
    fn the_pool_of_a_config_has_its_variables_values() {
        let of = |options: Value| {
            let config = json!({"steps": [{"name": "a"}], "options": options});
            recipe(config, &["_R=us-west1"]).unwrap().pool().unwrap()
        };
        let pool = "projects/$PROJECT_ID/locations/${_R}/workerPools/w";
        let known = "projects/p/locations/us-west1/workerPools/w";
        assert_eq!(of(json!({"pool": {"name": pool}})), known);
        assert_eq!(of(json!({"worker_pool": pool})), known);
        let unknown = "projects/p/locations/$LOCATION/workerPools/w";
        assert_eq!(of(json!({"pool": {"name": unknown}})), unknown);
    }
}
