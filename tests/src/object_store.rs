//! A real object store on loopback (fake-gcs-server), and a proxy before it that breaks
//! requests.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::git_server::free_port;
use crate::{FaultProxy, Running};

/// The server, in memory, and its proxy; both end when dropped.
pub struct ObjectStore {
    server: Running,
    address: String,
    proxy: FaultProxy,
}

/// An object as the store describes it.
#[derive(Debug, Clone)]
pub struct StoredObject(Value);

impl StoredObject {
    /// Its name.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.text("size").parse().expect("a size")
    }

    /// A member of the description, such as `contentType`; empty if it has none.
    pub fn text(&self, member: &str) -> &str {
        self.0[member].as_str().unwrap_or_default()
    }

    /// Its custom metadata under this key.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.0["metadata"][key].as_str()
    }
}

impl Default for ObjectStore {
    fn default() -> Self {
        Self::start()
    }
}

impl ObjectStore {
    /// Starts both. `make test` installs the server.
    pub fn start() -> Self {
        let program = program();
        for _ in 0..20 {
            let address = format!("127.0.0.1:{}", free_port());
            let (host, port) = address.split_once(':').expect("HOST:PORT");
            let mut server = Running::start(
                Command::new(&program)
                    .args([
                        "-scheme",
                        "http",
                        "-backend",
                        "memory",
                        "-log-level",
                        "error",
                    ])
                    .args(["-host", host, "-port", port, "-public-host", &address])
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null()),
            );
            // Another process may take the port first; then the server ends at once.
            let end = Instant::now() + Duration::from_secs(10);
            while Instant::now() < end {
                if server.try_wait().expect("ask for the server").is_some() {
                    break;
                }
                if TcpStream::connect(&address).is_ok() {
                    let proxy = FaultProxy::of_requests(&address);
                    return ObjectStore {
                        server,
                        address,
                        proxy,
                    };
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("the object store found no port in 20 tries");
    }

    /// For `STORAGE_EMULATOR_HOST`: `http://127.0.0.1:PORT`, by way of the proxy.
    pub fn url(&self) -> String {
        self.proxy.url("http")
    }

    /// The same without the proxy, where many requests are made and none is to fail.
    pub fn direct_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks requests, and knows which there were.
    pub fn proxy(&self) -> &FaultProxy {
        &self.proxy
    }

    /// Makes a bucket; gives its URL.
    pub fn make_bucket(&self, name: &str) -> String {
        let body = json!({ "name": name }).to_string();
        let (status, answer) = self.ask("POST", "/storage/v1/b", body.as_bytes());
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        format!("gs://{name}")
    }

    /// The objects of a bucket whose names start so, sorted by name.
    pub fn objects(&self, bucket: &str, prefix: &str) -> Vec<StoredObject> {
        let mut objects = Vec::new();
        let mut page = String::new();
        loop {
            let prefix = encode(prefix);
            let path = format!("/storage/v1/b/{bucket}/o?prefix={prefix}&pageToken={page}");
            let (status, answer) = self.ask("GET", &path, b"");
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
            let answer: Value = serde_json::from_slice(&answer).expect("JSON");
            let items = answer["items"].as_array().cloned().unwrap_or_default();
            objects.extend(items.into_iter().map(StoredObject));
            match answer["nextPageToken"].as_str() {
                Some(next) if !next.is_empty() => page = encode(next),
                _ => break,
            }
        }
        objects.sort_by(|one, other| one.name().cmp(other.name()));
        objects
    }

    /// An object's content as it is stored; `None` if it is not there.
    pub fn read(&self, bucket: &str, name: &str) -> Option<Vec<u8>> {
        let name = encode(name);
        let path = format!("/storage/v1/b/{bucket}/o/{name}?alt=media");
        match self.ask("GET", &path, b"") {
            (200, content) => Some(content),
            (404, _) => None,
            (status, _) => panic!("read {path}: {status}"),
        }
    }

    /// A text, if it is there, as a browser shows it: compressed or not.
    pub fn read_text(&self, bucket: &str, name: &str) -> Option<String> {
        let content = self.read(bucket, name)?;
        if !content.starts_with(&[0x1f, 0x8b]) {
            return Some(String::from_utf8_lossy(&content).into_owned());
        }
        let mut text = String::new();
        let read = GzDecoder::new(&content[..]).read_to_string(&mut text);
        read.unwrap_or_else(|error| panic!("{name}: {error}"));
        Some(text)
    }

    /// Writes an object.
    pub fn write(&self, bucket: &str, name: &str, content: &[u8]) {
        let name = encode(name);
        let path = format!("/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}");
        let (status, answer) = self.ask("POST", &path, content);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    }

    /// Ends the server while the proxy goes on: every request is cut.
    pub fn stop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    /// One request to the server itself; gives status and body.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut connection = TcpStream::connect(&self.address).expect("reach the object store");
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nAccept-Encoding: gzip\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        connection.write_all(head.as_bytes()).expect("ask");
        connection.write_all(body).expect("ask");
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).expect("an answer");
        let end = answer
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.expect("a status"), answer.split_off(end + 4))
    }
}

fn program() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let program = root.join(".tools/fake-gcs-server/bin/fake-gcs-server");
    assert!(
        program.exists(),
        "{} is missing: run `make test`, which installs it",
        program.display()
    );
    program
}

/// A name as a part of a path or query.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
