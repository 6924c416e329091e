//! The script that this program stands in for, `run_workflows.sh` of kubeflow/testing: what a
//! Prow job runs that names no command. It checks the job's repositories out and runs their
//! workflows. The original had its own cluster and bucket in it; here variables name them.

use std::ffi::OsString;
use std::path::Path;

use clap::Parser;
use common::env;

/// Checks out the repositories of a Prow job and runs the workflows that the change calls for:
/// `checkout.sh` and `submit-e2e run`.
#[derive(Debug, Parser)]
#[command(
    name = "run_workflows.sh",
    disable_version_flag = true,
    after_help = "\
The original had these built in: project kubeflow-ci, zone us-east1-d, cluster kubeflow-testing,
bucket kubernetes-jenkins, sources in /src. Only the last one is the default here."
)]
struct RunWorkflowsSh {
    /// Google Cloud project
    #[arg(long, value_name = "PROJECT", env = env::PROJECT)]
    project: Option<String>,

    /// Zone or region of the cluster
    #[arg(long, value_name = "ZONE", env = env::ZONE)]
    zone: Option<String>,

    /// Cluster of Google Kubernetes Engine that runs the workflows
    #[arg(long, value_name = "CLUSTER", env = env::CLUSTER)]
    cluster: Option<String>,

    /// Bucket for the results: NAME, or a URL
    #[arg(long, value_name = "BUCKET", env = env::BUCKET)]
    bucket: Option<String>,

    /// Folder that gets ORG/NAME for each repository
    #[arg(long, value_name = "DIR", env = env::SRC_DIR)]
    src_dir: Option<OsString>,
}

/// Turns the script's command line into the program's own; one that is not called as the script
/// stays as it is.
pub fn called(args: Vec<OsString>) -> Result<Vec<OsString>, clap::Error> {
    let name = args.first().map(Path::new).and_then(Path::file_name);
    if name.is_none_or(|name| name != "run_workflows.sh") {
        return Ok(args);
    }
    let script = RunWorkflowsSh::try_parse_from(args)?;
    let mut own: Vec<OsString> = vec!["submit-e2e".into(), "run".into(), "--checkout".into()];
    let mut add = |flag: &str, value: OsString| {
        let mut word = OsString::from(flag);
        word.push(value);
        own.push(word);
    };
    // A variable that is set to nothing counts as unset.
    let src_dir = script.src_dir.filter(|folder| !folder.is_empty());
    add("--repos-dir=", src_dir.unwrap_or_else(|| "/src".into()));
    if let Some(project) = script.project.filter(|project| !project.is_empty()) {
        add("--project=", project.into());
    }
    // A zone alone says nothing of what is to be done there.
    if let Some(cluster) = script.cluster.filter(|cluster| !cluster.is_empty()) {
        add("--cluster=", cluster.into());
        if let Some(zone) = script.zone.filter(|zone| !zone.is_empty()) {
            add("--zone=", zone.into());
        }
    }
    if let Some(bucket) = script.bucket.filter(|bucket| !bucket.is_empty()) {
        let is_url = bucket.contains("://");
        let url = if is_url {
            bucket
        } else {
            format!("gs://{bucket}")
        };
        add("--bucket=", url.into());
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(args: &[&str]) -> Vec<OsString> {
        called(args.iter().map(OsString::from).collect()).unwrap()
    }

    #[test]
    fn only_the_scripts_name_changes_the_command_line() {
        let args = ["/usr/local/bin/submit-e2e", "plan"];
        assert_eq!(own(&args), args);
        assert_eq!(own(&[]), [""; 0]);
        assert_eq!(
            own(&["/usr/local/bin/run_workflows.sh"]),
            ["submit-e2e", "run", "--checkout", "--repos-dir=/src"]
        );
    }

    #[test]
    fn a_cluster_is_named_with_its_zone_and_a_zone_alone_is_not() {
        let start = ["run_workflows.sh", "--project=p", "--zone=z"];
        let own_of = |more: &[&str]| own(&[&start, more].concat());
        assert_eq!(
            own_of(&["--cluster=c"])[4..],
            ["--project=p", "--cluster=c", "--zone=z"]
        );
        assert_eq!(own_of(&["--cluster="])[4..], ["--project=p"]);
    }

    #[test]
    fn a_bucket_may_be_named_as_the_original_named_it() {
        for (bucket, url) in [
            ("kubernetes-jenkins", "gs://kubernetes-jenkins"),
            ("gs://b", "gs://b"),
            ("file:///results", "file:///results"),
        ] {
            let args = own(&["run_workflows.sh", "--project=p", "--bucket", bucket]);
            assert_eq!(args[4], "--project=p");
            assert_eq!(args[5], *format!("--bucket={url}"));
        }
    }
}
