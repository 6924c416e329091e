//! What is to be done, given what is in the registry already: decided in one place, pure.

use crate::recipe::Recipe;
use crate::registry::Image;

/// An image that is there, and its digest.
pub(crate) type Present = (Image, String);

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// Nothing: all is there.
    Skip,
    /// Build, and push these; the others are there and stay.
    Build { pushed: Vec<Image> },
    /// Build although tags are there, which stay as they are.
    Again,
}

/// Decides.
pub(crate) fn decide(recipe: &Recipe, present: &[Present], rebuild: bool) -> Course {
    let is_there = |image: &Image| present.iter().any(|(there, _)| there == image);
    let missing = recipe.images.iter().filter(|image| !is_there(image));
    let missing: Vec<Image> = missing.cloned().collect();
    if rebuild && !present.is_empty() {
        Course::Again
    } else if missing.is_empty() && !present.is_empty() && recipe.is_known() {
        Course::Skip
    } else {
        Course::Build { pushed: missing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Dockerfile, Kind};

    fn image(text: &str) -> Image {
        Image::parse(text).unwrap()
    }

    fn recipe(images: &[&str]) -> Recipe {
        Recipe {
            kind: Kind::Dockerfile(Dockerfile {
                path: "Dockerfile".into(),
                build_args: Vec::new(),
                labels: Vec::new(),
                target: None,
                platform: None,
                cache_from: Vec::new(),
            }),
            images: images.iter().map(|text| image(text)).collect(),
            latest: Vec::new(),
            written: Vec::new(),
        }
    }

    #[test]
    fn what_is_there_is_neither_built_nor_pushed() {
        let present = |images: &[&str]| -> Vec<Present> {
            images
                .iter()
                .map(|text| (image(text), "sha256:0".to_owned()))
                .collect()
        };
        let both = recipe(&["h.x/a:1", "h.x/b:1"]);
        let build = |pushed: &[&str]| Course::Build {
            pushed: pushed.iter().map(|text| image(text)).collect(),
        };
        assert_eq!(decide(&both, &[], false), build(&["h.x/a:1", "h.x/b:1"]));
        assert_eq!(decide(&both, &[], true), build(&["h.x/a:1", "h.x/b:1"]));
        assert_eq!(
            decide(&both, &present(&["h.x/a:1"]), false),
            build(&["h.x/b:1"])
        );
        let all = present(&["h.x/a:1", "h.x/b:1"]);
        assert_eq!(decide(&both, &all, false), Course::Skip);
        assert_eq!(decide(&both, &all, true), Course::Again);
        let mut unknown = both.clone();
        unknown.written = vec![("h.x/c:$BUILD_ID".to_owned(), None)];
        assert_eq!(decide(&unknown, &all, false), build(&[]));
        assert_eq!(decide(&recipe(&[]), &[], false), build(&[]));
    }
}
