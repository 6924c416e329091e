//! `make image-gcb`: what this project's own image is built from by Cloud Build.

use std::process::Command;

use e2e::{binary, make_would_run, text, top};
use serde_json::Value;

/// The flags that say what is built, of a `docker build`.
fn facts<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let facts =
        words.filter(|word| word.starts_with("--build-arg=") || word.starts_with("--label="));
    facts.map(str::to_owned).collect()
}

/// What `make TARGET` would run.
fn commands(target: &str) -> String {
    make_would_run(&[target, "IMG=example.com/team/worker", "TAG=v1", "PROJECT=p"])
}

#[test]
fn cloud_build_is_asked_for_the_image_that_make_image_builds() {
    let run = commands("image-gcb");
    let (_, args) = run.split_once("--bin build-image -- ").unwrap();
    let program = binary("build-image");
    let output = Command::new("sh")
        .args(["-c", &format!("{} --dry-run {args}", program.display())])
        .current_dir(top())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let images = [
        "example.com/team/worker:v1",
        "example.com/team/worker:tools-v1",
    ];
    assert_eq!(plan["request"]["images"], serde_json::json!(images));
    let image = commands("image");
    let here: Vec<&str> = image
        .lines()
        .filter(|line| line.contains(" build "))
        .collect();
    let steps = plan["request"]["steps"].as_array().unwrap();
    assert_eq!((steps.len(), here.len()), (2, 2));
    for (step, here) in steps.iter().zip(here) {
        let words = step["args"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str);
        let there: Vec<&str> = words.collect();
        assert_eq!(facts(there.iter().copied()), facts(here.split_whitespace()));
        let tag = there
            .iter()
            .find(|word| word.starts_with("--tag="))
            .unwrap();
        assert!(here.contains(tag), "{tag} is not in {here}");
        assert_eq!(
            there.contains(&"--target=tools"),
            here.contains("--target=tools")
        );
    }
}
