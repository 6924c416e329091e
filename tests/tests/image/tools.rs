//! The programs on a volume, for steps in images of a team's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use e2e::{ObjectStore, TestEnvironment, text};

use crate::contents::programs;
use crate::docker::{SOMEBODY, docker, image, succeed, tools_image};

#[test]
fn they_are_copied_by_any_user_and_need_nothing_of_the_steps_image() {
    let test = TestEnvironment::new();
    let volume = test.path().join("volume");
    fs::create_dir(&volume).unwrap();
    fs::set_permissions(&volume, fs::Permissions::from_mode(0o777)).unwrap();
    let mount = format!(
        "--mount=type=bind,source={},target=/tools",
        volume.display()
    );
    let careful = ["run", "--rm", "--read-only", "--user", SOMEBODY, &mount];
    succeed(&[&careful[..], &[&tools_image()]].concat());
    // The image of an empty file system has no C library, nothing.
    let empty = format!("test-worker-empty:{}", std::process::id());
    test.write("empty/Dockerfile", "FROM scratch\nENV PATH=/tools\n");
    let context = test.path().join("empty").display().to_string();
    succeed(&["build", "--quiet", "--tag", &empty, &context]);
    for program in programs() {
        let path = format!("/tools/{program}");
        let output = docker(&[
            "run",
            "--rm",
            "--read-only",
            "--user",
            SOMEBODY,
            &mount,
            &empty,
            &path,
            "--version",
        ]);
        assert!(
            output.status.success(),
            "{program}: {}",
            text(&output.stderr)
        );
    }
    // A name is looked up, and a server spoken to, without a C library of the image's.
    let store = ObjectStore::start();
    store.make_bucket("bucket");
    let url = store.url().replace("127.0.0.1", "localhost");
    let certificates = "/etc/ssl/certs/ca-certificates.crt";
    let certificates =
        format!("--mount=type=bind,source={certificates},target={certificates},readonly");
    let server = format!("--env=STORAGE_EMULATOR_HOST={url}");
    let look = ["--network=host", &certificates, &server];
    let job = [
        "--env=JOB_NAME=j",
        "--env=JOB_TYPE=periodic",
        "--env=BUILD_ID=1",
    ];
    let words = ["/tools/upload-artifacts", "started", "--bucket=gs://bucket"];
    let run = ["run", "--rm", "--read-only", &mount];
    succeed(&[&run[..], &look, &job, &[&empty], &words].concat());
    assert!(store.read("bucket", "logs/j/1/started.json").is_some());
    docker(&["image", "rm", &empty]);
}

#[test]
fn the_image_itself_is_an_init_container_as_well() {
    let test = TestEnvironment::new();
    let volume = test.path().join("volume");
    fs::create_dir(&volume).unwrap();
    fs::set_permissions(&volume, fs::Permissions::from_mode(0o777)).unwrap();
    let mount = format!(
        "--mount=type=bind,source={},target=/tools",
        volume.display()
    );
    succeed(&[
        "run",
        "--rm",
        "--user",
        SOMEBODY,
        &mount,
        &image(),
        "tools",
        "install",
        "/tools",
    ]);
    let mode = |name: &str| {
        fs::metadata(volume.join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("run-tests"), 0o755);
    assert_eq!(
        fs::read_link(volume.join("checkout.sh")).unwrap().to_str(),
        Some("checkout")
    );
}
