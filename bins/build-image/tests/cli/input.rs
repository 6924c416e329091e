//! Wrong input is refused before anything is asked, with what to do.

use e2e::{TestEnvironment, text};

fn refused(env: &TestEnvironment, args: &[&str]) -> String {
    let output = env.bin("build-image").args(args).output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(2),
        "{args:?}: {}",
        text(&output.stderr)
    );
    assert!(output.stdout.is_empty());
    text(&output.stderr)
}

#[test]
fn help_names_every_flag_of_the_contract() {
    let env = TestEnvironment::new();
    let output = env.bin("build-image").arg("--help").output().unwrap();
    assert!(output.status.success());
    let help = text(&output.stdout);
    for flag in [
        "--image",
        "--tag",
        "--context",
        "--dockerfile",
        "--config",
        "--substitutions",
        "--project",
        "--machine-type",
        "--timeout",
        "--async",
        "--builder",
        "--output",
        "--rebuild",
        "--retries",
        "--digest-file",
        "--dry-run",
        "EXAMPLES:",
        "EXIT CODES:",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_makes_no_sense_is_told_with_what_to_do() {
    let env = TestEnvironment::new();
    env.write("context/Dockerfile", "FROM scratch\n");
    env.write("context/.gcloudignore", "hidden\n");
    env.write("context/hidden/Dockerfile", "FROM scratch\n");
    env.write("Dockerfile", "FROM scratch\n");
    env.write("c.yaml", "steps: [{name: a}]\nimages: ['gcr.io/P/x']\n");
    env.write("two.yaml", "steps: [{name: a}, {name: b}]\n");
    let image = [
        "--image",
        "gcr.io/p/app",
        "--tag",
        "v1",
        "--context",
        "context",
    ];
    let with = |more: &[&'static str]| [&image[..], more].concat();
    for (args, said) in [
        (vec![], "--image"),
        (
            vec!["--image", "gcr.io/p/app:v1"],
            "the tag is given by --tag",
        ),
        (vec!["--image", "gcr.io/p/App"], "lower-case"),
        (vec!["--image", "gcr.io/p/app", "--tag", "a/b"], "is no tag"),
        (
            vec![
                "--image",
                "gcr.io/p/app",
                "--tag",
                "v1",
                "--context",
                "nowhere",
            ],
            "is no folder",
        ),
        (
            vec![
                "--image",
                "quay.io/p/app",
                "--tag",
                "v1",
                "--context",
                "context",
            ],
            "no project to build in",
        ),
        (
            with(&["--dockerfile", "context/missing"]),
            "context/missing",
        ),
        (
            with(&["--dockerfile", "Dockerfile"]),
            "is not in the context",
        ),
        (
            with(&["--dockerfile", "context/hidden/Dockerfile"]),
            ".gcloudignore leaves it out",
        ),
        (with(&["--build-arg", "TOKEN"]), "is not KEY=VALUE"),
        (with(&["--timeout", "soon"]), "--timeout"),
        (with(&["--disk-size", "big"]), "is no size"),
        (with(&["--staging-bucket", "s3://b"]), "is not gs://BUCKET"),
        (with(&["--worker-pool", "w"]), "workerPools"),
        (with(&["--no-source"]), "leaves nothing to build"),
        (with(&["--git-source", "ssh://x"]), "is no https URL"),
        (
            with(&["--staging-bucket", "gs://st/src"]),
            "is no bucket's name",
        ),
        (
            vec![
                "--image",
                "gcr.io/p/app",
                "--git-source",
                "https://h/r",
                "--context",
                "context",
            ],
            "--git-source goes with --tag",
        ),
        (
            vec![
                "--image",
                "gcr.io/p/app",
                "--tag",
                "latest",
                "--context",
                "context",
            ],
            "--latest lets the tag latest",
        ),
        (
            with(&["--builder", "docker", "--ignore-file", "nothere"]),
            "Docker reads .dockerignore",
        ),
        (with(&["--substitutions", "_A=b"]), "--config"),
        (
            with(&["--builder", "docker", "--async"]),
            "goes with --builder cloud-build",
        ),
        (
            vec!["--config", "c.yaml", "--tag", "v1", "--project", "p"],
            "c.yaml: images",
        ),
        (
            vec!["--config", "two.yaml", "--tag", "v1", "--builder", "docker"],
            "it has 2 steps, and Docker knows one",
        ),
        (
            vec![
                "--config",
                "missing.jsonnet",
                "--tag",
                "v1",
                "--project",
                "p",
            ],
            "missing.jsonnet",
        ),
        (
            vec![
                "--config",
                "c.yaml",
                "--tag",
                "v1",
                "--ext-var",
                "a=b",
                "--project",
                "p",
            ],
            "is no jsonnet",
        ),
        (
            vec![
                "--config",
                "c.yaml",
                "--tag",
                "v1",
                "--substitutions",
                "TAG=x",
                "--project",
                "p",
            ],
            "does not match",
        ),
    ] {
        let log = refused(&env, &args);
        assert!(log.contains(said), "{args:?}: {log}");
    }
}

#[test]
fn jsonnet_that_fails_is_told_with_its_place() {
    let env = TestEnvironment::new();
    env.write("b.jsonnet", "{\n  steps: [std.extVar('nothing')],\n}\n");
    let log = refused(
        &env,
        &["--config", "b.jsonnet", "--tag", "v1", "--project", "p"],
    );
    assert!(log.contains("b.jsonnet:2"), "{log}");
    env.write("b.jsonnet", "import '/etc/passwd'\n");
    let log = refused(
        &env,
        &["--config", "b.jsonnet", "--tag", "v1", "--project", "p"],
    );
    assert!(!log.contains("root:"), "{log}");
}
