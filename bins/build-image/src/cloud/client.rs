//! Cloud Build's API: starting a build once, looking at it, ending it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

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

/// How long the attempt that is under way at a signal may take, and then the look for what came of
/// it: a pod that is told to end has half a minute.
const ATTEMPT: Duration = Duration::from_secs(8);
const LOOKING: Duration = Duration::from_secs(8);

const UNKNOWN: &str = "whether it was started is not known";
const BUILDS: &str = "https://console.cloud.google.com/cloud-build/builds";

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
    ///
    /// A signal lets the attempt that is under way end, for whoever does not wait for its answer
    /// does not know what to cancel; no further one is made. A build that was started is given
    /// even then.
    pub(crate) async fn create(
        &self,
        build: &Value,
        known: &BTreeSet<String>,
        stop: &Stop,
    ) -> Result<Build> {
        let request = Request::new(Method::POST, self.builds()).json(build);
        let source = serde_json::from_value(build["source"]["storageSource"].clone()).ok();
        let (source, mut in_doubt) = (source.as_ref(), false);
        let mut retry = Retry::new(None);
        loop {
            let attempt = self.start(&request, retry.stall());
            let failure = tokio::select! {
                biased;
                started = attempt => match started {
                    Ok(build) => return Ok(build),
                    Err(failure) => failure,
                },
                () = patience(stop) => return self.found_after_signal(source, known, stop).await,
            };
            in_doubt |= !failure.did_not_arrive() && !failure.is(StatusCode::TOO_MANY_REQUESTS);
            if in_doubt && source.is_none() && failure.may_pass() {
                let error = self.explain(failure, "start a build");
                return Err(error.hint(format!("{UNKNOWN}: see {BUILDS}")));
            }
            let go_on = async {
                let paused = retry.pause(failure, "start a build").await;
                paused.map_err(|failure| self.explain(failure, "start a build"))?;
                match source {
                    Some(source) if in_doubt => self.find(source, known, None).await,
                    _ => Ok(None),
                }
            };
            match unless_stopped(stop, go_on).await {
                Some(found) => {
                    if let Some(build) = found? {
                        tracing::info!("the build was started although the answer was lost");
                        return Ok(build);
                    }
                }
                None if in_doubt => return self.found_after_signal(source, known, stop).await,
                None => return Err(stopped(stop, "no build was started")),
            }
        }
    }

    async fn start(&self, request: &Request, stall: Duration) -> Result<Build, Failure> {
        let answer = self.api.attempt(request, stall).await?;
        let build = answer.json::<Operation>()?.metadata.build;
        if build.id.is_empty() {
            return Err(Failure::Nonsense("a build without an id".to_owned()));
        }
        Ok(build)
    }

    /// The build that an attempt may have started whose answer was not heard before a signal.
    async fn found_after_signal(
        &self,
        source: Option<&StorageSource>,
        known: &BTreeSet<String>,
        stop: &Stop,
    ) -> Result<Build> {
        let Some(source) = source else {
            return Err(stopped(stop, &format!("{UNKNOWN}: see {BUILDS}")));
        };
        let end = Instant::now() + LOOKING;
        let found = tokio::select! {
            found = self.find(source, known, Some(end)) => found,
            _ = stop.insisted() => Err(Error::failed("look for it").because("a second signal")),
        };
        match found {
            Ok(Some(build)) => Ok(build),
            Ok(None) => Err(stopped(stop, "no build was started")),
            Err(error) => {
                let report = error.report();
                Err(stopped(stop, &format!("{UNKNOWN}: {report}: see {BUILDS}")))
            }
        }
    }

    /// A build of this source that is not known yet.
    async fn find(
        &self,
        source: &StorageSource,
        known: &BTreeSet<String>,
        until: Option<Instant>,
    ) -> Result<Option<Build>> {
        let request = Request::new(Method::GET, self.builds()).query("pageSize", NEWEST);
        let answer = self.api.ask(&request, until).await;
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

/// Ends some time after a signal, and at once with the second one.
async fn patience(stop: &Stop) {
    stop.wait().await;
    tokio::select! {
        () = tokio::time::sleep(ATTEMPT) => {}
        _ = stop.insisted() => {}
    }
}

fn stopped(stop: &Stop, what: &str) -> Error {
    let signal = stop.asked().unwrap_or_default();
    Error::interrupted(signal, format!("interrupted: {what}"))
}

/// Work that a signal cuts short.
pub(crate) async fn unless_stopped<T>(stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        _ = stop.wait() => None,
        done = work => Some(done),
    }
}
