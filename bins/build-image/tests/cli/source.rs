//! What of the context is sent, and how.

use std::os::unix::fs::symlink;
use std::path::Path;

use e2e::{Fault, text};

use crate::site::{STAGING, Site, end, said};

/// What the archive of the last build holds.
fn sent(site: &Site) -> Vec<String> {
    let objects = site.store.objects(STAGING, "source/");
    let name = objects.last().unwrap().name().to_owned();
    site.env
        .write("source.tgz", site.store.read(STAGING, &name).unwrap());
    let list = site
        .env
        .command(Path::new("tar"))
        .args([
            "--list",
            "--gzip",
            "--quoting-style=literal",
            "--file",
            "source.tgz",
        ])
        .output()
        .unwrap();
    assert!(list.status.success(), "{}", text(&list.stderr));
    text(&list.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn ignore_files_of_git_and_docker_are_heeded() {
    let site = Site::new([]);
    let write = |name: &str, text: &str| site.env.write(format!("context/{name}"), text);
    write(".git/HEAD", "x");
    write(".gitignore", "*.o\n");
    write("a.o", "x");
    write(".dockerignore", "*\n!file\n!src\nsrc/*.tmp\n");
    write("src/a", "x");
    write("src/b.tmp", "x");
    write("other", "x");
    said(&site.build(&["--async"]));
    assert_eq!(
        sent(&site),
        [".dockerignore", "Dockerfile", "file", "src/", "src/a"]
    );
}

#[test]
fn a_gcloudignore_and_an_ignore_file_of_ones_own_win() {
    let site = Site::new([]);
    site.env.write("context/.gitignore", "file\n");
    site.env
        .write("context/.gcloudignore", "#!include:.gitignore\n.*\n!file\n");
    said(&site.build(&["--async"]));
    assert_eq!(sent(&site), ["Dockerfile", "file"]);
    site.env.write("context/.own", "file\n.g*\n");
    let output = site.build(&["--async", "--ignore-file", ".own"]);
    said(&output);
    assert!(text(&output.stderr).contains("without what .own leaves out"));
}

#[test]
fn hostile_names_are_sent_as_they_are() {
    let site = Site::new([]);
    for name in [
        "-rf",
        "a\nb",
        "--checkpoint-action=exec=sh",
        "$(touch x)",
        "ünï",
        "...",
    ] {
        site.env.write(format!("context/{name}"), "x");
    }
    symlink("/etc/passwd", site.env.path().join("context/link")).unwrap();
    said(&site.build(&["--async"]));
    let sent = sent(&site).join("\n");
    for name in [
        "-rf",
        "a\nb",
        "--checkpoint-action=exec=sh",
        "$(touch x)",
        "ünï",
        "...",
        "link",
    ] {
        assert!(sent.contains(name), "{name}: {sent}");
    }
}

#[test]
fn a_source_that_is_large_is_told_with_its_largest_folders() {
    let site = Site::new([]);
    let large = site.env.write("context/data/models/weights", "");
    std::fs::File::options()
        .write(true)
        .open(large)
        .unwrap()
        .set_len(201_000_000)
        .unwrap();
    let output = site.build(&["--async"]);
    said(&output);
    let log = text(&output.stderr);
    assert!(log.contains("201 MB before compression"), "{log}");
    assert!(log.contains("most of it in data/models (201 MB)"), "{log}");
}

#[test]
fn an_upload_that_is_cut_goes_on() {
    let site = Site::new([]);
    let noise: Vec<u8> = std::iter::repeat_with({
        let mut state = 1_u64;
        move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            u8::try_from(state >> 56).unwrap()
        }
    })
    .take(20_000_000)
    .collect();
    site.env.write("context/noise", &noise);
    let faults = [
        Fault::CutUploadAfter(3_000_000),
        Fault::unavailable(),
        Fault::lost_answer(),
    ];
    site.store.proxy().on(&["PUT", "upload"], faults);
    let output = site.build(&["--async"]);
    said(&output);
    sent(&site);
    let unpacked = site
        .env
        .command(Path::new("tar"))
        .args([
            "--extract",
            "--gzip",
            "--to-stdout",
            "--file",
            "source.tgz",
            "noise",
        ])
        .output()
        .unwrap();
    assert!(unpacked.stdout == noise);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let site = Site::new([]);
    let file = site.env.write("context/secret", "x");
    // Root may read everything: a folder that is gone in the middle serves as well.
    std::fs::remove_file(&file).unwrap();
    symlink("secret", &file).unwrap();
    said(&site.build(&["--async"]));
    assert!(sent(&site).contains(&"secret".to_owned()));
}

#[test]
fn a_staging_bucket_of_a_stranger_is_not_used() {
    let site = Site::new([]);
    let empty = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    site.store.proxy().on(
        &["GET", "prefix=p_cloudbuild"],
        [Fault::Answer(empty.to_owned())],
    );
    let (code, log) = end(&site.build(&["--async"]));
    assert_eq!(code, Some(2), "{log}");
    assert!(
        log.contains("does not belong to project p") && log.contains("--staging-bucket"),
        "{log}"
    );
    assert!(site.store.objects(STAGING, "").is_empty());
}
