//! A project with everything that build-image talks to.

use std::process::{Command, Output};
use std::sync::Arc;

use e2e::{
    CloudBuild, DEFAULT_LOGS, ImageRegistry, Look, ObjectStore, TestEnvironment, binary, text,
};
use serde_json::Value;

/// The bucket that sources are put into.
pub(crate) const STAGING: &str = "p_cloudbuild";

/// A project `p` with a context, a registry, buckets and Cloud Build.
pub(crate) struct Site {
    pub(crate) env: TestEnvironment,
    pub(crate) store: Arc<ObjectStore>,
    pub(crate) cloud: CloudBuild,
    pub(crate) registry: ImageRegistry,
}

impl Site {
    /// Each build that is started follows one of the scripts.
    pub(crate) fn new(scripts: impl IntoIterator<Item = Vec<Look>>) -> Self {
        Self::with_registry(ImageRegistry::start(), scripts)
    }

    pub(crate) fn with_registry(
        registry: ImageRegistry,
        scripts: impl IntoIterator<Item = Vec<Look>>,
    ) -> Self {
        let env = TestEnvironment::new();
        env.write("context/Dockerfile", "FROM scratch\nCOPY file /\n");
        env.write("context/file", "content\n");
        let store = Arc::new(ObjectStore::start());
        for bucket in [STAGING, DEFAULT_LOGS] {
            store.make_bucket(bucket);
        }
        let cloud = CloudBuild::start(&store, scripts);
        Site {
            env,
            store,
            cloud,
            registry,
        }
    }

    /// `REGISTRY/team/app`, by way of the registry's proxy.
    pub(crate) fn image(&self) -> String {
        format!("{}/team/app", self.registry.name())
    }

    /// The binary in the context's parent, in project `p`.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(&binary("build-image"));
        command
            .env("STORAGE_EMULATOR_HOST", self.store.url())
            .env(
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD",
                self.cloud.url(),
            )
            .env("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true")
            .env("CLOUDSDK_CORE_PROJECT", "p")
            .args(args);
        command
    }

    /// Builds `team/app:v1` out of the context, with further flags.
    pub(crate) fn build_command(&self, args: &[&str]) -> Command {
        let mut command = self.command(&["--context", "context", "--tag", "v1", "--image"]);
        command.arg(self.image()).args(args);
        command
    }

    pub(crate) fn build(&self, args: &[&str]) -> Output {
        self.build_command(args).output().unwrap()
    }
}

/// The exit code and what was said.
pub(crate) fn end(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), text(&output.stderr))
}

/// stdout, of a run that has to succeed.
pub(crate) fn said(output: &Output) -> String {
    let (code, log) = end(output);
    assert_eq!(code, Some(0), "{log}");
    text(&output.stdout)
}

/// stdout as JSON.
pub(crate) fn json(output: &Output) -> Value {
    let text = text(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{:?}", end(output)))
}

/// A digest as registries have it, of this two-digit number.
pub(crate) fn digest(number: &str) -> String {
    format!("sha256:{}", number.repeat(32))
}
