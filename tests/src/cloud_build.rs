//! Cloud Build at the wire: builds that progress from look to look, as its REST reference has
//! them, and a log object that grows. Logs lie in a real object store.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::http::{HttpServer, Request, answer};
use crate::{FaultProxy, ObjectStore};

/// The bucket that Cloud Build writes logs to where nobody names one.
pub const DEFAULT_LOGS: &str = "123.cloudbuild-logs.googleusercontent.com";

/// What a look at a build finds.
#[derive(Debug, Clone)]
pub struct Look {
    /// Members of the build that have changed.
    pub build: Value,
    /// What has come to its log.
    pub log: String,
}

impl Look {
    /// A build that works, at this point of its log.
    pub fn working(log: &str) -> Self {
        Look::of("WORKING", log)
    }

    /// A build with this status.
    pub fn of(status: &str, log: &str) -> Self {
        Look {
            build: json!({ "status": status }),
            log: log.to_owned(),
        }
    }

    /// With further members.
    #[must_use]
    pub fn with(mut self, members: Value) -> Self {
        merge(&mut self.build, members);
        self
    }
}

/// The service; it ends when dropped.
pub struct CloudBuild {
    _server: HttpServer,
    proxy: FaultProxy,
    state: Arc<Mutex<State>>,
}

struct State {
    store: Arc<ObjectStore>,
    /// What becomes of the builds, in the order of their start.
    scripts: VecDeque<Vec<Look>>,
    builds: Vec<Build>,
    asked: Vec<Asked>,
    /// What the images of builds without a script are.
    digest: Option<String>,
}

struct Build {
    resource: Value,
    looks: VecDeque<Look>,
    log: String,
}

/// A request that reached the service.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `POST /v1/…`, with the query.
    pub line: String,
    /// Its body.
    pub body: Value,
    /// Its `User-Agent`.
    pub agent: String,
}

impl CloudBuild {
    /// Starts it. Each build that is started takes one of the scripts; one without a script
    /// succeeds at the first look.
    pub fn start(store: &Arc<ObjectStore>, scripts: impl IntoIterator<Item = Vec<Look>>) -> Self {
        let state = Arc::new(Mutex::new(State {
            store: store.clone(),
            scripts: scripts.into_iter().collect(),
            builds: Vec::new(),
            asked: Vec::new(),
            digest: None,
        }));
        let shared = state.clone();
        let server = HttpServer::start(Arc::new(move |request, connection| {
            lock(&shared).serve(request, connection)
        }));
        let proxy = FaultProxy::of_requests(server.address());
        CloudBuild {
            _server: server,
            proxy,
            state,
        }
    }

    /// For `CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD`, by way of the proxy.
    pub fn url(&self) -> String {
        self.proxy.url("http") + "/"
    }

    /// Breaks requests.
    pub fn proxy(&self) -> &FaultProxy {
        &self.proxy
    }

