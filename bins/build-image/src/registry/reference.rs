//! Names of images. Source: Docker's reference grammar, and the OCI distribution specification.

use std::fmt;

use common::image_tag::is_tag;
use common::{Error, Result};

/// What Docker means where a name has no registry.
const DOCKER_HUB: &str = "docker.io";

/// An image without a tag: `REGISTRY/PATH`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    /// The registry's host, with its port.
    registry: String,
    /// What the registry calls it.
    path: String,
    /// As it was written.
    written: String,
}

/// An image: `REGISTRY/PATH:TAG`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Image {
    pub(crate) name: Name,
    pub(crate) tag: String,
}

impl Name {
    /// Reads a name that has neither tag nor digest.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Err(Error::usage(format!("{text:?} is no image: {why}"))
                .hint("an image is REGISTRY/NAME, such as gcr.io/PROJECT/NAME"))
        };
        if text.len() > 255 {
            return wrong("it is longer than 255 characters");
        }
        if text.contains('@') {
            return wrong("a digest is what a build gives, not what it is given");
        }
        let (first, rest) = text.split_once('/').unwrap_or(("", text));
        let is_registry = first.contains(['.', ':']) || first == "localhost";
        let (registry, path) = if is_registry {
            (first, rest.to_owned())
        } else if first.is_empty() {
            (DOCKER_HUB, format!("library/{text}"))
        } else {
            (DOCKER_HUB, text.to_owned())
        };
        if path.contains(':') {
            return wrong("the tag is given by --tag");
        }
        if !is_host(registry) || !path.split('/').all(is_component) {
            return wrong("its parts are lower-case letters, digits and single . _ - between them");
        }
        Ok(Name {
            registry: registry.to_owned(),
            path,
            written: text.to_owned(),
        })
    }

    /// The registry's host, with its port.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }

    /// What the registry calls it.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// As it was written, without its last part: where its siblings are.
    pub(crate) fn parent(&self) -> &str {
        self.written
            .rsplit_once('/')
            .map_or("", |(parent, _)| parent)
    }

    /// The Google Cloud project that its registry belongs to. Source: the pages on names of
    /// Container Registry and Artifact Registry.
    pub(crate) fn project(&self) -> Option<String> {
        let google = is_container_registry(&self.registry) || is_artifact_registry(&self.registry);
        let mut parts = self.path.split('/');
        let first = parts.next().filter(|_| google)?;
        // Projects of an organisation: `example.com/project` for `example.com:project`.
        if first.contains('.') && is_container_registry(&self.registry) {
            return Some(format!("{first}:{}", parts.next()?));
        }
        Some(first.to_owned())
    }

    /// Whether Google's credentials are for its registry.
    pub(crate) fn is_of_google(&self) -> bool {
        is_container_registry(&self.registry) || is_artifact_registry(&self.registry)
    }

    /// The same with a tag.
    pub(crate) fn tagged(&self, tag: &str) -> Image {
        Image {
            name: self.clone(),
            tag: tag.to_owned(),
        }
    }
}

impl Image {
    /// Reads a name with its tag; without one it is `latest`, as for Docker.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let last = text.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match text[last..].split_once(':') {
            Some((name, tag)) => (&text[..last + name.len()], tag),
            None => (text, LATEST),
        };
        if !is_tag(tag) {
            return Err(Error::usage(format!(
                "{text:?} is no image: {tag:?} is no tag"
            )));
        }
        Ok(Name::parse(name)?.tagged(tag))
    }

    /// With another tag.
    pub(crate) fn with_tag(&self, tag: &str) -> Image {
        self.name.tagged(tag)
    }

    /// `NAME@DIGEST`: this very image, whatever becomes of the tag.
    pub(crate) fn pinned(&self, digest: &str) -> String {
        format!("{}@{digest}", self.name)
    }
}

/// The tag that moves: it is not what a build is known by.
pub(crate) const LATEST: &str = "latest";

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.written)
    }
}

impl fmt::Display for Image {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.name, self.tag)
    }
}

fn is_container_registry(host: &str) -> bool {
    host == "gcr.io" || host.ends_with(".gcr.io")
}

fn is_artifact_registry(host: &str) -> bool {
    host.ends_with("-docker.pkg.dev") || host == "docker.pkg.dev"
}

fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "1"));
    let port_is_good = port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    port_is_good && host.split('.').all(is_label)
}

fn is_component(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !text.starts_with(plain) || !text.ends_with(plain) {
        return false;
    }
    let separators = text.split(plain).filter(|between| !between.is_empty());
    separators
        .into_iter()
        .all(|between| matches!(between, "." | "_" | "__") || between.chars().all(|c| c == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_docker_reads_them() {
        for (text, registry, path) in [
            ("gcr.io/p/app", "gcr.io", "p/app"),
            ("us-docker.pkg.dev/p/r/a/b", "us-docker.pkg.dev", "p/r/a/b"),
            ("localhost:5000/app", "localhost:5000", "app"),
            ("localhost/app", "localhost", "app"),
            ("team/app", "docker.io", "team/app"),
            ("app", "docker.io", "library/app"),
            ("h.x/a__b/c---d/e.f", "h.x", "a__b/c---d/e.f"),
        ] {
            let name = Name::parse(text).unwrap();
            assert_eq!((name.registry(), name.path()), (registry, path));
            assert_eq!(name.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            "gcr.io/",
            "gcr.io/P/app",
            "gcr.io/p/app:v1",
            "gcr.io/p/app@sha256:00",
            "gcr.io/p//app",
            "gcr.io/p/../app",
            "gcr.io/p/-app",
            "-x.io/app",
            "gcr.io:0/app",
            "gcr.io:99999/app",
            "gcr.io/p/a b",
            "gcr.io/p/a...b",
            "--help",
            &"a".repeat(256),
        ] {
            assert!(Name::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn tags_are_told_from_ports() {
        let image = Image::parse("localhost:5000/a:v1").unwrap();
        assert_eq!(
            (image.name.to_string().as_str(), image.tag.as_str()),
            ("localhost:5000/a", "v1")
        );
        assert_eq!(Image::parse("localhost:5000/a").unwrap().tag, LATEST);
        assert_eq!(image.pinned("sha256:0"), "localhost:5000/a@sha256:0");
        assert!(Image::parse("gcr.io/p/a:").is_err());
    }

    #[test]
    fn projects_are_known_by_the_names_of_googles_registries() {
        let project = |text| Name::parse(text).unwrap().project();
        assert_eq!(project("gcr.io/p/app").as_deref(), Some("p"));
        assert_eq!(
            project("eu.gcr.io/example.com/p/app").as_deref(),
            Some("example.com:p")
        );
        assert_eq!(
            project("us-west1-docker.pkg.dev/p/r/app").as_deref(),
            Some("p")
        );
        assert_eq!(project("quay.io/p/app"), None);
        assert_eq!(project("evilgcr.io/p/app"), None);
        assert_eq!(project("pkg.dev/p/app"), None);
    }
}
