//! The bucket that a source is put into: looked for, made, and known to be ours.

use common::env::Env;
use common::google::{self, Failure, Needs, Request, STORAGE};
use common::{Error, Result};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::settings::Settings;

const ADMIN: &str = "roles/storage.admin";

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    items: Vec<Bucket>,
    #[serde(default, rename = "nextPageToken")]
    next_page_token: String,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

/// Sees to it that the bucket is there. One that nobody chose has a name that anybody could have
/// taken before: it has to belong to the project, or a stranger would get the source, and could
/// change it before it is built.
pub(crate) async fn ensure(settings: &Settings, env: &Env) -> Result<()> {
    let api = google::Client::new(STORAGE, env)?;
    let (bucket, project) = (&settings.staging.bucket, &settings.project);
    let needs = Needs::on_project(project, ADMIN);
    let explain =
        |failure, what: &str| api.explain(failure, format!("{what} gs://{bucket}"), &needs);
    let look =
        Request::new(Method::GET, api.url(&["storage", "v1", "b", bucket])).query("fields", "name");
    match api.ask(&look, None).await {
        Ok(_) => {}
        Err(failure) if failure.is(StatusCode::NOT_FOUND) => {
            let make = Request::new(Method::POST, api.url(&["storage", "v1", "b"]))
                .query("project", project)
                .json(&json!({ "name": bucket }));
            match api.ask(&make, None).await {
                Ok(_) => tracing::info!("made the bucket gs://{bucket} for sources"),
                // Somebody else was faster.
                Err(failure) if failure.is(StatusCode::CONFLICT) => {}
                Err(failure) => return Err(explain(failure, "make")),
            }
        }
        // Whoever may put objects into a bucket need not be allowed to look at it. The upload
        // tells what is missing.
        Err(failure) if failure.is(StatusCode::FORBIDDEN) && !settings.staging_is_default => {
            tracing::debug!("{failure}: gs://{bucket} is taken to be there");
        }
        Err(failure) => return Err(explain(failure, "look for")),
    }
    if settings.staging_is_default {
        let owned = is_of_project(&api, bucket, project).await;
        if !owned.map_err(|failure| explain(failure, "look who owns"))? {
            return Err(Error::usage(format!(
                "gs://{bucket} is there and does not belong to project {project}"
            ))
            .because("whoever owns it would get the source")
            .hint("name another place with --staging-bucket gs://BUCKET/FOLDER"));
        }
    }
    Ok(())
}

async fn is_of_project(api: &google::Client, bucket: &str, project: &str) -> Result<bool, Failure> {
    let mut page = String::new();
    loop {
        let mut list = Request::new(Method::GET, api.url(&["storage", "v1", "b"]))
            .query("project", project)
            .query("prefix", bucket)
            .query("fields", "items(name),nextPageToken");
        if !page.is_empty() {
            list = list.query("pageToken", &page);
        }
        let answer: List = api.ask(&list, None).await?.json()?;
        if answer.items.iter().any(|item| item.name == bucket) {
            return Ok(true);
        }
        if answer.next_page_token.is_empty() {
            return Ok(false);
        }
        page = answer.next_page_token;
    }
}
