//! build-image through its binary: against Cloud Build at the wire, with a real object store, a
//! real registry and a real Docker engine.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot do its work fails by a panic"
)]

mod cloud;
mod docker;
mod faults;
mod input;
mod own_image;
mod registry;
mod requests;
mod signals;
mod site;
mod source;
mod tag;
