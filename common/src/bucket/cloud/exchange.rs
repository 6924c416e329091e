//! Objects that are read and replaced by their generation.

use reqwest::{Method, StatusCode};

use super::client::Access;
use super::content::Content;
use super::object::describe;
use super::{Cloud, ObjectName};
use crate::Result;
use crate::bucket::State;
use crate::bucket::attributes::Attributes;
use crate::google::{Failure, Request, date};

impl Cloud {
    /// An object's content, its generation, and the store's time.
    pub(in crate::bucket) async fn read_state(&self, name: &ObjectName) -> Result<Option<State>> {
        self.try_read_state(name)
            .await
            .map_err(|failure| self.explain(failure, "read", name, Access::Read))
    }

    async fn try_read_state(&self, name: &ObjectName) -> Result<Option<State>, Failure> {
        let url = self.client.object(name.as_str());
        let request = Request::new(Method::GET, url).query("alt", "media");
        let answer = match self.client.api.ask(&request, self.until).await {
            Ok(answer) => answer,
            Err(failure) if failure.is(StatusCode::NOT_FOUND) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let generation = answer.headers.get("x-goog-generation");
        let generation = generation.and_then(|it| it.to_str().ok()?.parse().ok());
        let missing = |what: &str| Failure::Nonsense(format!("it has no {what}"));
        Ok(Some(State {
            content: answer.body.to_vec(),
            generation: generation.ok_or_else(|| missing("generation"))?,
            now: date(&answer.headers).ok_or_else(|| missing("date"))?,
        }))
    }

    /// Replaces a generation; false, if it is not the one that is there.
    pub(in crate::bucket) async fn replace_state(
        &self,
        name: &ObjectName,
        content: Vec<u8>,
        generation: u64,
    ) -> Result<bool> {
        self.try_replace_state(name, content, generation)
            .await
            .map_err(|failure| self.explain(failure, "write", name, Access::Write))
    }

    async fn try_replace_state(
        &self,
        name: &ObjectName,
        content: Vec<u8>,
        generation: u64,
    ) -> Result<bool, Failure> {
        let attributes = Attributes {
            media_type: "application/json".to_owned(),
            // A reader of a public bucket would be given an old state for an hour.
            cache_control: Some("no-store"),
            ..Attributes::default()
        };
        let ours = content.clone();
        let content = Content::of(content, &attributes)?;
        let object = describe(name.as_str(), &attributes, content.stored, None);
        let put = self
            .client
            .put_at_once(&object, &content, generation, self.until);
        match put.await {
            Ok(_) => Ok(true),
            // Somebody else's, or an attempt of ours whose answer was lost.
            Err(failure) if failure.is(StatusCode::PRECONDITION_FAILED) => {
                let there = self.try_read_state(name).await?;
                Ok(there.is_some_and(|there| there.content == ours))
            }
            Err(failure) => Err(failure),
        }
    }
}
