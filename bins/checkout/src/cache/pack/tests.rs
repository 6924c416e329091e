use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

use aws_lc_rs::digest;
use tempfile::TempDir;

use super::{Verified, delta, verify};

fn git(folder: &Path, args: &[&str], input: &[u8]) -> String {
    let mut child = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "git {args:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with versions of a file, which are packed as differences; and what is to be
/// packed.
fn repository(format: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let format = format!("--object-format={format}");
    git(place, &["init", "--quiet", &format], b"");
    let lines: Vec<String> = (0..300).map(|line| format!("line {line}\n")).collect();
    for version in 0..6 {
        let mut lines = lines.clone();
        lines[version * 50] = format!("version {version}\n");
        fs::write(place.join("file"), lines.concat()).unwrap();
        git(place, &["add", "file"], b"");
        git(place, &["commit", "--quiet", "--message=one"], b"");
    }
    git(place, &["tag", "--annotate", "--message=tag", "v1"], b"");
    let objects = git(place, &["rev-list", "--all", "--objects"], b"");
    let tag = git(place, &["rev-parse", "v1"], b"");
    (folder, format!("{objects}\n{tag}\n"))
}

/// Packs objects; gives the pack.
fn pack(folder: &Path, objects: &str, args: &[&str]) -> PathBuf {
    let base = folder.join("pack").display().to_string();
    let args = [&["pack-objects", "--quiet"], args, &[&base]].concat();
    let name = git(folder, &args, objects.as_bytes());
    folder.join(format!("pack-{name}.pack"))
}

fn look(pack: &Path) -> std::io::Result<Verified> {
    verify(pack, &AtomicBool::new(false))
}

fn write(file: &Path, content: &[u8]) {
    // Git makes them read-only.
    fs::remove_file(file).unwrap();
    fs::write(file, content).unwrap();
}

#[test]
fn packs_of_git_are_what_they_say() {
    for format in ["sha1", "sha256"] {
        let (folder, objects) = repository(format);
        for args in [
            ["--delta-base-offset"].as_slice(),
            // Names the bases by their ids.
            &[],
            &["--window=0"],
            // Offsets from the table for packs of more than 2 GB.
            &["--index-version=2,0x40"],
        ] {
            let pack = pack(folder.path(), &objects, args);
            assert_eq!(look(&pack).unwrap(), Verified::Yes, "{format} {args:?}");
            fs::remove_file(pack).unwrap();
        }
        let empty = pack(folder.path(), "", &[]);
        assert_eq!(look(&empty).unwrap(), Verified::Yes);
    }
}

#[test]
fn any_byte_that_differs_is_damage() {
    let (folder, objects) = repository("sha1");
    let pack = pack(folder.path(), &objects, &["--delta-base-offset"]);
    for file in [pack.clone(), pack.with_extension("idx")] {
        let whole = fs::read(&file).unwrap();
        // The fanout is long and all alike.
        for at in (0..whole.len()).filter(|at| *at < 64 || *at > 900 || at % 16 == 3) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            write(&file, &damaged);
            assert!(look(&pack).is_err(), "{} at {at}", file.display());
        }
        for length in [0, 11, whole.len() / 2, whole.len() - 1] {
            write(&file, &whole[..length]);
            assert!(look(&pack).is_err(), "{} of {length}", file.display());
        }
        write(&file, &whole);
    }
    assert_eq!(look(&pack).unwrap(), Verified::Yes);
    let other = pack.with_file_name(format!("pack-{}.pack", "1".repeat(40)));
    fs::copy(&pack, &other).unwrap();
    fs::copy(pack.with_extension("idx"), other.with_extension("idx")).unwrap();
    assert!(look(&other).is_err(), "another name");
}

#[test]
fn an_index_that_gives_an_object_the_id_of_another_is_found_out() {
    let (folder, objects) = repository("sha1");
    let pack = pack(folder.path(), &objects, &["--delta-base-offset"]);
    let index = pack.with_extension("idx");
    let mut forged = fs::read(&index).unwrap();
    // The last byte of the first id, and all checksums made right again.
    forged[8 + 1024 + 19] ^= 1;
    let end = forged.len() - 20;
    let checksum = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &forged[..end]);
    forged[end..].copy_from_slice(checksum.as_ref());
    write(&index, &forged);
    let error = look(&pack).unwrap_err().to_string();
    assert!(error.contains("an object has another id"), "{error}");
}

#[test]
fn a_large_object_is_left_to_git_and_one_who_gave_up_gets_no_answer() {
    let (folder, _) = repository("sha1");
    let large = git(
        folder.path(),
        &["hash-object", "-w", "--stdin"],
        &vec![7; 17 * 1024 * 1024],
    );
    let large = pack(folder.path(), &format!("{large}\n"), &[]);
    assert_eq!(look(&large).unwrap(), Verified::TooLarge);
    assert!(verify(&large, &AtomicBool::new(true)).is_err());
}

#[test]
fn differences_that_do_not_fit_are_refused() {
    let base = b"0123456789";
    // Base of 10, result of 4; copy 2 bytes from offset 3, insert "ab".
    let delta = [10, 4, 0x91, 3, 2, 2, b'a', b'b'];
    assert_eq!(delta::apply(base, &delta).unwrap(), b"34ab");
    assert_eq!(delta::result_size(&delta).unwrap(), 4);
    for wrong in [
        [10, 5, 0x91, 3, 2, 2, b'a', b'b'].as_slice(),
        &[10, 3, 0x91, 3, 2, 2, b'a', b'b'],
        &[9, 4, 0x91, 3, 2, 2, b'a', b'b'],
        &[10, 4, 0x91, 9, 2, 2, b'a', b'b'],
        &[10, 4, 0x91, 3, 2, 2, b'a'],
        &[10, 4, 0x91, 3],
        &[10, 4, 0, 0x91, 3, 2, 2, b'a', b'b'],
        &[0x80; 12],
        &[10],
        &[],
    ] {
        assert!(delta::apply(base, wrong).is_err(), "{wrong:?}");
    }
}
