//! What lies in a folder of the bucket before a sync.

use std::collections::HashMap;

use super::ObjectName;
use super::cloud::Remote;

/// The objects of a folder, by name, as they were listed.
#[derive(Debug, Default)]
pub struct Present(HashMap<Box<str>, Option<Remote>>);

impl Present {
    pub(super) fn insert(&mut self, name: String, remote: Option<Remote>) {
        self.0.insert(name.into_boxed_str(), remote);
    }

    pub(super) fn get(&self, name: &ObjectName) -> Option<&Remote> {
        self.0.get(name.as_str())?.as_ref()
    }

    /// The names, in no order; those that the store took and we would refuse are left out.
    pub fn names(&self) -> impl Iterator<Item = ObjectName> {
        let parse = |name: &str| ObjectName::parse(name).ok();
        self.0.keys().filter_map(move |name| parse(name))
    }
}
