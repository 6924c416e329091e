//! Every environment variable of our own interface, in one place, and the snapshot of
//! the environment that the rest of the code sees.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Folder where the sources are placed: `SRC/ORG/NAME`.
pub const SRC_DIR: &str = "SRC_DIR";
/// More repositories for checkout: `ORG/NAME@SHA[:PR];ORG/NAME@HEAD`.
pub const EXTRA_REPOS: &str = "EXTRA_REPOS";
/// Repositories that checkout adds where nothing else names them: `ORG/NAME,ORG/NAME@REV`.
pub const DEFAULT_REPOS: &str = "DEFAULT_REPOS";
/// Where checkout finds `ORG/NAME` when the job gives no clone URI. Default <https://github.com>.
pub const GIT_BASE_URL: &str = "GIT_BASE_URL";
/// Folder in which checkouts leave what they fetched for others.
pub const CHECKOUT_CACHE: &str = "CHECKOUT_CACHE";
/// File with a token for the host of [`GIT_BASE_URL`].
pub const GITHUB_TOKEN_FILE: &str = "GITHUB_TOKEN_FILE";
/// The token itself.
pub const GITHUB_TOKEN: &str = "GITHUB_TOKEN";
/// Id of a GitHub App.
pub const GITHUB_APP_ID: &str = "GITHUB_APP_ID";
/// File with the private key of the GitHub App.
pub const GITHUB_APP_PRIVATE_KEY_FILE: &str = "GITHUB_APP_PRIVATE_KEY_FILE";
/// GitHub's API. Default <https://api.github.com>.
pub const GITHUB_API_URL: &str = "GITHUB_API_URL";
/// Tokens of other git servers: `HOST=FILE,HOST=FILE`.
pub const TOKEN_FILES: &str = "TOKEN_FILES";
/// Cookies for git servers, in the form of git's `http.cookieFile`.
pub const COOKIE_FILE: &str = "COOKIE_FILE";
/// Private keys for git servers at ssh: `FILE,FILE`.
pub const SSH_KEY_FILES: &str = "SSH_KEY_FILES";
/// The keys of trusted ssh servers, in the form of `known_hosts`.
pub const SSH_KNOWN_HOSTS: &str = "SSH_KNOWN_HOSTS";
/// Where `checkout credential` asks the checkout that started its git; set for git only.
pub const CREDENTIAL_SOCKET: &str = "CHECKOUT_CREDENTIAL_SOCKET";
/// Google Cloud project of a job that runs as `run_workflows.sh`.
pub const PROJECT: &str = "PROJECT";
/// Zone or region of the cluster of such a job.
pub const ZONE: &str = "ZONE";
/// Cluster of Google Kubernetes Engine that runs the workflows of such a job.
pub const CLUSTER: &str = "CLUSTER";
/// Bucket for the results of such a job: a name, or a URL.
pub const BUCKET: &str = "BUCKET";
/// Branch of a periodic job.
pub const BRANCH_NAME: &str = "BRANCH_NAME";
/// Folder that Prow's sidecar uploads; set in decorated jobs only.
pub const ARTIFACTS: &str = "ARTIFACTS";
/// Folders of secrets whose values are kept out of what is uploaded, with commas between them.
pub const SECRETS_DIR: &str = "SECRETS_DIR";
/// Name that a step's tests report as: the JUnit class name.
pub const TEST_TARGET_NAME: &str = "TEST_TARGET_NAME";
/// The step's workflow as `prow_config.yaml` names it, the same in every run.
pub const WORKFLOW_NAME: &str = "WORKFLOW_NAME";
/// Image that a step's container runs.
pub const STEP_IMAGE: &str = "STEP_IMAGE";
/// Names of variables whose values no log and no report may show, apart by commas.
pub const SECRET_VARIABLES: &str = "SECRET_VARIABLES";
/// Files and folders whose content no log and no report may show, apart by colons.
pub const SECRET_PATHS: &str = "SECRET_PATHS";
/// `text` (default) or `json`: one object a line with `severity` and `message`.
pub const LOG_FORMAT: &str = "LOG_FORMAT";
/// `error`, `warn`, `info` (default) or `debug`.
pub const LOG_LEVEL: &str = "LOG_LEVEL";
/// The user's folder for what can be made again, see the XDG Base Directory Specification.
pub const XDG_CACHE_HOME: &str = "XDG_CACHE_HOME";
/// Where programs are, with colons between the folders.
pub const PATH: &str = "PATH";
/// The user's own folder.
pub const HOME: &str = "HOME";
/// Set to anything: no colours, see <https://no-color.org>.
pub const NO_COLOR: &str = "NO_COLOR";

