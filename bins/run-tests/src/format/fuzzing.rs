//! Doors for the fuzz targets of `fuzz/`: each takes any bytes as the output of a command.

use super::check::check;
use super::{End, Format, auto, cargo, go, junit, tap};

/// `go test -json`.
pub fn go(bytes: &[u8]) {
    read(&mut go::reader(&[]), bytes);
}

/// `cargo test` and libtest.
pub fn cargo(bytes: &[u8]) {
    read(&mut cargo::Cargo::new("unit"), bytes);
}

/// TAP and Bats.
pub fn tap(bytes: &[u8]) {
    read(&mut tap::Tap::new("unit"), bytes);
}

/// Whatever it turns out to be.
pub fn auto(bytes: &[u8]) {
    read(&mut auto::Auto::new("unit"), bytes);
}

/// A JUnit file of the command, in whatever encoding.
pub fn junit(bytes: &[u8]) {
    junit::fuzz(bytes);
}

/// The first two bytes say how the command ends and where its output is cut in two.
fn read(format: &mut dyn Format, bytes: &[u8]) {
    let [end, cut, output @ ..] = bytes else {
        return;
    };
    let end = match end % 4 {
        0 => End::Success,
        1 => End::CutShort("time is up".to_owned()),
        kind => End::Failure {
            how: "exit code 1".to_owned(),
            crashed: kind == 2,
        },
    };
    let (head, tail) = output.split_at(output.len() * usize::from(*cut) / 256);
    check(format, [head, tail], &end);
}
