//! Bills of materials, as `CycloneDX`'s own library judges them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The library and what it needs, from the package index.
const LIBRARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools/cyclonedx-11.12.0");

/// What is wrong with these documents: with their form, by the schema of their version, with the
/// references in them, with the expressions of licences and with the URLs of packages.
pub fn bill_of_materials_defects(documents: &[String]) -> Vec<String> {
    assert!(
        Path::new(LIBRARY).exists(),
        "{LIBRARY} is missing: run `make test`, which installs it"
    );
    let mut python = Command::new("python3")
        .args(["-B", "-c", include_str!("bill_of_materials.py")])
        .env("PYTHONPATH", LIBRARY)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut stdin = python.stdin.take().expect("its input");
    let texts = serde_json::to_vec(documents).expect("texts as JSON");
    stdin.write_all(&texts).expect("its input is read");
    drop(stdin);
    let output = python.wait_with_output().expect("its end");
    assert!(output.status.success(), "the documents cannot be judged");
    serde_json::from_slice(&output.stdout).expect("a list of defects")
}
