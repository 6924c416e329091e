//! Google's APIs, spoken as JSON over HTTP: who we are, where the server is, attempts, refusals.
//!
//! Each request has a user agent and a limit on how long it may stand still. What may pass (a cut
//! connection, 429, 503) is tried again, as long as patience and the server's wishes allow.

mod body;
mod client;
mod credentials;
mod explain;
mod failure;
pub mod gke;
mod request;
mod retry;
mod service;
mod status;

pub(crate) use body::Part;
pub(crate) use client::piece;
pub use client::{Client, USER_AGENT, date};
pub use credentials::{Credentials, credentials_file};
pub use explain::Needs;
pub use failure::{Failure, Refusal};
pub use request::{Answer, Request};
pub use retry::Retry;
pub use service::{CLOUD_BUILD, CONTAINER, IAM_CREDENTIALS, STORAGE, Service};
