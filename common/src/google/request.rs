//! A request, and its answer.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;

use super::body::Part;
use super::failure::Failure;

/// A request, which can be made again.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) parts: Vec<Part>,
    /// Counts what is sent of it.
    pub(super) sent: Arc<AtomicU64>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// A success, or a 308, which is how an unfinished upload is answered.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its content.
    pub body: Bytes,
}

impl Request {
    /// One without a body.
    pub fn new(method: Method, url: Url) -> Self {
        Request {
            method,
            url,
            headers: Vec::new(),
            parts: Vec::new(),
            sent: Arc::default(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds a parameter to the query.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// Gives it a body.
    #[must_use]
    pub fn json(self, body: &serde_json::Value) -> Self {
        self.header("content-type", "application/json")
            .part(Part::Memory(body.to_string().into()))
    }

    /// Gives it the body of a form.
    #[must_use]
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        // A query is written as a form is.
        let mut url = self.url.clone();
        url.set_query(None);
        url.query_pairs_mut().extend_pairs(fields);
        let body = url.query().unwrap_or_default().to_owned();
        self.header("content-type", "application/x-www-form-urlencoded")
            .part(Part::Memory(body.into()))
    }

    pub(crate) fn part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    pub(crate) fn counting(self, sent: &Arc<AtomicU64>) -> Self {
        let sent = sent.clone();
        Request { sent, ..self }
    }
}

impl Answer {
    /// Reads the body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| Failure::Nonsense(error.to_string()))
    }
}
