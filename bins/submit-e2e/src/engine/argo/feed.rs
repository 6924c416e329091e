//! What happens to the objects of a build: one watch that is resumed after any break, and a slow
//! poll beside it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use common::Error;
use kube::api::{ListParams, WatchParams};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::client::{Cluster, Pauses, Pieces};
use super::fault::{Fault, Refusal};
use super::resource::Resource;
use super::submit::built;
use super::view::Seen;

/// How long the server keeps a watch open, in seconds.
const WATCH_SECONDS: u32 = 2 * 60 * 60;

/// A server sends a bookmark every minute where nothing happens: a watch that is silent for
/// longer is dead, whatever its connection says.
const SILENCE: Duration = Duration::from_secs(150);

/// When everything is listed for the first time beside the watch; then in twice the time, and so on.
const FIRST_POLL: Duration = Duration::from_mins(5);

/// Objects of one page of a list: each may have a megabyte.
const PAGE: u32 = 20;

/// Longest line of a watch, in bytes: far more than etcd stores.
const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// How long a refusal of our rights is taken for one that may pass.
const DENIED: Duration = Duration::from_mins(5);

/// What has happened.
#[derive(Debug)]
pub(super) enum News {
    /// An object is like this now.
    Object {
        resource: Resource,
        seen: Box<Seen>,
        /// All of it, where this is its end.
        whole: Option<Vec<u8>>,
        is_deleted: bool,
    },
    /// These were all, by their uid, at some time after `since`.
    All {
        resource: Resource,
        uids: HashSet<String>,
        since: Instant,
    },
    /// Nothing will be heard any more.
    Lost(Error),
}

/// The objects of one kind in one namespace with certain labels.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    pub(super) resource: Resource,
    selector: Selector,
    /// Up to where in the server's history everything is known.
    version: String,
    /// Something was there before it was followed.
    starts_with_list: bool,
}

/// Which objects are meant.
#[derive(Debug, Clone)]
pub(super) enum Selector {
    /// Those with this label.
    Label(String),
    /// The one of this name.
    Name(String),
}

/// An object that is there already.
#[derive(Debug)]
pub(super) struct Existing {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Event<'a> {
    r#type: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Versioned {
    metadata: ListMetadata,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ListMetadata {
    resource_version: String,
    r#continue: Option<String>,
}

#[derive(Deserialize)]
struct List<'a> {
    metadata: ListMetadata,
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

/// What ends a watch.
enum WatchEnd {
    /// It came to its natural end.
    Closed,
    /// The server does not know its place in the history any more.
    Expired,
    Fault(Fault),
    /// Nobody listens any more.
    NotNeeded,
}

impl Selector {
    fn label(&self) -> Option<String> {
        match self {
            Selector::Label(label) => Some(label.clone()),
            Selector::Name(_) => None,
        }
    }

    fn field(&self) -> Option<String> {
        match self {
            Selector::Label(_) => None,
            Selector::Name(name) => Some(format!("metadata.name={name}")),
        }
    }
}

impl Feed {
    pub(super) fn new(resource: Resource, selector: Selector) -> Self {
        Feed {
            resource,
            selector,
            version: String::new(),
            starts_with_list: true,
        }
    }

    /// A page of the list of everything, and the token of the next one; news that follow start
    /// behind the last one.
    async fn page(
        &mut self,
        cluster: &Cluster,
        token: Option<String>,
        until: Instant,
    ) -> Result<(Vec<News>, Option<String>), Fault> {
        let params = ListParams {
            limit: Some(PAGE),
            continue_token: token,
            label_selector: self.selector.label(),
            field_selector: self.selector.field(),
            ..ListParams::default()
        };
        let request = kube::core::Request::new(self.resource.path());
        let request = request.list(&params).map_err(built)?;
        let page = cluster.send_until(until, &request).await?;
        let page: List<'_> = serde_json::from_slice(&page).map_err(garbled)?;
        let read = |item: &&RawValue| -> Result<News, Fault> {
            let item = item.get().as_bytes();
            Ok(self.object(Seen::read(self.resource.kind, item)?, item, false))
        };
        let news = page.items.iter().map(read).collect::<Result<_, _>>()?;
        let next = page.metadata.r#continue.filter(|token| !token.is_empty());
        if next.is_none() {
            self.version = page.metadata.resource_version;
        }
        Ok((news, next))
    }

