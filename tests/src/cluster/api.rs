//! The API as plain JSON, one request at a time.

use std::path::Path;
use std::time::{Duration, Instant};

use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// How long a request is tried while the API server is away.
const PATIENCE: Duration = Duration::from_secs(90);

/// A client of the API. Its requests outlast an API server that is away; an answer that it does
/// not expect fails the test.
pub struct Api {
    runtime: Runtime,
    client: kube::Client,
}

/// What the API server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status, such as 404.
    pub code: u16,
    /// Its words.
    pub message: String,
}

impl Api {
    /// A client with the rights of a kubeconfig.
    pub fn connect(kubeconfig: &Path) -> Self {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("an event loop");
        let client = runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("read the kubeconfig");
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
            kube::Client::try_from(config.expect("a kubeconfig")).expect("a client")
        });
        Api { runtime, client }
    }

    /// What is at a path.
    pub fn get(&self, path: &str) -> Value {
        self.find(path)
            .unwrap_or_else(|| panic!("{path} is not there"))
    }

    /// What is at a path, if something is.
    pub fn find(&self, path: &str) -> Option<Value> {
        match self.ask(Method::GET, path, None) {
            Ok(value) => Some(value),
            Err(refusal) if refusal.code == 404 => None,
            Err(refusal) => panic!("GET {path}: {refusal:?}"),
        }
    }

    /// The items of a list.
    pub fn list(&self, path: &str) -> Vec<Value> {
        let mut list = self.get(path);
        match list["items"].take() {
            Value::Array(items) => items,
            other => panic!("{path} has no items but {other}"),
        }
    }

    /// Makes an object in a collection; one of its name that is there already is as good.
    pub fn create(&self, path: &str, object: &Value) -> Value {
        match self.ask(Method::POST, path, Some(object)) {
            Ok(value) => value,
            Err(refusal) if refusal.code == 409 => object.clone(),
            Err(refusal) => panic!("POST {path}: {refusal:?}"),
        }
    }

    /// Merges this into an object.
    pub fn merge(&self, path: &str, change: &Value) -> Value {
        let answer = self.ask(Method::PATCH, path, Some(change));
        answer.unwrap_or_else(|refusal| panic!("PATCH {path}: {refusal:?}"))
    }

    /// Removes an object, or all of a collection, at once; that it is gone already is as good.
    pub fn delete(&self, path: &str) {
        let separator = if path.contains('?') { '&' } else { '?' };
        let options = "gracePeriodSeconds=0&propagationPolicy=Background";
        let path = format!("{path}{separator}{options}");
        match self.ask(Method::DELETE, &path, None) {
            Ok(_) => {}
            Err(refusal) if refusal.code == 404 => {}
            Err(refusal) => panic!("DELETE {path}: {refusal:?}"),
        }
    }

    /// One request; gives what the API server answered or refused.
    #[expect(clippy::needless_pass_by_value, reason = "callers name a constant")]
    pub fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Refusal> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.ask_once(method.clone(), path, body) {
                Ok(value) => return Ok(value),
                Err(kube::Error::Api(status)) if status.code < 500 => {
                    let (code, message) = (status.code, status.message.clone());
                    return Err(Refusal { code, message });
                }
                Err(error) => assert!(Instant::now() < end, "{method} {path}: {error}"),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn ask_once(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, kube::Error> {
        let form = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Content-Type", form)
            .body(body.map(Value::to_string).unwrap_or_default().into_bytes())
            .expect("a request");
        self.runtime.block_on(self.client.request(request))
    }
}