/// `HOST:PORT` or a URL in place of Google Cloud Storage, as Google's client libraries have it. An
/// emulator gets no credentials.
pub const STORAGE_EMULATOR_HOST: &str = "STORAGE_EMULATOR_HOST";
/// URL in place of Google Cloud Storage, as gcloud has it; it gets credentials.
pub const STORAGE_ENDPOINT: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE";
/// URL in place of Cloud Build, as gcloud has it.
pub const CLOUD_BUILD_ENDPOINT: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD";
/// URL in place of Google Kubernetes Engine, as gcloud has it.
pub const CONTAINER_ENDPOINT: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER";
/// URL in place of the IAM Service Account Credentials API, as gcloud has it.
pub const IAM_CREDENTIALS_ENDPOINT: &str = "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS";
/// `true`: no credentials, as gcloud has it.
pub const DISABLE_CREDENTIALS: &str = "CLOUDSDK_AUTH_DISABLE_CREDENTIALS";
/// Account on whose behalf we act at Google, as gcloud has it.
pub const IMPERSONATE_SERVICE_ACCOUNT: &str = "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT";
/// Project that is worked in, as Google's client libraries have it; see [`PROJECT`].
pub const GOOGLE_CLOUD_PROJECT: &str = "GOOGLE_CLOUD_PROJECT";
/// Region of builds, as gcloud has it.
pub const BUILDS_REGION: &str = "CLOUDSDK_BUILDS_REGION";
/// Folder of Docker's configuration, as docker has it. Default `~/.docker`.
pub const DOCKER_CONFIG: &str = "DOCKER_CONFIG";
/// Credentials file, as Google's client libraries have it.
pub const GOOGLE_APPLICATION_CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// `HOST[:PORT]` of the metadata server, as Google's client libraries have it.
pub const GCE_METADATA_HOST: &str = "GCE_METADATA_HOST";
/// The project, as gcloud has it.
pub const CLOUDSDK_CORE_PROJECT: &str = "CLOUDSDK_CORE_PROJECT";
/// Where leases of clusters are: `gs://BUCKET/FOLDER`, `kubernetes://NAMESPACE`,
/// `file:///FOLDER`.
pub const CLUSTER_LEASES: &str = "CLUSTER_LEASES";
/// The kubeconfig, or several with colons, as kubectl has it.
pub const KUBECONFIG: &str = "KUBECONFIG";
/// The kubeconfig, as older workflows of kubeflow have it.
pub const KUBE_CONFIG: &str = "KUBE_CONFIG";
/// What a client of Kubernetes asks its exec plugin for, as JSON.
pub const KUBERNETES_EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";
/// The API server of the cluster that a pod runs in.
pub const KUBERNETES_SERVICE_HOST: &str = "KUBERNETES_SERVICE_HOST";
/// Its port.
pub const KUBERNETES_SERVICE_PORT: &str = "KUBERNETES_SERVICE_PORT";
/// The page of a workflow: a URL with `{namespace}`, `{name}` and `{uid}` in it.
pub const ARGO_UI_URL: &str = "ARGO_UI_URL";

