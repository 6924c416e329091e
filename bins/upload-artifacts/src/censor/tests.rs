use std::io::Write;
use std::process::{Command, Stdio};

use common::redact::Secrets;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::*;

const SECRET: &str = "correct-horse-battery";
const MASK: &str = "XXXXXXXXXXXXXXXXXXXXX";

fn censor(binaries: bool) -> Censor {
    let mut secrets = Secrets::default();
    secrets.add("a test", SECRET.as_bytes());
    Censor::new(secrets.compile().unwrap(), binaries)
}

fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file
}

fn content(mut file: File) -> Vec<u8> {
    file.rewind().unwrap();
    let mut content = Vec::new();
    file.read_to_end(&mut content).unwrap();
    content
}

fn censored(input: &[u8]) -> Vec<u8> {
    content(censor(false).censor(file(input)).unwrap().file)
}

fn gzip(input: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(input).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    MultiGzDecoder::new(input).read_to_end(&mut out).unwrap();
    out
}

/// A real archive of these files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let mut command = Command::new("tar");
    command.arg("-C").arg(folder.path()).args(["-c", "--"]);
    command.args(files.iter().map(|(name, _)| name));
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// What tar itself finds in an archive.
fn untar(archive: &[u8], name: &str) -> Vec<u8> {
    let place = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(place.path(), archive).unwrap();
    let mut command = Command::new("tar");
    command.arg("-xOf").arg(place.path()).arg("--").arg(name);
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn text_is_censored_whatever_its_size() {
    for size in [0, BLOCK - 10, 300_000] {
        let text = format!("{}{SECRET} end\n", "x".repeat(size));
        let expected = text.replace(SECRET, MASK);
        assert!(censored(text.as_bytes()) == expected.as_bytes(), "{size}");
    }
}

#[test]
fn binaries_are_left_alone_unless_asked() {
    let binary = format!("\0{SECRET}");
    assert_eq!(censored(binary.as_bytes()), binary.as_bytes());
    let asked = censor(true).censor(file(binary.as_bytes())).unwrap();
    assert_eq!(asked.masked, 21);
    assert_eq!(content(asked.file), format!("\0{MASK}").as_bytes());
    let compressed = gzip(binary.as_bytes());
    assert_eq!(censored(&compressed), compressed);
}

#[test]
fn compressed_text_is_censored_and_otherwise_stays_as_it_is() {
    // A secret across the border of two blocks, and of two members.
    let text = format!("{}{SECRET}", "x".repeat(BLOCK - 5));
    let members = [
        gzip(text.as_bytes()),
        gzip(b" and correct-"),
        gzip(b"horse-battery"),
    ]
    .concat();
    let shown = censored(&members);
    let expected = format!("{text} and {SECRET}").replace(SECRET, MASK);
    assert!(gunzip(&shown) == expected.as_bytes());
    assert_eq!(censored(&members), shown, "the same each time");

    let innocent = gzip(b"nothing in it");
    assert_eq!(censored(&innocent), innocent);
}

#[test]
fn files_in_archives_are_censored_and_tar_reads_them() {
    let large = format!("{}{SECRET}\n", "line\n".repeat(40_000));
    let binary = format!("\0\x01{SECRET}");
    let named = format!("{SECRET}.txt");
    let files = [
        ("a.txt", SECRET.as_bytes()),
        ("empty", b"".as_slice()),
        ("large.log", large.as_bytes()),
        ("binary", binary.as_bytes()),
        (&named, b"name"),
    ];
    let archive = tar(&files);
    for shown in [censored(&archive), gunzip(&censored(&gzip(&archive)))] {
        assert_eq!(untar(&shown, "a.txt"), MASK.as_bytes());
        assert_eq!(untar(&shown, "empty"), b"");
        assert!(untar(&shown, "large.log") == large.replace(SECRET, MASK).as_bytes());
        assert_eq!(untar(&shown, "binary"), binary.as_bytes());
        assert_eq!(untar(&shown, &format!("{MASK}.txt")), b"name");
    }
}

#[test]
fn what_cannot_be_read_cannot_be_censored() {
    let whole = gzip(SECRET.repeat(100).as_bytes());
    let archive = tar(&[("a.txt", SECRET.as_bytes())]);
    for broken in [
        &whole[..whole.len() - 10],
        &[&whole[..], b"garbage"].concat(),
        b"\x1f\x8bgarbage",
        &archive[..700],
        &gzip(&archive[..700]),
    ] {
        assert!(censor(false).censor(file(broken)).is_err());
    }
}

#[test]
fn what_is_appended_after_the_look_is_left_out() {
    let input = file(b"innocent");
    let mut writer = input.try_clone().unwrap();
    let shown = censor(false).censor(input).unwrap();
    writer.write_all(SECRET.as_bytes()).unwrap();
    assert_eq!(content(shown.file), b"innocent");
}

fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    let bytes = units.map(|unit| {
        if big_endian {
            unit.to_be_bytes()
        } else {
            unit.to_le_bytes()
        }
    });
    bytes.flatten().collect()
}

#[test]
fn utf16_is_censored_as_text_and_keeps_its_length() {
    let innocent = "ä 😀 line\r\n".repeat(10_000);
    let text = format!("{innocent}{SECRET}{innocent}");
    for big_endian in [false, true] {
        let input = utf16(&text, big_endian);
        let expected = utf16(&text.replace(SECRET, MASK), big_endian);
        assert!(censored(&input) == expected);
        assert!(gunzip(&censored(&gzip(&input))) == expected);
        let archive = tar(&[("a.txt", &input), ("b.txt", b"b")]);
        let shown = censored(&archive);
        assert!(untar(&shown, "a.txt") == expected);
        assert_eq!(untar(&shown, "b.txt"), b"b");
    }
}

#[test]
fn utf16_that_is_broken_stays_as_it_is() {
    let mut input = utf16("one \u{fffd} two", false);
    // Halves of pairs alone, and half a unit.
    input.extend([0x00, 0xd8, 0x41, 0x00, 0x00, 0xdc, 0x00, 0xd8, 0x42]);
    assert_eq!(censored(&input), input);
}

#[test]
fn utf32_is_no_utf16() {
    let input = [b"\xff\xfe\0\0".as_slice(), SECRET.as_bytes()].concat();
    assert_eq!(censored(&input), input);
}
