//! What will be done, checked, as data.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use common::app::{App, Stop};
use common::env::Env;
use common::image_tag::{ImageTag, is_tag};
use common::{Error, Result, ResultExt};

use crate::archive::Archive;
use crate::cloud::{self, Settings, Source};
use crate::engine;
use crate::opts::{BuildOpts, BuilderName};
use crate::recipe::{DOCKERFILE, Dockerfile, Facts, Kind, Recipe};
use crate::registry::{Image, LATEST, Name};
use crate::rules::Rules;

/// What will be done.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) facts: Facts,
    pub(crate) recipe: Recipe,
    pub(crate) builder: Builder,
    /// The folder that the build sees.
    pub(crate) context: PathBuf,
    /// Files that the build sees and the tag says nothing of.
    pub(crate) untold: Vec<PathBuf>,
}

/// Who builds.
#[derive(Debug)]
pub(crate) enum Builder {
    Cloud {
        settings: Box<Settings>,
        source: Source,
    },
    Docker,
}

impl Plan {
    /// Checks what was typed, and reads what it names.
    pub(crate) async fn new(
        opts: &BuildOpts,
        env: &Env,
        now: SystemTime,
        stop: &Stop,
    ) -> Result<Self> {
        let context = opts.source.context.clone();
        if !context.is_dir() {
            return Err(Error::usage(format!(
                "--context {} is no folder",
                context.display()
            )));
        }
        let names = names(opts)?;
        let project = cloud::project(&opts.cloud, env, &names);
        let facts = facts(opts, names, project, now, stop).await?;
        let recipe = recipe(opts, &facts, stop).await?;
        if recipe.images.is_empty() && recipe.latest.is_empty() && recipe.is_known() {
            tracing::warn!("the config has no images: whether they are there is not looked up");
        }
        let builder = match opts.builder {
            BuilderName::CloudBuild => {
                let pool = recipe.pool();
                let settings = Settings::new(&opts.cloud, facts.project.clone(), pool.as_deref())?;
                let source = source(opts, &recipe, &settings, now)?;
                let settings = Box::new(settings);
                Builder::Cloud { settings, source }
            }
            BuilderName::Docker => {
                check_docker(opts)?;
                recipe.for_docker()?;
                Builder::Docker
            }
        };
        let mut plan = Plan {
            facts,
            recipe,
            builder,
            context,
            untold: Vec::new(),
        };
        if opts.tag.is_none() {
            plan.untold = plan.find_untold(stop).await?;
        }
        Ok(plan)
    }

    /// What of the tree the tag says nothing of, as far as the build sees it.
    async fn find_untold(&self, stop: &Stop) -> Result<Vec<PathBuf>> {
        let docker;
        let rules = match &self.builder {
            Builder::Cloud {
                source: Source::Archive { archive, .. },
                ..
            } => archive.rules(),
            Builder::Cloud { .. } => return Ok(Vec::new()),
            Builder::Docker => {
                let (recipe, _) = self.recipe.for_docker()?;
                docker = Rules::of_docker(&self.context, &recipe.path)?;
                &docker
            }
        };
        let mut untold = ImageTag::untold(&self.context, stop).await?;
        untold.retain(|path| rules.keeps(path));
        if !untold.is_empty() {
            let files = few(&untold);
            tracing::warn!("the tag says nothing of what is staged or new to git: {files}");
        }
        Ok(untold)
    }

    /// The recipe for another tag.
    pub(crate) async fn recipe_for(
        &self,
        tag: &str,
        opts: &BuildOpts,
        stop: &Stop,
    ) -> Result<Recipe> {
        let facts = Facts {
            tag: tag.to_owned(),
            ..self.facts.clone()
        };
        recipe(opts, &facts, stop).await
    }

