//! The image of a step: its name, and whether it has to be pulled.

use common::app::Stop;
use common::exec::Limits;

use super::engine;
use crate::manifest::Pull;
use crate::step::resolve::Resolved;

/// The image's name, which cannot be taken for anything else. Its syntax is the engine's matter.
pub(super) fn checked(resolved: &Resolved) -> Result<String, String> {
    let image = resolved.image.clone().unwrap_or_default();
    let in_name = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    if image.starts_with(|c: char| c.is_ascii_alphanumeric()) && image.chars().all(in_name) {
        Ok(image)
    } else {
        Err(format!("{image:?} is not an image's name"))
    }
}

/// Kubernetes' default: a tag that may move is looked up anew.
fn default_pull(image: &str) -> Pull {
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once(':') {
        _ if image.contains('@') => Pull::IfNotPresent,
        None | Some((_, "latest")) => Pull::Always,
        Some(_) => Pull::IfNotPresent,
    }
}

/// Sees to it that the image is here, by the step's `imagePullPolicy`; a pull is said in the log.
pub(super) async fn provide(
    image: &str,
    resolved: &Resolved,
    limits: Limits,
    stop: &Stop,
) -> Result<(), String> {
    let policy = resolved.pull.unwrap_or_else(|| default_pull(image));
    let mut user = match policy {
        Pull::Always => None,
        Pull::IfNotPresent | Pull::Never => user(image).await?,
    };
    if user.is_none() {
        if policy == Pull::Never {
            return Err(format!(
                "the image {image} is not on this machine, and imagePullPolicy is Never"
            ));
        }
        tracing::info!("pulls the image {image}");
        let pull = engine::docker("pull").args(["--quiet", "--", image]);
        engine::call(&pull, limits, stop).await.map_err(|why| {
            if policy == Pull::Always {
                format!("{why} (an image of this machine alone needs imagePullPolicy: IfNotPresent or a tag other than latest)")
            } else {
                why
            }
        })?;
        user = self::user(image).await?;
    }
    check_user(resolved, &user.unwrap_or_default())
}

/// The user that an image names; `None` where the image is not on this machine.
async fn user(image: &str) -> Result<Option<String>, String> {
    let inspect =
        engine::docker("image").args(["inspect", "--format={{.Config.User}}", "--", image]);
    match engine::short(&inspect).await {
        Ok(user) => Ok(Some(String::from_utf8_lossy(&user).trim().to_owned())),
        Err(why) if why.to_lowercase().contains("no such image") => Ok(None),
        Err(why) => Err(why),
    }
}

/// The kubelet's check of `runAsNonRoot`.
fn check_user(resolved: &Resolved, of_image: &str) -> Result<(), String> {
    if !resolved.security.run_as_non_root {
        return Ok(());
    }
    let number = match resolved.security.run_as_user {
        Some(user) => Ok(user),
        None => of_image.split(':').next().unwrap_or_default().parse(),
    };
    match number {
        Ok(0) => Err("container has runAsNonRoot and would run as root".to_owned()),
        Ok(_) => Ok(()),
        Err(_) if of_image.is_empty() => {
            Err("container has runAsNonRoot and image will run as root".to_owned())
        }
        Err(_) => Err(format!(
            "container has runAsNonRoot and image has non-numeric user ({of_image}), cannot verify \
             user is non-root"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_that_may_move_is_pulled_anew_as_in_a_cluster() {
        for (image, expected) in [
            ("busybox", Pull::Always),
            ("registry:5000/team/busybox", Pull::Always),
            ("busybox:latest", Pull::Always),
            ("busybox:1.36", Pull::IfNotPresent),
            ("registry:5000/busybox:v1", Pull::IfNotPresent),
            ("busybox@sha256:0123", Pull::IfNotPresent),
        ] {
            assert_eq!(default_pull(image), expected, "{image}");
        }
    }
}
