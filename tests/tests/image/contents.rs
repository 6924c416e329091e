//! What is in the image, what is not, and that it works for a user that it does not know.

use std::path::Path;

use e2e::{bill_of_materials_defects, text};
use serde_json::Value;

use crate::docker::{image, printed, run, succeed, tools_image};

/// The programs of the suite, by their folders.
pub(crate) fn programs() -> Vec<String> {
    let bins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bins");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<String> = std::fs::read_dir(bins)
        .unwrap()
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_program_is_there_and_runs_as_any_user_on_a_read_only_file_system() {
    let mut expected = programs();
    assert!(expected.len() >= 6, "{expected:?}");
    for program in &expected {
        let version = printed(&[], &[program, "--version"]);
        assert!(version.starts_with(&format!("{program} ")), "{version}");
        let help = printed(&[], &[program, "--help"]);
        assert!(help.contains("Usage:"), "{help}");
    }
    expected.extend(["checkout.sh", "checkout_repos.sh", "run_workflows.sh"].map(str::to_owned));
    expected.sort();
    let there = printed(&[], &["sh", "-c", "ls /usr/local/bin | LC_ALL=C sort"]);
    assert_eq!(there.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn what_steps_and_workflow_functions_need_is_there_and_nothing_else() {
    printed(&[], &["git", "--version"]);
    // ssh wants a user that the image knows.
    succeed(&["run", "--rm", "--read-only", &image(), "ssh", "-V"]);
    printed(&[], &["test", "-s", "/etc/ssl/certs/ca-certificates.crt"]);
    let modules = "import argparse, ctypes, datetime, hashlib, json, sqlite3, ssl, unittest, \
                   urllib.request, six, yaml; yaml.safe_load('a: [1]'); print(yaml.__with_libyaml__)";
    printed(&[], &["python3", "-c", modules]);
    for program in ["gcloud", "kubectl", "docker", "gcc", "make", "pip", "curl"] {
        let found = run(&[], &["sh", "-c", &format!("command -v {program}")]);
        assert!(!found.status.success(), "{program}");
    }
    let scripts =
        "for f in /usr/local/bin/*; do head -c 2 $f | grep -q '#!' && echo $f; done; true";
    assert_eq!(printed(&[], &["sh", "-c", scripts]), "");
    let manuals = "find /usr/share/man /usr/share/locale -type f 2>/dev/null || true";
    assert_eq!(printed(&[], &["sh", "-c", manuals]), "");
}

#[test]
fn home_path_and_git_are_right_for_anybody() {
    let script = "echo $HOME $PATH; touch $HOME/x; git config --get safe.directory; id -u; \
                  python3 -c 'import os; print(os.path.expanduser(\"~\"))'; touch /x 2>/dev/null || echo kept";
    let said = printed(&[], &["sh", "-c", script]);
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(said, format!("/tmp {path}\n*\n12345\n/tmp\nkept"));
    // A number, or a kubelet could not tell that it is not root.
    let user = succeed(&["image", "inspect", "--format={{.Config.User}}", &image()]);
    assert_eq!(user, "65532:65532");
}

#[test]
fn the_image_says_what_it_is() {
    for image in [image(), tools_image()] {
        let labels = succeed(&[
            "image",
            "inspect",
            "--format={{json .Config.Labels}}",
            &image,
        ]);
        let labels: Value = serde_json::from_str(&labels).unwrap();
        let label = |name: &str| {
            let value = labels[format!("org.opencontainers.image.{name}")].as_str();
            value.unwrap_or_default().to_owned()
        };
        assert_eq!(label("revision").len(), 40, "{labels}");
        assert!(label("source").starts_with("https://"), "{labels}");
        assert_eq!(
            label("created").len(),
            "2026-01-01T00:00:00Z".len(),
            "{labels}"
        );
        assert_eq!(label("licenses"), "Apache-2.0");
        assert!(!label("version").is_empty() && label("version") != "unknown");
    }
    let revision = "--format={{index .Config.Labels \"org.opencontainers.image.revision\"}}";
    let revision = succeed(&["image", "inspect", revision, &image()]);
    let version = printed(&[], &["checkout", "--version"]);
    assert!(version.contains(&revision), "{version}");
}

#[test]
fn what_the_programs_are_made_of_is_written_down() {
    const RECORDS: &str = "/usr/share/doc/test-worker";
    let created = "--format={{index .Config.Labels \"org.opencontainers.image.created\"}}";
    let created = succeed(&["image", "inspect", created, &image()]);
    let mut documents = Vec::new();
    for program in programs() {
        let file = format!("{RECORDS}/sbom/{program}.cdx.json");
        let document = printed(&[], &["cat", &file]);
        let sbom: Value = serde_json::from_str(&document).unwrap();
        let components = sbom["components"].as_array().unwrap();
        let named = |name: &str| components.iter().any(|component| component["name"] == name);
        assert!(named("clap") && named("tokio"), "{program}");
        // The commit's time: when it was built would make other bytes of it each time.
        assert_eq!(sbom["metadata"]["timestamp"], created, "{program}");
        documents.push(document);
    }
    assert_eq!(bill_of_materials_defects(&documents), [""; 0]);
    let licences = run(
        &[],
        &["cat", &format!("{RECORDS}/third-party-licences.txt")],
    );
    let licences = text(&licences.stdout);
    assert!(licences.contains("tokio ") && licences.contains("Permission is hereby granted"));
    printed(&[], &["test", "-s", &format!("{RECORDS}/LICENSE")]);
    printed(&[], &["test", "-s", "/usr/share/doc/git/copyright"]);
}