    /// What Docker is told, for images that are pushed.
    pub(crate) fn docker_order(&self, opts: &BuildOpts, images: &[Image]) -> Result<engine::Order> {
        let (recipe, folder) = self.recipe.for_docker()?;
        let what = || format!("open the context {}", self.context.display());
        let root = std::fs::canonicalize(&self.context).or_usage(what)?;
        let dockerfile = root.join(&recipe.path);
        if !dockerfile.is_file() {
            return Err(Error::usage(format!(
                "there is no {}",
                dockerfile.display()
            )));
        }
        Ok(engine::Order {
            context: root.join(folder),
            dockerfile,
            recipe,
            images: images.to_vec(),
            kept: Vec::new(),
            latest: self.recipe.latest.clone(),
            timeout: opts.timeout,
            retries: opts.retries,
        })
    }

    /// What Cloud Build is asked, without the source.
    pub(crate) fn cloud_order<'a>(
        opts: &BuildOpts,
        recipe: &Recipe,
        pushed: &[Image],
        (settings, source): (&'a Settings, &'a Source),
    ) -> cloud::Order<'a> {
        cloud::Order {
            request: cloud::request(
                recipe,
                pushed,
                settings,
                opts.timeout,
                source.planned(settings),
            ),
            settings,
            source,
            retries: opts.retries,
        }
    }

    /// The plan as JSON.
    pub(crate) fn show(&self, opts: &BuildOpts, app: &App) -> Result<String> {
        let images = |images: &[Image]| images.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut shown = serde_json::json!({
            "tag": self.facts.tag,
            "images": images(&self.recipe.images),
            "latest": images(&self.recipe.latest),
        });
        match &self.builder {
            Builder::Cloud { settings, source } => {
                let order =
                    Self::cloud_order(opts, &self.recipe, &self.recipe.images, (settings, source));
                if let Source::Archive { archive, .. } = source {
                    let size = archive.measure()?;
                    shown["source"] = serde_json::json!({
                        "context": archive.root(),
                        "ignored_by": archive.rules().from(),
                        "files": size.files,
                        "bytes": size.bytes,
                    });
                }
                shown["url"] = cloud::address(settings, app)?.into();
                shown["request"] = order.request;
            }
            Builder::Docker => {
                let order = self.docker_order(opts, &self.recipe.images)?;
                let build = order.build(Path::new("ID_FILE")).to_string();
                let pushes = order.pushes();
                let pushes = pushes.iter().map(|(_, push)| push.to_string());
                let commands: Vec<String> = [build].into_iter().chain(pushes).collect();
                shown["commands"] = commands.into();
            }
        }
        let text = serde_json::to_string_pretty(&shown).or_failed(|| "print the plan")?;
        Ok(text + "\n")
    }
}

/// Some of many files, by name.
pub(crate) fn few(paths: &[PathBuf]) -> String {
    const SHOWN: usize = 5;
    let name = |path: &PathBuf| common::on_one_line(&path.to_string_lossy());
    let mut names: Vec<String> = paths.iter().take(SHOWN).map(name).collect();
    if paths.len() > SHOWN {
        names.push(format!("and {} more", paths.len() - SHOWN));
    }
    names.join(", ")
}

/// The names of `--image`, below `--registry` where they name none.
fn names(opts: &BuildOpts) -> Result<Vec<Name>> {
    let registry = opts.registry.as_deref().map(|it| it.trim_end_matches('/'));
    let whole = |image: &String| match registry {
        Some(registry) if !image.contains('/') => Name::parse(&format!("{registry}/{image}")),
        _ => Name::parse(image),
    };
    opts.image.iter().map(whole).collect()
}

