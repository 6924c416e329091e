//! `cargo test`: libtest lists its tests, and runs those whose names it gets.

use std::collections::BTreeSet;
use std::ffi::OsString;

use common::exec::Command;
use common::{Error, Result};

/// The command that lists the tests of all test binaries.
pub(super) fn listing(command: &Command) -> Command {
    let mut listing = command.clone();
    let behind = behind_the_dashes(&mut listing.args);
    let flags = ["--list", "--format=terse"].map(OsString::from);
    listing.args.splice(behind..behind, flags);
    listing
}

/// Names out of `tests::a: test`, in whatever binary they are.
pub(super) fn listed(output: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let name = line.strip_suffix(": test");
        let name = name.or_else(|| line.strip_suffix(": benchmark"))?;
        Some(name.to_owned())
    };
    output.lines().filter_map(name).collect()
}

/// The command that runs just these.
pub(super) fn narrowed(
    command: &Command,
    all: &BTreeSet<String>,
    chosen: &BTreeSet<String>,
) -> Result<Command> {
    let mut narrowed = command.clone();
    // A filter of the command's own would be one more exact name.
    let own = narrowed.args.iter().filter_map(|arg| arg.to_str());
    if let Some(name) = own.into_iter().find(|arg| all.contains(*arg)) {
        return Err(Error::usage(format!(
            "--shard cannot be used with a filter that is the whole name of a test, {name}"
        )));
    }
    let behind = behind_the_dashes(&mut narrowed.args);
    let is_exact = |arg: &OsString| arg == "--exact";
    if !narrowed.args[behind..].iter().any(is_exact) {
        narrowed.args.insert(behind, "--exact".into());
    }
    narrowed.args.extend(chosen.iter().map(OsString::from));
    Ok(narrowed)
}

/// The place behind `--`, which is put there if it is missing.
fn behind_the_dashes(args: &mut Vec<OsString>) -> usize {
    let dashes = args.iter().position(|arg| arg == "--");
    let dashes = dashes.unwrap_or_else(|| {
        args.push("--".into());
        args.len() - 1
    });
    dashes + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> Command {
        let mut words = line.split(' ');
        Command::new(words.next().unwrap()).args(words)
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn tests_are_listed_and_run_by_their_exact_names() {
        assert_eq!(
            listing(&command("cargo test -p x -- --skip y")).to_string(),
            "cargo test -p x -- --list '--format=terse' --skip y"
        );
        let all =
            listed("tests::a: test\nsrc/lib.rs - b (line 3): test\nc: benchmark\n\nnoise: x\n");
        assert_eq!(all, set(&["tests::a", "src/lib.rs - b (line 3)", "c"]));
        let narrowed = |line| narrowed(&command(line), &all, &set(&["c", "tests::a"]));
        assert_eq!(
            narrowed("cargo test").unwrap().to_string(),
            "cargo test -- --exact c tests::a"
        );
        assert_eq!(
            narrowed("cargo test -- --exact --nocapture")
                .unwrap()
                .to_string(),
            "cargo test -- --exact --nocapture c tests::a"
        );
        assert!(
            narrowed("cargo test tests::a")
                .unwrap_err()
                .report()
                .contains("tests::a")
        );
    }
}