    /// The requests that reached it, in their order.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state).asked.clone()
    }

    /// The bodies of the requests that started builds.
    pub fn started(&self) -> Vec<Value> {
        let asked = self.asked().into_iter();
        asked
            .filter(|asked| asked.line.starts_with("POST ") && asked.line.ends_with("/builds"))
            .map(|asked| asked.body)
            .collect()
    }

    /// From now on a build without a script pushes its images, and this is their digest.
    pub fn push_as(&self, digest: &str) {
        lock(&self.state).digest = Some(digest.to_owned());
    }

    /// Where the builds stand.
    pub fn statuses(&self) -> Vec<String> {
        let state = lock(&self.state);
        let status = |build: &Build| {
            build.resource["status"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        state.builds.iter().map(status).collect()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn serve(&mut self, request: &Request, connection: &mut TcpStream) -> io::Result<()> {
        let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let query = if request.query.is_empty() {
            String::new()
        } else {
            format!("?{}", request.query)
        };
        self.asked.push(Asked {
            line: format!("{} {}{query}", request.method, request.path),
            body: body.clone(),
            agent: request.header("User-Agent").unwrap_or_default().to_owned(),
        });
        let path = request.path.clone();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (status, reply) = match (request.method.as_str(), &parts[..]) {
            ("POST", ["v1", "projects", project, "locations", location, "builds"]) => {
                self.create(project, location, &body)
            }
            ("GET", ["v1", "projects", _, "locations", _, "builds"]) => {
                let builds = self.builds.iter().rev().map(|build| &build.resource);
                (200, json!({ "builds": builds.collect::<Vec<_>>() }))
            }
            ("GET", ["v1", "projects", _, "locations", _, "builds", id]) => self.get(id),
            ("POST", ["v1", "projects", _, "locations", _, "builds", id]) => {
                match id.strip_suffix(":cancel") {
                    Some(id) => self.cancel(id),
                    None => error(404, "NOT_FOUND", "Method not found."),
                }
            }
            _ => error(404, "NOT_FOUND", "Method not found."),
        };
        let line = match status {
            200 => "200 OK",
            400 => "400 Bad Request",
            _ => "404 Not Found",
        };
        let reply = reply.to_string();
        answer(
            connection,
            line,
            &[("Content-Type", "application/json")],
            reply.as_bytes(),
        )
    }

    fn create(&mut self, project: &str, location: &str, asked: &Value) -> (u16, Value) {
        if asked["steps"].as_array().is_none_or(Vec::is_empty) {
            return error(
                400,
                "INVALID_ARGUMENT",
                "invalid build: no build steps are specified",
            );
        }
        let id = format!("00000000-0000-0000-0000-{:012}", self.builds.len() + 1);
        let mut resource = asked.clone();
        merge(
            &mut resource,
            json!({
                "id": id,
                "name": format!("projects/123/locations/{location}/builds/{id}"),
                "projectId": project,
                "status": "QUEUED",
                "createTime": "2024-05-01T10:00:00.123456789Z",
                "logUrl": format!(
                    "https://console.cloud.google.com/cloud-build/builds;region={location}/{id}?project=123"
                ),
                "queueTtl": "3600s",
                "artifacts": {"images": asked["images"]},
            }),
        );
        if resource["logsBucket"].is_null() {
            resource["logsBucket"] = json!(format!("gs://{DEFAULT_LOGS}"));
        }
        let images = asked["images"].as_array().cloned().unwrap_or_default();
        let pushed = self.digest.as_ref().map(|digest| {
            let image = |name| json!({"name": name, "digest": digest});
            images.into_iter().map(image).collect::<Vec<_>>()
        });
        let results = json!({"results": {"images": pushed.unwrap_or_default()}});
        let success = Look::of("SUCCESS", "DONE\n").with(results);
        let looks = self.scripts.pop_front().unwrap_or_else(|| vec![success]);
        self.builds.push(Build {
            resource: resource.clone(),
            looks: looks.into(),
            log: String::new(),
        });
        let name = format!("operations/build/{project}/{id}");
        let kind = "type.googleapis.com/google.devtools.cloudbuild.v1.BuildOperationMetadata";
        (
            200,
            json!({"name": name, "metadata": {"@type": kind, "build": resource}}),
        )
    }

    fn get(&mut self, id: &str) -> (u16, Value) {
        let store = self.store.clone();
        let Some(build) = self.build(id) else {
            return error(404, "NOT_FOUND", "Requested entity was not found.");
        };
        let ended = build.resource["finishTime"].is_string();
        if !ended && let Some(look) = build.looks.pop_front() {
            build.log.push_str(&look.log);
            merge(&mut build.resource, look.build);
            if !look.log.is_empty() {
                let logs = build.resource["logsBucket"].as_str().unwrap_or_default();
                let place = format!("{}/log-{id}.txt", logs.trim_start_matches("gs://"));
                let (bucket, object) = place.split_once('/').expect("a bucket");
                store.write(bucket, object, build.log.as_bytes());
            }
            let working = ["QUEUED", "PENDING", "WORKING"];
            if !working.contains(&build.resource["status"].as_str().unwrap_or_default()) {
                build.resource["startTime"] = json!("2024-05-01T10:00:01.5Z");
                build.resource["finishTime"] = json!("2024-05-01T10:01:01.75Z");
            }
        }
        (200, build.resource.clone())
    }

    fn cancel(&mut self, id: &str) -> (u16, Value) {
        let Some(build) = self.build(id) else {
            return error(404, "NOT_FOUND", "Requested entity was not found.");
        };
        if build.resource["finishTime"].is_string() {
            return error(400, "FAILED_PRECONDITION", "build is already finished");
        }
        build.resource["status"] = json!("CANCELLED");
        build.resource["finishTime"] = json!("2024-05-01T10:00:30Z");
        (200, build.resource.clone())
    }

    fn build(&mut self, id: &str) -> Option<&mut Build> {
        let mut builds = self.builds.iter_mut();
        builds.find(|build| build.resource["id"] == id)
    }
}

/// As Google's APIs tell of errors.
fn error(code: u16, status: &str, message: &str) -> (u16, Value) {
    (
        code,
        json!({"error": {"code": code, "message": message, "status": status}}),
    )
}

fn merge(into: &mut Value, members: Value) {
    if let (Value::Object(into), Value::Object(members)) = (into, members) {
        into.extend(members);
    }
}
