//! Does what the plan says: looks into the registry, builds, and looks at what came of it.

use common::app::{App, Stop};
use common::{Error, Result};

use crate::cloud::{self, Settings, Source};
use crate::course::{Course, Present, decide};
use crate::engine;
use crate::made::Made;
use crate::opts::BuildOpts;
use crate::plan::{Builder, Plan, few};
use crate::recipe::Recipe;
use crate::registry::{Image, LATEST, Registries};
use crate::report::Report;

/// How long a tag may be, what is added to it included.
const LONGEST_TAG: usize = 128;

/// Does it. An error before anything was built has no report.
pub(crate) async fn run(plan: &Plan, opts: &BuildOpts, app: &App) -> Result<Report> {
    let registries = Registries::new(&app.env)?;
    let present = look(&plan.recipe.images, &registries, &app.stop).await?;
    for (image, digest) in &present {
        tracing::info!("{image} is there already: {digest}");
    }
    if !opts.rebuild
        && let Some((image, _)) = of_tag(&present, &plan.facts.tag)
        && !plan.untold.is_empty()
    {
        return Err(in_doubt(image, plan));
    }
    let work = Work {
        plan,
        opts,
        app,
        registries: &registries,
    };
    match (decide(&plan.recipe, &present, opts.rebuild), &plan.builder) {
        (Course::Skip, _) => work.skip(present).await,
        (Course::Build { pushed }, Builder::Cloud { settings, source }) => {
            let order = Plan::cloud_order(opts, &plan.recipe, &pushed, (settings, source));
            let made = cloud::run(order, app).await?;
            work.finish(made, pushed, present).await
        }
        (Course::Build { pushed }, Builder::Docker) => {
            let order = plan.docker_order(opts, &pushed)?;
            let made = engine::run(&order, &registries, app).await?;
            work.finish(made, pushed, present).await
        }
        (Course::Again, Builder::Docker) => {
            let mut missing = plan.recipe.images.clone();
            missing.retain(|image| present.iter().all(|(there, _)| there != image));
            let mut order = plan.docker_order(opts, &missing)?;
            order.kept.clone_from(&present);
            let made = engine::run(&order, &registries, app).await?;
            work.finish(made, missing, present).await
        }
        (Course::Again, Builder::Cloud { settings, source }) => {
            work.again(settings, source, present).await
        }
    }
}

/// An image that is known by the tag of this tree.
fn of_tag<'a>(present: &'a [Present], tag: &str) -> Option<&'a Present> {
    present.iter().find(|(image, _)| image.tag.contains(tag))
}

/// The error where an image is there that may be another one's than this tree's.
fn in_doubt(image: &Image, plan: &Plan) -> Error {
    let files = few(&plan.untold);
    Error::usage(format!("{image} is there, and may be another tree's"))
        .because(format!(
            "the tag says nothing of what is staged or new to git: {files}"
        ))
        .hint(
            "commit it, or name a --tag; --rebuild builds and compares; .gitignore and \
             .dockerignore leave out what is no source",
        )
}

/// The images that are there.
async fn look(images: &[Image], registries: &Registries, stop: &Stop) -> Result<Vec<Present>> {
    let mut present = Vec::new();
    for image in images {
        let digest = tokio::select! {
            digest = registries.digest(image) => digest?,
            _ = stop.wait() => None,
        };
        stop.check("while the registry was asked what is there")?;
        present.extend(digest.map(|digest| (image.clone(), digest)));
    }
    Ok(present)
}

struct Work<'a> {
    plan: &'a Plan,
    opts: &'a BuildOpts,
    app: &'a App,
    registries: &'a Registries,
}

