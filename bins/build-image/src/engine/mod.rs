//! The Docker engine, by the docker program: whatever the person configured for it (contexts,
//! logins, buildx) holds.

mod run;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::app::App;
use common::exec::Command;
use common::{Error, Result, ResultExt};

use crate::made::{Made, Step};
use crate::recipe::Dockerfile;
use crate::registry::{Image, Registries, is_digest};
use run::Docker;

/// A build, ready to be run.
#[derive(Debug)]
pub(crate) struct Order {
    /// What the engine sees.
    pub(crate) context: PathBuf,
    /// Absolute.
    pub(crate) dockerfile: PathBuf,
    pub(crate) recipe: Dockerfile,
    /// Tags that it gets and pushes.
    pub(crate) images: Vec<Image>,
    /// Tags that are there: what is built has to be the same image.
    pub(crate) kept: Vec<(Image, String)>,
    /// Tags that move.
    pub(crate) latest: Vec<Image>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: u32,
}

impl Order {
    /// `docker build`; `id_file` gets the image's id.
    pub(crate) fn build(&self, id_file: &Path) -> Command {
        let mut command = Command::new("docker").args(["build", "--file"]);
        command = command.arg(&self.dockerfile).arg("--iidfile").arg(id_file);
        for image in self.images.iter().chain(&self.latest) {
            command = command.arg("--tag").arg(image.to_string());
        }
        // Behind `--` nothing is a flag.
        command
            .args(self.recipe.flags())
            .arg("--")
            .arg(&self.context)
    }

    /// `docker push`, for each tag.
    pub(crate) fn pushes(&self) -> Vec<(Image, Command)> {
        let images = self.images.iter().chain(&self.latest);
        images
            .map(|image| {
                let command = Command::new("docker").args(["push", "--", &image.to_string()]);
                (image.clone(), command)
            })
            .collect()
    }
}

/// Builds and pushes.
pub(crate) async fn run(order: &Order, registries: &Registries, app: &App) -> Result<Made> {
    let mut docker = Docker::new(app, order.timeout);
    docker.reach().await?;
    let folder = tempfile::tempdir().or_failed(|| "make a temporary folder")?;
    let id_file = folder.path().join("id");
    let start = Instant::now();
    let built = docker.run(&order.build(&id_file)).await;
    let mut steps = vec![step("docker build", built.is_ok(), start)];
    let mut digests = BTreeMap::new();
    let pushed = match built {
        Ok(_) => {
            let id = std::fs::read_to_string(&id_file)
                .or_failed(|| format!("read {}", id_file.display()))?;
            push(
                order,
                id.trim(),
                registries,
                &mut docker,
                &mut steps,
                &mut digests,
            )
            .await
        }
        Err(error) => Err(error),
    };
    let error = pushed.err();
    app.stop.check("while Docker was at work")?;
    Ok(Made {
        id: None,
        link: None,
        place: None,
        status: if error.is_none() {
            "SUCCESS"
        } else {
            "FAILURE"
        }
        .to_owned(),
        took: Some(start.elapsed()),
        digests,
        steps,
        output: docker.output(),
        error,
    })
}

async fn push(
    order: &Order,
    id: &str,
    registries: &Registries,
    docker: &mut Docker<'_>,
    steps: &mut Vec<Step>,
    digests: &mut BTreeMap<String, String>,
) -> Result<()> {
    for (image, digest) in &order.kept {
        if !registries.holds(image, id).await? {
            return Err(refusal(image, digest, id));
        }
        digests.insert(image.to_string(), digest.clone());
    }
    for image in &order.images {
        // Another build may have been faster.
        if let Some(digest) = registries.digest(image).await?
            && !registries.holds(image, id).await?
        {
            return Err(refusal(image, &digest, id));
        }
    }
    for (image, command) in order.pushes() {
        let start = Instant::now();
        let digest = docker.push(&command, order.retries).await;
        steps.push(step(&format!("docker push {image}"), digest.is_ok(), start));
        digests.insert(image.to_string(), digest?);
    }
    Ok(())
}

fn step(name: &str, passed: bool, start: Instant) -> Step {
    Step {
        name: name.to_owned(),
        status: if passed { "SUCCESS" } else { "FAILURE" }.to_owned(),
        passed,
        ended: true,
        took: Some(start.elapsed()),
    }
}

/// A tag is given away once.
fn refusal(image: &Image, digest: &str, id: &str) -> Error {
    Error::failed(format!(
        "{image} is there with another content and stays as it is"
    ))
    .because(format!("it is {digest}, and what was built is {id}"))
    .hint("build with another --tag; or remove the tag from the registry first")
}

/// The digest in what `docker push` prints: `TAG: digest: sha256:… size: N`.
fn digest_in(output: &str) -> Option<String> {
    let line = output
        .lines()
        .rev()
        .find(|line| line.contains(": digest: "))?;
    let (_, rest) = line.split_once(": digest: ")?;
    let digest = rest.split_whitespace().next()?;
    is_digest(digest).then(|| digest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_typed_is_taken_for_a_flag() {
        let image = Image::parse("localhost:5000/app:v1").unwrap();
        let order = Order {
            context: "-context".into(),
            dockerfile: "/c/Dockerfile".into(),
            recipe: Dockerfile {
                path: "Dockerfile".into(),
                build_args: vec!["A=b c".to_owned()],
                labels: Vec::new(),
                target: None,
                platform: None,
                cache_from: Vec::new(),
            },
            images: vec![image.clone()],
            kept: Vec::new(),
            latest: vec![image.with_tag("latest")],
            timeout: None,
            retries: 0,
        };
        assert_eq!(
            order.build(Path::new("/id")).to_string(),
            "docker build --file /c/Dockerfile --iidfile /id --tag localhost:5000/app:v1 --tag \
             localhost:5000/app:latest --build-arg 'A=b c' -- -context"
        );
        let pushes: Vec<String> = order
            .pushes()
            .iter()
            .map(|(_, push)| push.to_string())
            .collect();
        assert_eq!(
            pushes,
            [
                "docker push -- localhost:5000/app:v1",
                "docker push -- localhost:5000/app:latest"
            ]
        );
    }

    #[test]
    fn the_digest_is_the_one_that_the_registry_gave() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let output = format!("x: Pushed\nv1: digest: {digest} size: 528\n");
        assert_eq!(digest_in(&output), Some(digest));
        assert_eq!(digest_in("v1: digest: none size: 1"), None);
        assert_eq!(digest_in("sha256:00"), None);
    }
}
