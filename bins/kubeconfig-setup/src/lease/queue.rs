//! Who waits for a pool, in the order of their coming: pure. The queue is for fairness; that
//! nobody shares a cluster is what the leases are for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::Moment;

/// Those who wait.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Queue(Vec<Waiter>);

/// A look at a queue: whoever has not been heard of for so long does not wait any more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) now: Moment,
    pub(crate) silence: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Waiter {
    name: String,
    heard: Moment,
}

impl Queue {
    /// How many come before this one; all, if it does not wait yet.
    pub(crate) fn before(&self, name: &str, at: At) -> usize {
        self.waiting(at)
            .take_while(|waiter| waiter.name != name)
            .count()
    }

    /// The names of those who wait, the first one first.
    pub(crate) fn names(&self, at: At) -> Vec<String> {
        self.waiting(at).map(|waiter| waiter.name.clone()).collect()
    }

    /// The queue once this one has been heard of: at its end, or where it was.
    pub(crate) fn heard(&self, name: &str, at: At) -> Queue {
        let mut waiters: Vec<Waiter> = self.waiting(at).cloned().collect();
        match waiters.iter_mut().find(|waiter| waiter.name == name) {
            Some(waiter) => waiter.heard = at.now,
            None => waiters.push(Waiter {
                name: name.to_owned(),
                heard: at.now,
            }),
        }
        Queue(waiters)
    }

    /// The queue without this one.
    pub(crate) fn left(&self, name: &str, at: At) -> Queue {
        let others = self.waiting(at).filter(|waiter| waiter.name != name);
        Queue(others.cloned().collect())
    }

    fn waiting(&self, at: At) -> impl Iterator<Item = &Waiter> {
        (self.0.iter()).filter(move |waiter| at.now.since(waiter.heard) < at.silence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_come_first_served_and_the_dead_do_not_count() {
        let at = |seconds: u64| At {
            now: Moment(seconds * 1000),
            silence: Duration::from_mins(1),
        };
        let queue = Queue::default().heard("a", at(0)).heard("b", at(1));
        let queue = queue.heard("c", at(30)).heard("a", at(31));
        assert_eq!(queue.names(at(32)), ["a", "b", "c"]);
        assert_eq!(queue.before("b", at(32)), 1);
        assert_eq!(queue.before("new", at(32)), 3);
        // b died: it was heard of at 1 only.
        assert_eq!(queue.before("c", at(61)), 1);
        assert_eq!(queue.left("a", at(61)).names(at(61)), ["c"]);
    }
}