impl Work<'_> {
    /// Nothing is built. `latest` means what it would mean after a build.
    async fn skip(&self, present: Vec<Present>) -> Result<Report> {
        tracing::info!("nothing is built; --rebuild insists on it");
        if self.plan.facts.latest {
            for (image, digest) in &present {
                if self
                    .registries
                    .digest(&image.with_tag(LATEST))
                    .await?
                    .as_ref()
                    != Some(digest)
                {
                    self.registries.tag(image, LATEST).await?;
                    tracing::info!("{} is this image now", image.with_tag(LATEST));
                }
            }
        }
        Ok(self.report(present, None))
    }

    /// Puts the images together: those that were there, and those that were made, by the
    /// builder's word or, where it has none for one, the registry's.
    async fn finish(
        &self,
        mut made: Made,
        pushed: Vec<Image>,
        mut present: Vec<Present>,
    ) -> Result<Report> {
        if made.error.is_some() || self.is_under_way() {
            return Ok(self.report(present, Some(made)));
        }
        for image in pushed {
            let there = self.registries.digest(&image).await;
            let ours = made.digests.get(&image.to_string());
            match (ours, there) {
                (Some(ours), Ok(Some(there))) if *ours != there => {
                    made.error.get_or_insert(
                        Error::failed(format!("{image} is not what was built"))
                            .because(format!("it is {there}, and {ours} was pushed"))
                            .hint("another build of the same tag ran at the same time"),
                    );
                }
                (Some(ours), _) => present.push((image, ours.clone())),
                (None, Ok(Some(there))) => present.push((image, there)),
                (None, Ok(None)) => {
                    made.error.get_or_insert(
                        Error::failed(format!("{image} is not there"))
                            .because("the build succeeded without pushing it"),
                    );
                }
                (None, Err(error)) => return Err(error),
            }
        }
        Ok(self.report(present, Some(made)))
    }

    /// Builds under a tag of its own, and compares what came of it with what is there.
    async fn again(
        &self,
        settings: &Settings,
        source: &Source,
        present: Vec<Present>,
    ) -> Result<Report> {
        let tag = tag_of_rebuild(&self.plan.facts.tag);
        let mut recipe = self
            .plan
            .recipe_for(&tag, self.opts, &self.app.stop)
            .await?;
        recipe.latest.clear();
        if let Some((image, digest)) = present
            .iter()
            .find(|(image, _)| recipe.images.contains(image))
        {
            return Err(
                Error::failed(format!("{image} is there and stays as it is"))
                    .because(format!(
                        "it is {digest}, and the config names its tag itself"
                    ))
                    .hint("remove the tag from the registry, or name another one"),
            );
        }
        let site = (settings, source);
        let order = Plan::cloud_order(self.opts, &recipe, &recipe.images, site);
        let mut made = cloud::run(order, self.app).await?;
        if made.error.is_none() && !self.is_under_way() {
            made.error = differences(&self.plan.recipe, &recipe, &present, &made);
        }
        Ok(self.report(present, Some(made)))
    }

    /// Whether nobody waits for the build.
    fn is_under_way(&self) -> bool {
        matches!(&self.plan.builder, Builder::Cloud { settings, .. } if settings.detached)
    }

    fn report(&self, images: Vec<Present>, made: Option<Made>) -> Report {
        Report {
            tag: self.plan.facts.tag.clone(),
            git_version: self.plan.facts.git_version.clone(),
            wanted: self.plan.recipe.images.clone(),
            images,
            made,
        }
    }
}

/// `TAG-rebuild-RANDOM`, cut to what a registry takes.
fn tag_of_rebuild(tag: &str) -> String {
    let suffix = format!("-rebuild-{:06x}", fastrand::u32(..0x100_0000));
    let room = LONGEST_TAG - suffix.len();
    let tag: String = tag.chars().take(room).collect();
    tag + &suffix
}

/// The error where an image came out another one than what its tag means.
fn differences(before: &Recipe, now: &Recipe, present: &[Present], made: &Made) -> Option<Error> {
    for (image, built) in before.images.iter().zip(&now.images) {
        let (_, there) = present.iter().find(|(there, _)| there == image)?;
        let digest = made.digests.get(&built.to_string());
        let digest = digest.map_or("unknown", String::as_str);
        if digest != there {
            return Some(
                Error::failed(format!(
                    "{image} is there with another content and stays as it is"
                ))
                .because(format!(
                    "it is {there}; what was built is {built}, {digest}"
                ))
                .hint("build with another --tag; or remove the tag from the registry first"),
            );
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_of_a_rebuild_is_a_tag() {
        for tag in ["v1", &"a".repeat(128)] {
            let rebuilt = tag_of_rebuild(tag);
            assert!(common::image_tag::is_tag(&rebuilt), "{rebuilt}");
            assert_ne!(rebuilt, tag);
        }
    }
}
