//! Folders in which somebody laid traps.

use crate::fixture::{Fixture, succeed};

#[test]
fn settings_of_a_folder_that_was_there_run_no_program_and_lead_nowhere() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[1]));
    let trap = fixture
        .env
        .write("trap", "#!/bin/sh\ntouch \"$0.sprung\"\nexec cat\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&trap, mode).unwrap();
    let trap = trap.display().to_string();
    let command = format!("!{trap}");
    let ext = format!("url.ext::{trap} .insteadOf");
    let git = "src/kubeflow/testing/.git";
    let config = fixture.env.read(format!("{git}/config"));
    for (name, value) in [
        ("filter.x.smudge", trap.as_str()),
        ("filter.x.clean", &trap),
        ("filter.x.process", &trap),
        ("merge.x.driver", &trap),
        ("remote.origin.uploadpack", &trap),
        ("core.sshCommand", &trap),
        ("core.worktree", "../../../.."),
        ("credential.https://h.helper", &command),
        ("submodule.x.update", &command),
        ("protocol.ext.allow", "always"),
        ("include.path", "/dev/null"),
        (&ext, "git://"),
    ] {
        let file = format!("{git}/config");
        fixture
            .env
            .git("", &["config", "--file", &file, name, value]);
        for note in ["unfinished\n", "other\n"] {
            fixture
                .env
                .write(format!("{git}/test-worker-checkout"), note);
            let output = fixture.job(&[2]).output().unwrap();
            let stderr = e2e::text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{name}: {stderr}");
            assert!(stderr.contains("may run a program"), "{name}: {stderr}");
        }
        fixture.env.write(format!("{git}/config"), &config);
    }
    let elsewhere = fixture.env.path().join("work/.git");
    for (file, text) in [
        (
            format!("{git}/commondir"),
            format!("{}\n", elsewhere.display()),
        ),
        (
            "src/kubeflow/testing/sub/.git".to_owned(),
            format!("gitdir: {}\n", elsewhere.display()),
        ),
    ] {
        let path = fixture.env.write(&file, text);
        let output = fixture.job(&[2]).output().unwrap();
        let stderr = e2e::text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{file}: {stderr}");
        assert!(stderr.contains("another repository"), "{file}: {stderr}");
        std::fs::remove_file(path).unwrap();
    }
    assert!(!fixture.env.path().join("trap.sprung").exists());
    succeed(fixture.job(&[2]));
}

#[test]
fn what_is_in_a_folder_does_not_change_what_is_merged() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[1]));
    fixture.git(&["replace", &fixture.pulls[1], &fixture.base]);
    fixture.git(&["config", "merge.default", "union"]);
    succeed(fixture.job(&[2]));
    assert_eq!(fixture.files(), ["README", "second"]);
    assert_eq!(fixture.job(&[3]).output().unwrap().status.code(), Some(1));
    for file in ["attributes", "grafts"] {
        let path = format!("src/kubeflow/testing/.git/info/{file}");
        let path = fixture.env.write(path, "* merge=union\n");
        let output = fixture.job(&[1]).output().unwrap();
        let stderr = e2e::text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{file}: {stderr}");
        assert!(stderr.contains("change what it makes"), "{file}: {stderr}");
        std::fs::remove_file(path).unwrap();
    }
    succeed(fixture.job(&[1]));
}

#[test]
fn a_link_in_place_of_the_new_note_is_not_written_through() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[1]));
    let mine = fixture.env.write("mine", "precious");
    let note = ".git/test-worker-checkout.new";
    std::os::unix::fs::symlink(&mine, fixture.folder().join(note)).unwrap();
    succeed(fixture.job(&[2]));
    assert_eq!(fixture.env.read("mine"), "precious");
}

#[test]
fn a_second_origin_is_not_fetched_from() {
    let fixture = Fixture::new();
    succeed(fixture.job(&[1]));
    let origin = fixture.git(&["config", "remote.origin.url"]);
    fixture.git(&["config", "remote.origin.url", "git://127.0.0.1:1/other"]);
    fixture.git(&["config", "--add", "remote.origin.url", &origin]);
    succeed(fixture.job(&[2]));
    assert_eq!(fixture.files(), ["README", "second"]);
    assert_eq!(
        fixture.git(&["config", "--get-all", "remote.origin.url"]),
        origin
    );
}
