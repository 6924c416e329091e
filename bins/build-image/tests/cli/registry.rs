//! What is in the registry already.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::{Fault, ImageRegistry, Look, REGISTRY_USER, text};
use serde_json::json;

use crate::site::{Site, digest, end, json, said};

#[test]
fn an_image_that_is_there_is_not_built_again() {
    let site = Site::new([]);
    let there = site.registry.put("team/app", "v1", "one");
    let output = site.build(&["--output", "json", "--junit", "junit.xml"]);
    said(&output);
    let report = json(&output);
    assert_eq!(report["built"], false);
    assert_eq!(report["images"][0]["digest"], there);
    let log = text(&output.stderr);
    assert!(
        log.contains(&format!("{}:v1 is there already: {there}", site.image())),
        "{log}"
    );
    assert!(site.cloud.asked().is_empty());
    assert!(site.env.read("junit.xml").contains("failures=\"0\""));
    // `latest` means this image afterwards, as after a build.
    site.registry.put("team/app", "latest", "older");
    said(&site.build(&["--latest"]));
    assert_eq!(site.registry.digest("team/app", "latest"), Some(there));
}

#[test]
fn only_what_is_missing_is_pushed() {
    let site = Site::new([]);
    site.registry.put("team/app", "v1", "one");
    let other = format!("{}/team/other", site.registry.name());
    let output = site.build(&["--image", &other, "--async"]);
    said(&output);
    let request = &site.cloud.started()[0];
    assert_eq!(request["images"], json!([format!("{other}:v1")]));
}

#[test]
fn a_rebuild_never_gives_the_tag_to_another_image() {
    for same in [true, false] {
        let registry = ImageRegistry::start();
        let there = registry.put("team/app", "v1", "one");
        let site = Site::with_registry(registry, []);
        let built = if same { there.clone() } else { digest("0b") };
        site.cloud.push_as(&built);
        let output = site.build(&["--rebuild"]);
        let request = &site.cloud.started()[0];
        let pushed = request["images"][0].as_str().unwrap();
        assert!(
            pushed.starts_with(&format!("{}:v1-rebuild-", site.image())),
            "{pushed}"
        );
        assert_eq!(site.registry.digest("team/app", "v1"), Some(there.clone()));
        let (code, log) = end(&output);
        if same {
            assert_eq!(said(&output), format!("{}@{there}\n", site.image()));
        } else {
            assert_eq!(code, Some(1), "{log}");
            assert!(
                log.contains("is there with another content and stays as it is"),
                "{log}"
            );
            assert!(log.contains(pushed) && log.contains(&built), "{log}");
        }
    }
}

#[test]
fn a_registry_is_asked_with_the_login_of_docker_and_with_no_other() {
    let site = Site::with_registry(ImageRegistry::start_with_credentials(), []);
    let there = site.registry.put("team/app", "v1", "one");
    let output = site.build(&[]);
    let (code, log) = end(&output);
    assert_eq!(code, Some(2), "{log}");
    assert!(
        log.contains("401 Unauthorized") && log.contains("docker login"),
        "{log}"
    );
    let (user, password) = REGISTRY_USER;
    let login = STANDARD.encode(format!("{user}:{password}"));
    let config = json!({"auths": {site.registry.name(): {"auth": login}}}).to_string();
    site.env.write("home/.docker/config.json", config);
    assert_eq!(
        said(&site.build(&[])),
        format!("{}@{there}\n", site.image())
    );
    // A broken configuration is told without what is in it.
    site.env.write(
        "home/.docker/config.json",
        format!("{{\"auths\": \"{login}\"}}"),
    );
    let (code, log) = end(&site.build(&[]));
    assert_eq!(code, Some(2));
    assert!(
        log.contains("no configuration of Docker's") && !log.contains(&login),
        "{log}"
    );
}

#[test]
fn a_registry_that_is_busy_is_asked_again() {
    let site = Site::new([]);
    let there = site.registry.put("team/app", "v1", "one");
    let faults = [
        Fault::unavailable(),
        Fault::too_many_requests(0),
        Fault::CutAfter(5),
    ];
    site.registry.proxy().on(&["HEAD", "/manifests/v1"], faults);
    assert_eq!(
        said(&site.build(&[])),
        format!("{}@{there}\n", site.image())
    );
}

#[test]
fn another_build_of_the_same_tag_is_found_out() {
    let registry = ImageRegistry::start();
    let image = format!("{}/team/app:v1", registry.name());
    let pushed = json!({"results": {"images": [{"name": image, "digest": digest("0a")}]}});
    let site = Site::with_registry(
        registry,
        [vec![
            Look::working("one\n"),
            Look::of("SUCCESS", "two\n").with(pushed),
        ]],
    );
    // Nothing is there before, and another image after.
    site.registry.put("team/app", "v1", "theirs");
    let not_there = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    site.registry.proxy().on(
        &["HEAD", "/manifests/v1"],
        [Fault::Answer(not_there.to_owned())],
    );
    let (code, log) = end(&site.build(&[]));
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("another build of the same tag"), "{log}");
}