    /// What is there already, before anything is followed.
    pub(super) async fn existing(
        &mut self,
        cluster: &Cluster,
        until: Instant,
    ) -> Result<Vec<Existing>, Fault> {
        let mut existing = Vec::new();
        let mut token = None;
        loop {
            let (news, next) = self.page(cluster, token, until).await?;
            for one in news {
                if let News::Object { seen, .. } = one {
                    existing.push(Existing {
                        name: seen.name,
                        labels: seen.labels,
                    });
                }
            }
            token = next;
            if token.is_none() {
                // How far each of them is has to be told.
                self.starts_with_list = !existing.is_empty();
                return Ok(existing);
            }
        }
    }

    /// All objects as they are now.
    pub(super) async fn all(
        &mut self,
        cluster: &Cluster,
        until: Instant,
    ) -> Result<Vec<News>, Fault> {
        let mut all = Vec::new();
        let mut token = None;
        loop {
            let (news, next) = self.page(cluster, token, until).await?;
            all.extend(news);
            token = next;
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    /// Lists everything and tells it.
    async fn tell_all(&mut self, cluster: &Cluster, sender: &Sender<News>) -> Result<(), Fault> {
        let since = Instant::now();
        let until = since + FIRST_POLL;
        let mut uids = HashSet::new();
        let mut token = None;
        loop {
            let (news, next) = self.page(cluster, token, until).await?;
            for one in news {
                if let News::Object { seen, .. } = &one {
                    uids.insert(seen.uid.clone());
                }
                // Where nobody listens any more, whoever runs this ends it.
                let _ = sender.send(one).await;
            }
            token = next;
            if token.is_none() {
                break;
            }
        }
        let resource = self.resource.clone();
        let all = News::All {
            resource,
            uids,
            since,
        };
        let _ = sender.send(all).await;
        Ok(())
    }

    fn object(&self, seen: Seen, json: &[u8], is_deleted: bool) -> News {
        News::Object {
            resource: self.resource.clone(),
            whole: (seen.is_final() || is_deleted).then(|| json.to_owned()),
            seen: Box::new(seen),
            is_deleted,
        }
    }

    /// Tells everything that happens, for ever.
    pub(super) async fn run(self, cluster: &Cluster, sender: Sender<News>) {
        let polls = self.clone().poll(cluster, sender.clone());
        let watch = self.watch(cluster, sender);
        tokio::select! {
            () = polls => {}
            () = watch => {}
        }
    }

    async fn poll(mut self, cluster: &Cluster, sender: Sender<News>) {
        let mut pause = FIRST_POLL;
        loop {
            sleep(pause).await;
            pause = pause.saturating_mul(2);
            if let Err(fault) = self.tell_all(cluster, &sender).await {
                debug!("list the {}: {fault}", self.resource);
            }
        }
    }

    async fn watch(mut self, cluster: &Cluster, sender: Sender<News>) {
        let mut pauses = Pauses::default();
        let mut denied_since: Option<Instant> = None;
        let mut expired = self.starts_with_list;
        loop {
            let started = Instant::now();
            let end = if expired {
                let listed = self.tell_all(cluster, &sender).await;
                listed.map_or_else(WatchEnd::Fault, |()| WatchEnd::Closed)
            } else {
                self.watch_once(cluster, &sender).await
            };
            match end {
                WatchEnd::NotNeeded => return,
                WatchEnd::Expired => {
                    debug!(
                        "the watch of the {} is too old; listing them",
                        self.resource
                    );
                    expired = true;
                }
                WatchEnd::Closed => {
                    (expired, denied_since) = (false, None);
                    if started.elapsed() > Duration::from_secs(1) {
                        pauses.reset();
                    } else {
                        sleep(pauses.next(None)).await;
                    }
                }
                WatchEnd::Fault(fault) => {
                    if matches!(fault, Fault::Garbled(_)) {
                        warn!("watch the {}: {fault}; trying again", self.resource);
                    } else {
                        debug!("watch the {}: {fault}", self.resource);
                    }
                    if !fault.is_denied() && started.elapsed() > SILENCE {
                        pauses.reset();
                    }
                    let since = *denied_since.get_or_insert(started);
                    if !fault.is_denied() {
                        denied_since = None;
                    } else if since.elapsed() > DENIED {
                        let lost = fault.explain(format!("watch the {}", self.resource));
                        let _ = sender.send(News::Lost(lost)).await;
                        return;
                    } else if since == started {
                        warn!("watch the {}: {fault}; trying again", self.resource);
                    }
                    sleep(pauses.next(fault.wait())).await;
                }
            }
        }
    }

    async fn watch_once(&mut self, cluster: &Cluster, sender: &Sender<News>) -> WatchEnd {
        let params = WatchParams {
            label_selector: self.selector.label(),
            field_selector: self.selector.field(),
            timeout: Some(WATCH_SECONDS),
            bookmarks: true,
            ..WatchParams::default()
        };
        let request = kube::core::Request::new(self.resource.path());
        let request = match request.watch(&params, &self.version) {
            Ok(request) => request,
            Err(error) => return WatchEnd::Fault(built(error)),
        };
        let pieces = match cluster.open(request).await {
            Ok(pieces) => pieces,
            Err(fault) if fault.code() == Some(410) => return WatchEnd::Expired,
            Err(fault) => return WatchEnd::Fault(fault),
        };
        let mut lines = Lines::new(pieces);
        loop {
            let news = match lines.next().await {
                None => return WatchEnd::Closed,
                Some(Err(fault)) => return WatchEnd::Fault(fault),
                Some(Ok(line)) => self.take(line),
            };
            match news {
                Ok(None) => {}
                Ok(Some(news)) => {
                    if sender.send(news).await.is_err() {
                        return WatchEnd::NotNeeded;
                    }
                }
                Err(fault) if fault.code() == Some(410) => return WatchEnd::Expired,
                Err(fault) => return WatchEnd::Fault(fault),
            }
        }
    }

    /// Reads one line of a watch.
    fn take(&mut self, line: &[u8]) -> Result<Option<News>, Fault> {
        let event: Event<'_> = serde_json::from_slice(line).map_err(garbled)?;
        let object = event.object.get().as_bytes();
        if event.r#type == "ERROR" {
            return Err(Fault::Refused(Refusal::of_event(object)));
        }
        let versioned: Versioned = serde_json::from_slice(object).map_err(garbled)?;
        let news = match event.r#type.as_str() {
            "BOOKMARK" => None,
            kind => {
                let seen = Seen::read(self.resource.kind, object)?;
                Some(self.object(seen, object, kind == "DELETED"))
            }
        };
        // Only now: what cannot be read is asked for again.
        self.version = versioned.metadata.resource_version;
        Ok(news)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
fn garbled(error: serde_json::Error) -> Fault {
    Fault::Garbled(format!("an answer that is no list and no watch: {error}"))
}

/// The lines of an answer that does not end.
struct Lines {
    pieces: Pieces,
    buffer: Vec<u8>,
    /// How much of the buffer has been given already.
    given: usize,
    /// How much of the buffer is known to have no line end.
    searched: usize,
}

impl Lines {
    fn new(pieces: Pieces) -> Self {
        Lines {
            pieces,
            buffer: Vec::new(),
            given: 0,
            searched: 0,
        }
    }

    /// The next whole line. What is behind the last line end when the connection breaks is no line.
    async fn next(&mut self) -> Option<Result<&[u8], Fault>> {
        loop {
            let at = self.buffer[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n');
            if let Some(at) = at {
                let (start, end) = (self.given, self.searched + at);
                self.given = end + 1;
                self.searched = end + 1;
                return Some(Ok(&self.buffer[start..end]));
            }
            self.buffer.drain(..self.given);
            self.given = 0;
            self.searched = self.buffer.len();
            if self.buffer.len() > LONGEST_LINE {
                let what = format!("a line of more than {LONGEST_LINE} bytes");
                return Some(Err(Fault::Garbled(what)));
            }
            // A single large object must not be kept for ever.
            self.buffer.shrink_to(self.buffer.len().max(64 * 1024));
            match self.pieces.next(SILENCE).await? {
                Ok(piece) => self.buffer.extend_from_slice(&piece),
                Err(fault) => return Some(Err(fault)),
            }
        }
    }
}
