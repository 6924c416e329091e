//! A program's bill of materials: `CycloneDX` 1.5, <https://cyclonedx.org/docs/1.5/json/>.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::checksums::Checksums;
use crate::metadata::{Package, Parts};

/// How the document came to be.
pub(crate) struct Made {
    /// When, as it says; a document without it is the same at all times.
    pub(crate) at: Option<SystemTime>,
}

/// The document of a program.
pub(crate) fn document(
    program: &Package,
    parts: &Parts<'_>,
    checksums: &Checksums,
    made: &Made,
) -> Value {
    let mut own = component(program, checksums);
    own["type"] = json!("application");
    // What it says itself with --version.
    own["version"] = json!(common::VERSION);
    let mut metadata = json!({
        "tools": {"components": [{
            "type": "application", "name": "records", "version": common::VERSION,
        }]},
        "component": own,
    });
    if let Some(time) = made.at {
        metadata["timestamp"] = json!(humantime::format_rfc3339_seconds(time).to_string());
    }
    let others = parts
        .iter()
        .filter(|part| part.package.name != program.name);
    let components: Vec<Value> = others
        .map(|part| component(part.package, checksums))
        .collect();
    let dependencies: Vec<Value> = parts
        .iter()
        .map(|part| json!({"ref": part.package.url(), "dependsOn": part.needs}))
        .collect();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": metadata,
        "components": components,
        "dependencies": dependencies,
    })
}

fn component(package: &Package, checksums: &Checksums) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": package.url(),
        "name": package.name,
        "version": package.version,
        "purl": package.url(),
    });
    if !package.authors.is_empty() {
        component["author"] = json!(package.authors.join(", "));
    }
    if let Some(description) = &package.description {
        component["description"] = json!(common::on_one_line(description.trim()));
    }
    if let Some(checksum) = checksums.of(&package.name, &package.version) {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    if let Some(licence) = package.licence() {
        component["licenses"] = json!([{"expression": licence}]);
    }
    if let Some(repository) = &package.repository {
        component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
    }
    component
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_document_names_the_program_its_crates_and_which_needs_which() {
        let metadata = crate::metadata::tests::example(Path::new("/crates"));
        let program = metadata.program("program").unwrap();
        let parts = metadata.parts_of(program);
        let made = Made {
            at: Some(SystemTime::UNIX_EPOCH),
        };
        let document = document(program, &parts, &Checksums::default(), &made);
        assert_eq!(document["metadata"]["timestamp"], "1970-01-01T00:00:00Z");
        assert_eq!(document["metadata"]["component"]["name"], "program");
        assert_eq!(
            document["metadata"]["component"]["version"],
            common::VERSION
        );
        assert_eq!(
            document["components"],
            json!([
                {"type": "library", "bom-ref": "pkg:cargo/a@1.0.0%2Bx", "name": "a",
                 "version": "1.0.0+x", "purl": "pkg:cargo/a@1.0.0%2Bx", "description": "what it is",
                 "licenses": [{"expression": "MIT OR Apache-2.0"}]},
                {"type": "library", "bom-ref": "pkg:cargo/b@1.0.0%2Bx", "name": "b",
                 "version": "1.0.0+x", "purl": "pkg:cargo/b@1.0.0%2Bx", "description": "what it is",
                 "licenses": [{"expression": "MIT"}]},
            ])
        );
        assert_eq!(
            document["dependencies"],
            json!([
                {"ref": "pkg:cargo/a@1.0.0%2Bx", "dependsOn": ["pkg:cargo/b@1.0.0%2Bx"]},
                {"ref": "pkg:cargo/b@1.0.0%2Bx", "dependsOn": []},
                {"ref": "pkg:cargo/program@1.0.0%2Bx", "dependsOn": ["pkg:cargo/a@1.0.0%2Bx"]},
            ])
        );
    }
}
