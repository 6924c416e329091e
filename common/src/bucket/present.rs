//! What lies in a folder of the bucket before a sync.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::ObjectName;
use super::cloud::Remote;

/// Nobody writes one object for longer than that.
const LEFT_BEHIND: Duration = Duration::from_hours(24);

/// The objects of a folder, by name, as they were listed.
#[derive(Debug, Default)]
pub struct Present {
    objects: HashMap<Box<str>, Option<Remote>>,
    leftovers: Vec<(ObjectName, Option<Remote>)>,
}

impl Present {
    pub(super) fn insert(&mut self, name: String, remote: Option<Remote>) {
        self.objects.insert(name.into_boxed_str(), remote);
    }

    /// Notes what may become an object or a part of one, or was left behind by an upload that
    /// was killed, which its age shows.
    pub(super) fn being_written(
        &mut self,
        name: &str,
        remote: Option<Remote>,
        since: Option<SystemTime>,
    ) {
        let age = since.and_then(|since| since.elapsed().ok());
        if age.is_some_and(|age| age > LEFT_BEHIND)
            && let Ok(name) = ObjectName::parse(name)
        {
            self.leftovers.push((name, remote));
        }
    }

    pub(super) fn get(&self, name: &ObjectName) -> Option<&Remote> {
        self.objects.get(name.as_str())?.as_ref()
    }

    /// What uploads that were killed a day ago or earlier have left behind.
    pub(super) fn leftovers(&self) -> impl Iterator<Item = (&ObjectName, Option<&Remote>)> {
        let all = self.leftovers.iter();
        all.map(|(name, remote)| (name, remote.as_ref()))
    }

    /// The names, in no order; those that the store took and we would refuse are left out.
    pub fn names(&self) -> impl Iterator<Item = ObjectName> {
        let parse = |name: &str| ObjectName::parse(name).ok();
        self.objects.keys().filter_map(move |name| parse(name))
    }
}
