//! Cloud Build's API: starting a build once, looking at it, ending it.

use std::collections::BTreeSet;
use std::time::Instant;

use common::app::Stop;
use common::env::Env;
use common::google::{self, CLOUD_BUILD, Failure, Needs, Request, Retry};
use common::{Error, Result};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::build::{Build, StorageSource};
use super::settings::Settings;

const EDITOR: &str = "roles/cloudbuild.builds.editor";

/// Of the newest builds so many are looked at for one whose start went unanswered.
const NEWEST: &str = "50";

/// Cloud Build in one project and region.
#[derive(Debug)]
pub(crate) struct Client {
    api: google::Client,
    project: String,
    location: String,
}

/// What starting a build gives: an operation that carries it.
#[derive(Deserialize)]
struct Operation {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    build: Build,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    builds: Vec<Build>,
}

impl Client {
    pub(crate) fn new(settings: &Settings, env: &Env) -> Result<Self> {
        Ok(Client {
            api: google::Client::new(CLOUD_BUILD, env)?,
            project: settings.project.clone(),
            location: settings.location.clone(),
        })
    }

    /// Where builds are started; for the plan, too.
    pub(crate) fn builds(&self) -> Url {
        let parts = [
            "v1",
            "projects",
            &self.project,
            "locations",
            &self.location,
            "builds",
        ];
        self.api.url(&parts)
    }

    fn of_build(&self, id: &str) -> Url {
        let mut url = self.builds();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(id);
        }
        url
    }

    /// Starts a build, once: where the answer is lost, the build is looked for by its source
    /// before it is started again. `known` are builds of the same source that were started before.
    pub(crate) async fn create(&self, build: &Value, known: &BTreeSet<String>) -> Result<Build> {
        let request = Request::new(Method::POST, self.builds()).json(build);
        let source = serde_json::from_value(build["source"]["storageSource"].clone()).ok();
        let mut retry = Retry::new(None);
        loop {
            let failure = match self.api.attempt(&request, retry.stall()).await {
                Ok(answer) => match answer.json::<Operation>() {
                    Ok(operation) if !operation.metadata.build.id.is_empty() => {
                        return Ok(operation.metadata.build);
                    }
                    Ok(_) => Failure::Nonsense("a build without an id".to_owned()),
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            let nothing_was_done = failure.is(StatusCode::TOO_MANY_REQUESTS);
            if !nothing_was_done && failure.may_pass() && source.is_none() {
                let error = self.explain(failure, "start a build");
                return Err(error.hint(
                    "whether it was started is not known: see \
                     https://console.cloud.google.com/cloud-build/builds",
                ));
            }
            let paused = retry.pause(failure, "start a build").await;
            paused.map_err(|failure| self.explain(failure, "start a build"))?;
            if let Some(source) = source.as_ref().filter(|_| !nothing_was_done)
                && let Some(build) = self.find(source, known).await?
            {
                tracing::info!("the build was started although the answer was lost");
                return Ok(build);
            }
        }
    }

    /// A build of this source that is not known yet.
    async fn find(
        &self,
        source: &StorageSource,
        known: &BTreeSet<String>,
    ) -> Result<Option<Build>> {
        let request = Request::new(Method::GET, self.builds()).query("pageSize", NEWEST);
        let answer = self.api.ask(&request, None).await;
        let list = answer.and_then(|answer| answer.json::<List>());
        let list = list.map_err(|failure| self.explain(failure, "list the builds"))?;
        let mut builds = list.builds.into_iter();
        Ok(builds
            .find(|build| build.source.storage_source == *source && !known.contains(&build.id)))
    }

    /// What a build has come to. It is asked for until `until`, or until patience ends.
    pub(crate) async fn get(&self, id: &str, until: Option<Instant>) -> Result<Build> {
        let request = Request::new(Method::GET, self.of_build(id));
        let answer = self.api.ask(&request, until).await;
        let build = answer.and_then(|answer| answer.json());
        build.map_err(|failure| self.explain(failure, &format!("look at build {id}")))
    }

    /// Ends a build; one that has ended stays as it is.
    pub(crate) async fn cancel(&self, id: &str, until: Option<Instant>) -> Result<()> {
        let url = self.of_build(&format!("{id}:cancel"));
        let request = Request::new(Method::POST, url).json(&json!({}));
        match self.api.ask(&request, until).await {
            Ok(_) => Ok(()),
            // What it answers of a build that has ended.
            Err(failure) if failure.is(StatusCode::BAD_REQUEST) => Ok(()),
            Err(failure) => Err(self.explain(failure, &format!("cancel build {id}"))),
        }
    }

    fn explain(&self, failure: Failure, what: &str) -> Error {
        let needs = Needs::on_project(&self.project, EDITOR);
        let what = format!("{what} in project {}, {}", self.project, self.location);
        self.api.explain(failure, what, &needs)
    }
}

/// Work that a signal cuts short.
pub(crate) async fn unless_stopped<T>(stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        _ = stop.wait() => None,
        done = work => Some(done),
    }
}
