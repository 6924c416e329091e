//! Where Google's Cloud Logging has what containers of a cluster printed, also when their pods
//! are gone.

/// What the pods of a workflow printed, or those of one step of it, by their labels.
pub(crate) fn by_labels(workflow: &str, step: Option<&str>) -> String {
    let query =
        format!("resource.type=\"k8s_container\"\nlabels.\"k8s-pod/workflow\"=\"{workflow}\"");
    match step {
        Some(step) => format!(
            "{query}\nlabels.\"k8s-pod/step_name\"=\"{step}\"\n\
             resource.labels.container_name=\"main\""
        ),
        None => query,
    }
}

/// What one pod printed.
pub(crate) fn by_pod(namespace: &str, pod: &str) -> String {
    format!(
        "resource.type=\"k8s_container\"\nresource.labels.namespace_name=\"{namespace}\"\n\
         resource.labels.pod_name=\"{pod}\""
    )
}

/// The page that shows what a query finds, of the last 7 days.
pub(crate) fn link(query: &str, project: Option<&str>) -> String {
    let query = percent_encoded(query);
    let project = project.map(percent_encoded);
    let project = project.map_or_else(String::new, |project| format!("?project={project}"));
    format!("https://console.cloud.google.com/logs/query;query={query};duration=P7D{project}")
}

/// As a part of a URL: all but letters, digits and four marks as `%XX` (RFC 3986, unreserved).
pub(crate) fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_becomes_a_link_that_opens_it() {
        let link = link(&by_pod("ci", "w-unit-1"), Some("my-project"));
        assert_eq!(
            link,
            "https://console.cloud.google.com/logs/query;query=resource.type%3D%22k8s_container%22%0A\
             resource.labels.namespace_name%3D%22ci%22%0Aresource.labels.pod_name%3D%22w-unit-1%22;\
             duration=P7D?project=my-project"
        );
    }
}
