//! The records of this workspace, as the image's build has them made.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot do its work fails by a panic"
)]

use std::fs::File;
use std::process::{Command, Output};

use e2e::{TestEnvironment, bill_of_materials_defects, binary, text};
use serde_json::{Value, json};

/// What cargo says of this workspace.
fn metadata(test: &TestEnvironment) -> File {
    let path = test.path().join("metadata.json");
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .args(["--filter-platform=x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(File::create(&path).unwrap())
        .status();
    assert!(cargo.unwrap().success());
    File::open(path).unwrap()
}

fn records(test: &TestEnvironment, stdin: File, args: &[&str]) -> Output {
    let mut command = test.command(&binary("records"));
    command
        .arg("--time=1764000000")
        .args(args)
        .stdin(stdin)
        .output()
        .unwrap()
}

#[test]
fn every_crate_of_the_programs_is_named_and_has_a_licence() {
    let test = TestEnvironment::new();
    let programs = ["checkout", "submit-e2e"];
    for folder in ["one", "other"] {
        let output = records(
            &test,
            metadata(&test),
            &[&["--to", folder], &programs[..]].concat(),
        );
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let document = test.read("one/sbom/checkout.cdx.json");
    assert_eq!(document, test.read("other/sbom/checkout.cdx.json"));
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["bomFormat"], "CycloneDX");
    assert_eq!(document["metadata"]["timestamp"], "2025-11-24T16:00:00Z");
    let components = document["components"].as_array().unwrap();
    let named = |name: &str| {
        components
            .iter()
            .find(|component| component["name"] == name)
    };
    let clap = named("clap").unwrap();
    assert_eq!(clap["hashes"][0]["content"].as_str().unwrap().len(), 64);
    assert_eq!(clap["licenses"][0]["expression"], "MIT OR Apache-2.0");
    assert!(named("common").is_some());
    // What tests need is in no program, and what other programs need not in this one.
    assert!(named("e2e").is_none() && named("proptest").is_none() && named("kube").is_none());
    let licences = test.read("one/third-party-licences.txt");
    assert_eq!(licences, test.read("other/third-party-licences.txt"));
    for part in [
        "\n  tokio ",
        "\n  kube ",
        "Permission is hereby granted",
        "UNICODE LICENSE",
    ] {
        assert!(licences.contains(part), "{part:?} is not in the licences");
    }
}

#[test]
fn the_documents_are_what_cyclonedx_takes_for_one() {
    let test = TestEnvironment::new();
    let programs = ["checkout", "submit-e2e"];
    let output = records(
        &test,
        metadata(&test),
        &[&["--to=to"], &programs[..]].concat(),
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let documents = programs.map(|program| test.read(format!("to/sbom/{program}.cdx.json")));
    assert_eq!(bill_of_materials_defects(&documents), [""; 0]);
    // Each kind of defect is one that would be seen.
    let mut document: Value = serde_json::from_str(&documents[0]).unwrap();
    document["metadata"]["timestamp"] = json!("yesterday");
    document["dependencies"][0]["dependsOn"] = json!(["none"]);
    let components = document["components"].as_array_mut().unwrap();
    components[0]["type"] = json!("crate");
    components[1]["purl"] = json!("cargo/x");
    components[2]["licenses"] = json!([{"expression": "MIT OR No-Licence"}]);
    components[3]["externalReferences"] = json!([{"type": "vcs", "url": "https://a b"}]);
    components.push(components[4].clone());
    let defects = bill_of_materials_defects(&[document.to_string()]);
    let all = defects.join("\n");
    for part in [
        "yesterday",
        "none is needed",
        "'crate'",
        "cargo/x",
        "No-Licence",
        "a b is no URL",
        "twice",
    ] {
        assert!(all.contains(part), "{part:?} is not in {all}");
    }
}

#[test]
fn what_is_no_metadata_and_no_program_is_refused() {
    let test = TestEnvironment::new();
    test.write("empty", "");
    let empty = File::open(test.path().join("empty")).unwrap();
    let output = records(&test, empty, &["--to=to", "checkout"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("cargo metadata"),
        "{}",
        text(&output.stderr)
    );
    let output = records(&test, metadata(&test), &["--to=to", "no-such-program"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no package \"no-such-program\""));
    assert!(!test.path().join("to").exists());
}
