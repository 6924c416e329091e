//! What cargo says of a workspace, as far as we look into it. Source: `cargo help metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use common::{Error, Result};
use serde::Deserialize;

/// The output of `cargo metadata`.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
    pub(crate) workspace_root: PathBuf,
}

/// A crate.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// An SPDX expression, or an older form of one.
    pub(crate) license: Option<String>,
    pub(crate) license_file: Option<PathBuf>,
    #[serde(default)]
    pub(crate) authors: Vec<String>,
    pub(crate) description: Option<String>,
    pub(crate) repository: Option<String>,
    /// Where it was downloaded from; `None` for our own.
    pub(crate) source: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Debug, Deserialize)]
struct Kind {
    /// `None` for what goes into the program, or makes code that does: not `dev`, not `build`.
    kind: Option<String>,
}

impl Package {
    /// The package's URL: <https://github.com/package-url/purl-spec>.
    pub(crate) fn url(&self) -> String {
        let version = self.version.replace('+', "%2B");
        format!("pkg:cargo/{}@{version}", self.name)
    }

    /// The licence as an SPDX expression.
    pub(crate) fn licence(&self) -> Option<String> {
        let licence = self.license.as_deref()?;
        // How crates said OR before cargo knew SPDX.
        Some(licence.replace(" / ", "/").replace('/', " OR "))
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("."))
    }
}

/// The crates that programs are made of, each with those that it needs; by name and version.
#[derive(Debug, Default)]
pub(crate) struct Parts<'a>(BTreeMap<(&'a str, &'a str), Part<'a>>);

/// One of them.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) package: &'a Package,
    /// The URLs of the crates that it needs.
    pub(crate) needs: BTreeSet<String>,
}

impl<'a> Parts<'a> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Part<'a>> {
        self.0.values()
    }

    /// Those that somebody else wrote.
    pub(crate) fn of_others(&self) -> impl Iterator<Item = &'a Package> {
        let packages = self.0.values().map(|part| part.package);
        packages.filter(|package| package.source.is_some())
    }

    pub(crate) fn merge(&mut self, other: Parts<'a>) {
        self.0.extend(other.0);
    }
}

impl Metadata {
    /// The workspace's own package of this name.
    pub(crate) fn program(&self, name: &str) -> Result<&Package> {
        let mut own = self.packages.iter();
        own.find(|package| package.name == name && package.source.is_none())
            .ok_or_else(|| Error::usage(format!("the workspace has no package {name:?}")))
    }

    /// Everything that a program is made of, itself included.
    pub(crate) fn parts_of(&self, program: &Package) -> Parts<'_> {
        let packages: BTreeMap<&str, &Package> = self
            .packages
            .iter()
            .map(|package| (package.id.as_str(), package))
            .collect();
        let nodes: BTreeMap<&str, &Node> = self
            .resolve
            .nodes
            .iter()
            .map(|node| (node.id.as_str(), node))
            .collect();
        let mut parts = Parts::default();
        let mut to_look_at = vec![program.id.as_str()];
        while let Some(id) = to_look_at.pop() {
            let Some(package) = packages.get(id) else {
                continue;
            };
            let name = (package.name.as_str(), package.version.as_str());
            if parts.0.contains_key(&name) {
                continue;
            }
            let needed = nodes.get(id).map_or(&[][..], |node| &node.deps);
            let goes_in = |needed: &&Dependency| needed.dep_kinds.iter().any(|k| k.kind.is_none());
            let needed: Vec<&str> = needed
                .iter()
                .filter(goes_in)
                .map(|needed| needed.pkg.as_str())
                .collect();
            let urls = needed.iter().filter_map(|id| packages.get(id));
            let needs = urls.map(|package| package.url()).collect();
            parts.0.insert(name, Part { package, needs });
            to_look_at.extend(needed);
        }
        parts
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A program that needs `a`, which needs `b`; `tester` and `maker` only help.
    pub(crate) fn example(folder: &Path) -> Metadata {
        let package = |name: &str, source: Option<&str>, licence: &str| {
            serde_json::json!({
                "id": format!("id of {name}"), "name": name, "version": "1.0.0+x", "license": licence,
                "license_file": null, "description": "what it is", "repository": null,
                "source": source, "manifest_path": folder.join(name).join("Cargo.toml"),
            })
        };
        let downloaded = Some("registry+https://github.com/rust-lang/crates.io-index");
        let needs = |names: &[(&str, Option<&str>)]| {
            let one = |(name, kind): &(&str, Option<&str>)| serde_json::json!({"pkg": format!("id of {name}"), "dep_kinds": [{"kind": kind}]});
            names.iter().map(one).collect::<Vec<_>>()
        };
        serde_json::from_value(serde_json::json!({
            "workspace_root": folder,
            "packages": [
                package("program", None, "Apache-2.0"),
                package("a", downloaded, "MIT/Apache-2.0"),
                package("b", downloaded, "MIT"),
                package("tester", downloaded, "MIT"),
                package("maker", downloaded, "MIT"),
            ],
            "resolve": {"nodes": [
                {"id": "id of program", "deps": needs(&[("a", None), ("tester", Some("dev"))])},
                {"id": "id of a", "deps": needs(&[("b", None), ("maker", Some("build"))])},
                {"id": "id of b", "deps": needs(&[])},
            ]},
        }))
        .unwrap()
    }

    #[test]
    fn what_only_helps_to_build_and_test_is_no_part() {
        let metadata = example(Path::new("/crates"));
        let parts = metadata.parts_of(metadata.program("program").unwrap());
        let names: Vec<&str> = parts
            .iter()
            .map(|part| part.package.name.as_str())
            .collect();
        assert_eq!(names, ["a", "b", "program"]);
        let others: Vec<&str> = parts.of_others().map(|package| &*package.name).collect();
        assert_eq!(others, ["a", "b"]);
    }

    #[test]
    fn urls_and_licences_are_written_as_their_standards_have_them() {
        let metadata = example(Path::new("/crates"));
        assert_eq!(metadata.packages[1].url(), "pkg:cargo/a@1.0.0%2Bx");
        let licence = metadata.packages[1].licence();
        assert_eq!(licence.as_deref(), Some("MIT OR Apache-2.0"));
    }

    #[test]
    fn a_crate_of_somebody_else_is_no_program() {
        let metadata = example(Path::new("/crates"));
        assert!(metadata.program("a").is_err());
    }
}
