//! The programs on a volume: copied, copied again, by two at once, and where that cannot be.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot do its work fails by a panic"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use e2e::{TestEnvironment, binary, text};

/// A folder as the image has it: this program, another, and a second name of that.
struct Image {
    env: TestEnvironment,
    own: PathBuf,
}

impl Image {
    fn new() -> Self {
        let env = TestEnvironment::new();
        let folder = env.path().join("image");
        fs::create_dir(&folder).unwrap();
        let own = folder.join("tools");
        fs::copy(binary("tools"), &own).unwrap();
        let other = env.write("image/checkout", "#!/bin/sh\necho checked out as \"$0\"\n");
        fs::set_permissions(other, fs::Permissions::from_mode(0o755)).unwrap();
        symlink("checkout", folder.join("checkout.sh")).unwrap();
        // Neither a program nor the name of one.
        env.write("image/README", "no program");
        symlink("/etc/passwd", folder.join("away")).unwrap();
        Image { env, own }
    }

    fn tools(&self) -> Command {
        self.env.command(&self.own)
    }

    fn install(&self, folder: &Path) -> Output {
        self.tools().arg("install").arg(folder).output().unwrap()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
    let mut names: Vec<String> = entries.map(|entry| name(entry).unwrap()).collect();
    names.sort();
    names
}

#[test]
fn programs_and_their_other_names_are_copied_and_run() {
    let image = Image::new();
    let folder = image.env.path().join("volume/tools");
    let output = image.install(&folder);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(names(&folder), ["checkout", "checkout.sh", "tools"]);
    let called = Command::new(folder.join("checkout.sh")).output().unwrap();
    let expected = format!("checked out as {}\n", folder.join("checkout.sh").display());
    assert_eq!(text(&called.stdout), expected);
    let version = Command::new(folder.join("tools")).arg("--version").output();
    assert!(version.unwrap().status.success());
}

#[test]
fn a_second_run_replaces_what_differs_and_leaves_the_rest_alone() {
    let image = Image::new();
    let folder = image.env.path().join("volume");
    assert!(image.install(&folder).status.success());
    let inode = |name: &str| fs::metadata(folder.join(name)).unwrap().ino();
    let tools = inode("tools");
    fs::write(folder.join("checkout"), "of an older image").unwrap();
    fs::write(folder.join("mine"), "not ours").unwrap();
    // A program that runs cannot be written to, but it can be replaced.
    fs::remove_file(folder.join("checkout.sh")).unwrap();
    let output = image.install(&folder);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("3 programs, 2 of them new"));
    assert_eq!(inode("tools"), tools);
    let own = fs::read(image.own.with_file_name("checkout")).unwrap();
    assert_eq!(fs::read(folder.join("checkout")).unwrap(), own);
    assert_eq!(fs::read(folder.join("mine")).unwrap(), b"not ours");
    assert_eq!(names(&folder), ["checkout", "checkout.sh", "mine", "tools"]);
}

#[test]
fn several_at_once_leave_whole_programs_and_nothing_else() {
    let image = Image::new();
    let folder = image.env.path().join("volume");
    let start = || image.tools().arg("install").arg(&folder).spawn().unwrap();
    let mut all: Vec<_> = (0..8).map(|_| start()).collect();
    for one in &mut all {
        assert!(one.wait().unwrap().success());
    }
    assert_eq!(names(&folder), ["checkout", "checkout.sh", "tools"]);
    let version = Command::new(folder.join("tools")).arg("--version").output();
    assert!(version.unwrap().status.success());
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named_and_fails() {
    let image = Image::new();
    let file = image.env.write("volume", "a file");
    let output = image.install(&file.join("tools"));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("make the folder"));
    let output = image.install(image.own.parent().unwrap());
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("is where the programs are"));
}

#[test]
fn a_dry_run_says_what_would_be_copied() {
    let image = Image::new();
    let folder = image.env.path().join("volume");
    let output = image
        .tools()
        .args(["install", "--dry-run"])
        .arg(&folder)
        .output();
    let output = output.unwrap();
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("volume/checkout.sh to checkout\n"));
    assert!(!folder.exists());
}
