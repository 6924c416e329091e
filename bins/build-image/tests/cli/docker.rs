//! The Docker engine in place of Cloud Build: same flags, same tag, same outputs.

use std::process::{Command, Output};

use e2e::{DockerEngine, ImageRegistry, TestEnvironment, binary, text};
use serde_json::json;

use crate::site::{end, json, said};

struct Site {
    env: TestEnvironment,
    engine: DockerEngine,
    registry: ImageRegistry,
}

impl Site {
    fn new() -> Self {
        let env = TestEnvironment::new();
        env.write(
            "context/Dockerfile",
            "FROM scratch\nARG A=none\nLABEL a=$A\nCOPY file /\n",
        );
        env.write("context/file", "content\n");
        Site {
            env,
            engine: DockerEngine::start(),
            registry: ImageRegistry::start(),
        }
    }

    fn image(&self) -> String {
        format!("{}/team/app", self.registry.direct_name())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(&binary("build-image"));
        command
            .env("DOCKER_HOST", self.engine.host())
            .args(["--builder", "docker", "--context", "context"])
            .args(args);
        command
    }

    fn build(&self, args: &[&str]) -> Output {
        let image = self.image();
        let mut command = self.command(&["--tag", "v1", "--image", &image]);
        command.args(args).output().unwrap()
    }

    fn label(&self, name: &str) -> String {
        let format = format!("{{{{index .Config.Labels \"{name}\"}}}}");
        self.engine.run([
            "image",
            "inspect",
            "--format",
            &format,
            &format!("{}:v1", self.image()),
        ])
    }
}

#[test]
fn an_image_is_built_pushed_and_not_built_again() {
    let site = Site::new();
    let output = site.build(&[
        "--build-arg",
        "A=$HOME b",
        "--label",
        "l=1",
        "--latest",
        "--digest-file",
        "digests.json",
        "--junit",
        "junit.xml",
    ]);
    let digest = site.registry.digest("team/app", "v1").unwrap();
    let image = site.image();
    assert_eq!(said(&output), format!("{image}@{digest}\n"));
    assert_eq!(
        site.registry.digest("team/app", "latest").as_ref(),
        Some(&digest)
    );
    assert_eq!(
        (site.label("a"), site.label("l")),
        ("$HOME b".to_owned(), "1".to_owned())
    );
    let report: serde_json::Value = serde_json::from_str(&site.env.read("digests.json")).unwrap();
    let expected = json!([{"image": format!("{image}:v1"), "digest": digest,
        "reference": format!("{image}@{digest}")}]);
    assert_eq!(report["images"], expected);
    let junit = site.env.read("junit.xml");
    assert!(
        junit.contains("docker build") && junit.contains("failures=\"0\""),
        "{junit}"
    );
    let again = site.build(&["--output", "json"]);
    said(&again);
    let report = json(&again);
    assert_eq!(
        (&report["built"], &report["images"]),
        (&json!(false), &expected)
    );
}

#[test]
fn a_rebuild_pushes_nothing_else_under_the_tag() {
    let site = Site::new();
    let first = said(&site.build(&[]));
    assert_eq!(said(&site.build(&["--rebuild"])), first);
    site.env.write("context/file", "other\n");
    let output = site.build(&["--rebuild"]);
    let (code, log) = end(&output);
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains("is there with another content and stays as it is"),
        "{log}"
    );
    let digest = site.registry.digest("team/app", "v1").unwrap();
    assert!(first.contains(&digest));
}

#[test]
fn a_config_of_one_step_builds_the_same_image() {
    let site = Site::new();
    let image = site.image();
    site.env.write(
        "cloudbuild.yaml",
        format!(
            "steps:\n- name: gcr.io/cloud-builders/docker\n  args: [build, -t, '{image}:$_TAG', \
             --build-arg=A=config, -f, sub/Dockerfile, sub]\nimages: ['{image}:$_TAG']\n"
        ),
    );
    site.env.write(
        "context/sub/Dockerfile",
        "FROM scratch\nARG A\nLABEL a=$A\nCOPY inner /\n",
    );
    site.env.write("context/sub/inner", "x");
    let output = site
        .command(&["--config", "cloudbuild.yaml", "--tag", "v1"])
        .output()
        .unwrap();
    let digest = site.registry.digest("team/app", "v1");
    assert_eq!(said(&output), format!("{image}@{}\n", digest.unwrap()));
    assert_eq!(site.label("a"), "config");
}

#[test]
fn a_build_that_fails_shows_dockers_words() {
    let site = Site::new();
    site.env
        .write("context/Dockerfile", "FROM scratch\nCOPY missing /\n");
    let output = site.build(&["--junit", "junit.xml"]);
    let (code, log) = end(&output);
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains("missing") && log.contains("ended with exit code"),
        "{log}"
    );
    assert!(site.env.read("junit.xml").contains("failures=\"1\""));
    assert_eq!(site.registry.digest("team/app", "v1"), None);
}

#[test]
fn a_build_is_bounded_in_time_and_ended_by_a_signal() {
    use std::os::unix::fs::PermissionsExt;

    use rustix::process::{Pid, Signal, kill_process};
    let site = Site::new();
    let busybox = std::fs::read("/bin/busybox").or_else(|_| std::fs::read("/usr/bin/busybox"));
    site.env.write(
        "context/busybox",
        busybox.expect("busybox, of the package busybox-static"),
    );
    site.env.write(
        "context/Dockerfile",
        "FROM scratch\nCOPY busybox /bin/sh\nRUN [\"/bin/sh\", \"-c\", \"echo at work; sleep 600\"]\n",
    );
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(site.env.path().join("context/busybox"), mode).unwrap();
    let (code, log) = end(&site.build(&["--timeout", "3s"]));
    assert_eq!(code, Some(124), "{log}");
    assert!(log.contains("it did not end within --timeout"), "{log}");

    let image = site.image();
    let mut command = site.command(&["--tag", "v1", "--image", &image]);
    let log = std::fs::File::create(site.env.path().join("log")).unwrap();
    let running = e2e::Running::start(command.stderr(log));
    e2e::wait_until("the build is at work", || {
        site.env.read("log").contains("at work\n")
    });
    let pid = Pid::from_raw(running.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(running.wait_with_output().status.code(), Some(143));
    e2e::wait_until("nothing of the build is left", || {
        site.engine.run(["ps", "--quiet"]).is_empty()
    });
}

#[test]
fn an_engine_that_is_not_there_is_out_of_reach() {
    let env = TestEnvironment::new();
    env.write("context/Dockerfile", "FROM scratch\n");
    let registry = ImageRegistry::start();
    let output = env
        .command(&binary("build-image"))
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .args([
            "--builder",
            "docker",
            "--context",
            "context",
            "--tag",
            "v1",
            "--image",
        ])
        .arg(format!("{}/a", registry.direct_name()))
        .output()
        .unwrap();
    let (code, log) = end(&output);
    assert_eq!(code, Some(75), "{log}");
    assert!(
        log.contains("reach the Docker engine") && log.contains("DOCKER_HOST"),
        "{log}"
    );
    assert!(!text(&output.stderr).contains("panicked"));
}