/// What Prow says of the job, as JSON; the best source. See Prow's `downwardapi` package.
pub const JOB_SPEC: &str = "JOB_SPEC";
/// Name of the Prow job.
pub const JOB_NAME: &str = "JOB_NAME";
/// `presubmit`, `postsubmit`, `periodic` or `batch`.
pub const JOB_TYPE: &str = "JOB_TYPE";
/// Number of this run of the job.
pub const BUILD_ID: &str = "BUILD_ID";
/// Deprecated spelling of [`BUILD_ID`].
pub const BUILD_NUMBER: &str = "BUILD_NUMBER";
/// UUID of the `ProwJob` object.
pub const PROW_JOB_ID: &str = "PROW_JOB_ID";
/// GitHub organisation of the repository under test.
pub const REPO_OWNER: &str = "REPO_OWNER";
/// Repository under test, without its organisation.
pub const REPO_NAME: &str = "REPO_NAME";
/// Branch that the change goes into.
pub const PULL_BASE_REF: &str = "PULL_BASE_REF";
/// Commit of that branch.
pub const PULL_BASE_SHA: &str = "PULL_BASE_SHA";
/// `BASE:SHA,NUMBER:SHA…`.
pub const PULL_REFS: &str = "PULL_REFS";
/// Number of the pull request; presubmits only.
pub const PULL_NUMBER: &str = "PULL_NUMBER";
/// Head commit of the pull request; presubmits only.
pub const PULL_PULL_SHA: &str = "PULL_PULL_SHA";

/// The variables that say what the job is, as Prow sets them on every container of a job.
pub const PROW: [&str; 13] = [
    JOB_SPEC,
    JOB_NAME,
    JOB_TYPE,
    BUILD_ID,
    BUILD_NUMBER,
    PROW_JOB_ID,
    REPO_OWNER,
    REPO_NAME,
    PULL_BASE_REF,
    PULL_BASE_SHA,
    PULL_REFS,
    PULL_NUMBER,
    PULL_PULL_SHA,
];

/// A snapshot of the environment, taken once at start. A variable that is set to nothing
/// counts as unset; one that is not UTF-8 is left out.
#[derive(Debug, Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        std::env::vars_os().filter_map(utf8).collect()
    }

    /// The value of a variable, if it is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The paths of a variable that is a list of them, as `KUBECONFIG` is; none where it is not set.
    pub fn paths(&self, name: &str) -> Vec<PathBuf> {
        let paths = std::env::split_paths(self.get(name).unwrap_or_default());
        paths.filter(|path| !path.as_os_str().is_empty()).collect()
    }

    /// The user's folder for what can be made again. Source: the XDG base directory
    /// specification, which has a relative `XDG_CACHE_HOME` ignored.
    pub fn cache_folder(&self) -> Option<PathBuf> {
        let cache = self.get(XDG_CACHE_HOME).map(PathBuf::from);
        let home = || self.get(HOME).map(|home| Path::new(home).join(".cache"));
        cache.filter(|path| path.is_absolute()).or_else(home)
    }

    /// Folder of local runs, in the user's cache folder.
    pub fn runs_folder(&self) -> Result<PathBuf> {
        match self.cache_folder() {
            Some(cache) => Ok(cache.join("test-worker/runs")),
            None => Err(Error::usage("neither XDG_CACHE_HOME nor HOME is set")
                .hint("say with --run-dir where this run's files go")),
        }
    }

    /// All variables, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The name of this machine, where the kernel tells it.
pub fn hostname() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned())
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let owned = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        Env(owned
            .filter(|(_, value): &(String, String)| !value.is_empty())
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let env: Env = [("JOB_NAME", ""), ("JOB_TYPE", "batch")]
            .into_iter()
            .collect();
        assert_eq!(env.get(JOB_NAME), None);
        assert_eq!(env.get(JOB_TYPE), Some("batch"));
    }
}