async fn facts(
    opts: &BuildOpts,
    names: Vec<Name>,
    project: Option<String>,
    now: SystemTime,
    stop: &Stop,
) -> Result<Facts> {
    if opts.tag.is_none() && opts.source.git_source.is_some() {
        return Err(Error::usage("--git-source goes with --tag")
            .because("the tag is made from the work tree of this machine, and that is not built")
            .hint("name the repository's own tag, or its commit"));
    }
    if opts.tag.as_deref() == Some(LATEST) {
        return Err(Error::usage("--tag latest names no one image")
            .because("a tag is built once, and means that image for ever")
            .hint("--latest lets the tag latest mean the image besides"));
    }
    let made = ImageTag::of(&opts.source.context, now, stop).await;
    let (tag, git_version) = match (&opts.tag, made) {
        (Some(tag), _) if !is_tag(tag) => {
            return Err(Error::usage(format!("--tag {tag:?} is no tag"))
                .hint("a tag is at most 128 letters, digits, _ . and -"));
        }
        // Without git there is no version, and there need not be one.
        (Some(tag), made) => (tag.clone(), made.ok().map(|made| made.git_version)),
        (None, made) => {
            let made = made?;
            (made.tag, Some(made.git_version))
        }
    };
    stop.check("while the tag was made")?;
    let parent = names.first().map(Name::parent).filter(|it| !it.is_empty());
    Ok(Facts {
        registry: opts.registry.clone().or_else(|| parent.map(str::to_owned)),
        names,
        tag,
        git_version,
        latest: opts.latest,
        project,
    })
}

async fn recipe(opts: &BuildOpts, facts: &Facts, stop: &Stop) -> Result<Recipe> {
    if let Some(config) = &opts.source.config {
        return Recipe::of_config(config, &opts.source, facts, stop).await;
    }
    let is_local = opts.source.git_source.is_none() && !opts.source.no_source;
    let context = is_local.then_some(opts.source.context.as_path());
    let dockerfile = Dockerfile::new(opts.source.dockerfile.as_deref(), context, &opts.docker)?;
    Ok(Recipe::of_dockerfile(dockerfile, facts))
}

fn source(
    opts: &BuildOpts,
    recipe: &Recipe,
    settings: &Settings,
    now: SystemTime,
) -> Result<Source> {
    let source = &opts.source;
    if let Some(url) = &source.git_source {
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return Err(Error::usage(format!(
                "--git-source {url:?} is no https URL"
            )));
        }
        return Ok(Source::Git {
            url: url.clone(),
            dir: source.git_source_dir.clone(),
            revision: source.git_source_revision.clone(),
        });
    }
    if source.no_source {
        if source.config.is_none() {
            return Err(
                Error::usage("--no-source leaves nothing to build a Dockerfile from")
                    .hint("it goes with --config; --git-source names a repository"),
            );
        }
        return Ok(Source::None);
    }
    let root = &source.context;
    let mut rules = Rules::of_cloud(root, source.ignore_file.as_deref())?;
    if let Kind::Dockerfile(dockerfile) = &recipe.kind {
        let path = &dockerfile.path;
        if path.is_absolute() {
            return Err(
                Error::usage(format!("{} is not in the context", path.display()))
                    .hint("Cloud Build sees the context only: --context names a folder around it"),
            );
        }
        rules = rules.and_of_docker(root, path)?;
        if !rules.keeps(path) {
            let path = if path == Path::new(DOCKERFILE) {
                DOCKERFILE.into()
            } else {
                path.display().to_string()
            };
            return Err(Error::usage(format!("{path} would not be sent"))
                .because(format!("{} leaves it out", rules.from().join(" or "))));
        }
    }
    let archive = Archive::new(root, rules);
    Ok(Source::of_archive(archive, settings, now))
}

/// What Docker cannot do is an error; what changes nothing of the image is not.
fn check_docker(opts: &BuildOpts) -> Result<()> {
    let only = |flag: &str| {
        Err(
            Error::usage(format!("{flag} goes with --builder cloud-build"))
                .because("the Docker engine builds here, from the context"),
        )
    };
    if opts.cloud.detached {
        return only("--async");
    }
    if opts.source.git_source.is_some() {
        return only("--git-source");
    }
    if opts.source.no_source {
        return only("--no-source");
    }
    if opts.source.ignore_file.is_some() {
        return only("--ignore-file").map_err(|error| error.hint("Docker reads .dockerignore"));
    }
    Ok(())
}
