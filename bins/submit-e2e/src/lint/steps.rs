//! What is legal and often regretted: images that change under their name, steps that nothing
//! ends; and what an API server or the controller refuses: labels, names, steps without an image.

use serde_json::Value;

use super::Finding;

/// What is odd about the steps of a workflow.
pub(super) fn check(workflow: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    labels(&workflow["metadata"], "/metadata", &mut found);
    let spec = &workflow["spec"];
    let ends = |of: &Value| {
        of.get("activeDeadlineSeconds")
            .is_some_and(|own| !own.is_null())
    };
    let all_end = ends(spec) || ends(&spec["templateDefaults"]);
    let templates = spec["templates"].as_array().into_iter().flatten();
    for (index, template) in templates.enumerate() {
        let pointer = format!("/spec/templates/{index}");
        let name = template["name"].as_str().unwrap_or_default();
        labels(
            &template["metadata"],
            &format!("{pointer}/metadata"),
            &mut found,
        );
        if !is_template_name(name) {
            let what = format!(
                "{name:?} is no name for a template: letters, digits and hyphens, 128 at most"
            );
            found.push(Finding::error(format!("{pointer}/name"), what));
        }
        for key in ["container", "script"] {
            if !template[key].is_object() {
                continue;
            }
            match image_of(&template[key]) {
                // The controller's rule (`validateLeaf`).
                None if image_of(&spec["templateDefaults"][key]).is_none() => {
                    let what = format!("template {name:?} has no image, nor have templateDefaults");
                    found.push(Finding::error(format!("{pointer}/{key}"), what));
                }
                Some(image) if is_mutable(image) => {
                    let what = format!(
                        "template {name:?}: the image {image} may be another one tomorrow: name a version or a digest"
                    );
                    found.push(Finding::warning(format!("{pointer}/{key}/image"), what));
                }
                _ => {}
            }
            if !all_end && !ends(template) {
                let what = format!(
                    "template {name:?} has no activeDeadlineSeconds: nothing ends it when it hangs"
                );
                found.push(Finding::warning(pointer.clone(), what));
            }
        }
    }
    found
}

fn image_of(container: &Value) -> Option<&str> {
    container["image"]
        .as_str()
        .filter(|image| !image.is_empty())
}

/// Whether an image's name has no tag, or one that is meant to move on: without a digit.
fn is_mutable(image: &str) -> bool {
    if image.contains("{{") || image.contains('@') {
        return false;
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    match last.split_once(':') {
        None => true,
        Some((_, tag)) => !tag.bytes().any(|byte| byte.is_ascii_digit()),
    }
}

/// Argo's rule (`validateWorkflowFieldNames`).
fn is_template_name(name: &str) -> bool {
    name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

fn labels(metadata: &Value, pointer: &str, found: &mut Vec<Finding>) {
    let labels = metadata["labels"].as_object().into_iter().flatten();
    for (name, value) in labels {
        let Some(text) = value.as_str().filter(|text| !text.contains("{{")) else {
            continue;
        };
        if !is_label(text) {
            let pointer = format!("{pointer}/labels/{}", common::yaml::pointer_segment(name));
            let what = format!("the label {name} cannot have the value {text:?}");
            found.push(Finding::error(pointer, what));
        }
    }
}

/// Kubernetes' rule for values of labels.
fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let outer = |c: char| c.is_ascii_alphanumeric();
    text.is_empty()
        || text.len() <= 63
            && text.chars().all(inner)
            && text.starts_with(outer)
            && text.ends_with(outer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn images_that_may_change_are_told_from_others() {
        for image in ["alpine", "a/b:latest", "host:5000/a", "a:main"] {
            assert!(is_mutable(image), "{image}");
        }
        for image in ["alpine:3.20", "a@sha256:abc", "host:5000/a:v1", "{{x}}"] {
            assert!(!is_mutable(image), "{image}");
        }
    }

    #[test]
    fn each_oddity_is_told_once() {
        let workflow = json!({
            "metadata": {"labels": {"a": "x y", "b": "good", "c": "{{x}}"}},
            "spec": {"templates": [
                {"name": "good", "activeDeadlineSeconds": 5, "container": {"image": "a:1"}},
                {"name": "b_d", "script": {"image": "a"}},
                {"name": "dag", "dag": {"tasks": []}},
                {"name": "none", "activeDeadlineSeconds": 5, "container": {}},
            ]},
        });
        let found: Vec<_> = (check(&workflow).into_iter())
            .map(|one| (one.pointer, one.is_error))
            .collect();
        let expected = [
            ("/metadata/labels/a", true),
            ("/spec/templates/1/name", true),
            ("/spec/templates/1/script/image", false),
            ("/spec/templates/1", false),
            ("/spec/templates/3/container", true),
        ];
        assert_eq!(
            found,
            expected.map(|(at, is_error)| (at.to_owned(), is_error))
        );
        let with_limit = json!({"spec": {"activeDeadlineSeconds": 9, "templates": [{"name": "a", "container": {"image": "a:1"}}]}});
        assert!(check(&with_limit).is_empty());
        let with_image = json!({"spec": {"activeDeadlineSeconds": 9, "templates": [{"name": "a", "container": {}}],
            "templateDefaults": {"container": {"image": "a:1"}}}});
        assert!(check(&with_image).is_empty());
    }
}
