//! The Docker engine and the image registry of the harness do what they are for.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot do its work fails by a panic"
)]

use e2e::{DockerEngine, ImageRegistry, REGISTRY_USER, TestEnvironment, text};

#[test]
fn an_engine_of_the_tests_own_builds_and_a_registry_takes_the_image() {
    let env = TestEnvironment::new();
    env.write("context/Dockerfile", "FROM scratch\nCOPY file /\n");
    env.write("context/file", "content");
    let (engine, registry) = (DockerEngine::start(), ImageRegistry::start());
    let image = format!("{}/team/app:v1", registry.direct_name());
    let context = env.path().join("context").display().to_string();
    assert_eq!(registry.digest("team/app", "v1"), None);
    engine.run(["build", "--quiet", "--tag", &image, &context]);
    let pushed = engine.run(["push", &image]);
    let digest = registry.digest("team/app", "v1").unwrap();
    assert!(digest.starts_with("sha256:") && pushed.contains(&digest));
}

#[test]
fn a_registry_with_credentials_refuses_whoever_has_none() {
    let (engine, registry) = (
        DockerEngine::start(),
        ImageRegistry::start_with_credentials(),
    );
    let (user, password) = REGISTRY_USER;
    let login = |password: &str| {
        let args = ["login", "--username", user, "--password", password];
        engine.docker(args.into_iter().chain([registry.direct_name()]))
    };
    assert!(text(&login("wrong").stderr).contains("unauthorized"));
    assert!(login(password).status.success());
}
