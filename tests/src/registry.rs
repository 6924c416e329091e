//! A real image registry (docker-registry) on loopback, and a proxy before it that breaks
//! requests.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::git_server::free_port;
use crate::{FaultProxy, Running};

/// The user that a registry with credentials knows, and the password.
pub const REGISTRY_USER: (&str, &str) = ("builder", "secret");

/// The same for the registry, as `htpasswd -B` writes it.
const HTPASSWD: &str = "builder:$2b$04$VNm/jocuvttNiUehnhTtaOYsTMxxQi/LpyA3Zlr3Ih0e79wuyYDLe\n";

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// The registry and its proxy; both end when dropped.
pub struct ImageRegistry {
    _server: Running,
    _folder: TempDir,
    address: String,
    proxy: FaultProxy,
}

impl Default for ImageRegistry {
    fn default() -> Self {
        Self::start()
    }
}

impl ImageRegistry {
    /// Starts one that lets everybody in.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one that lets [`REGISTRY_USER`] in, and nobody else.
    pub fn start_with_credentials() -> Self {
        Self::start_with("auth:\n  htpasswd:\n    realm: registry\n    path: FOLDER/htpasswd\n")
    }

    fn start_with(auth: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let path = folder.path().display().to_string();
        fs::write(folder.path().join("htpasswd"), HTPASSWD).expect("write the users");
        for _ in 0..20 {
            let address = format!("127.0.0.1:{}", free_port());
            let config = format!(
                "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    \
                 rootdirectory: FOLDER/data\nhttp:\n  addr: {address}\n{auth}"
            );
            let file = folder.path().join("config.yml");
            fs::write(&file, config.replace("FOLDER", &path)).expect("write the configuration");
            let mut server = Running::start(
                Command::new("docker-registry")
                    .arg("serve")
                    .arg(&file)
                    .env_remove("OTEL_TRACES_EXPORTER")
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null()),
            );
            // Another process may take the port first; then the server ends at once.
            let end = Instant::now() + Duration::from_secs(10);
            while Instant::now() < end {
                if server.try_wait().expect("ask for the registry").is_some() {
                    break;
                }
                if TcpStream::connect(&address).is_ok() {
                    let proxy = FaultProxy::of_requests(&address);
                    return ImageRegistry {
                        _server: server,
                        _folder: folder,
                        address,
                        proxy,
                    };
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("docker-registry, of the package of this name, did not start on any of 20 ports");
    }

    /// `127.0.0.1:PORT`, the registry's name in an image's, by way of the proxy.
    pub fn name(&self) -> String {
        let url = self.proxy.url("http");
        url.trim_start_matches("http://").to_owned()
    }

    /// The same without the proxy, which looks at one request a connection.
    pub fn direct_name(&self) -> &str {
        &self.address
    }

    /// Breaks requests, and knows which there were.
    pub fn proxy(&self) -> &FaultProxy {
        &self.proxy
    }

    /// The digest of a tag, `sha256:…`; `None` if there is none.
    pub fn digest(&self, name: &str, tag: &str) -> Option<String> {
        let headers = self.ask("HEAD", &format!("/v2/{name}/manifests/{tag}"), "", b"");
        header(&headers, "Docker-Content-Digest")
    }

    /// Puts an image without layers, which differs from others by its label; gives its digest.
    pub fn put(&self, name: &str, tag: &str, label: &str) -> String {
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {"Labels": {"label": label}},
            "rootfs": {"type": "layers", "diff_ids": []},
        });
        let config = config.to_string();
        let digest = format!("sha256:{}", hex(&Sha256::digest(&config)));
        let upload = self.ask("POST", &format!("/v2/{name}/blobs/uploads/"), "", b"");
        let place = header(&upload, "Location").expect("a place for the blob");
        let start = place.find("/v2/").expect("a path");
        let place = format!("{}&digest={digest}", &place[start..]);
        self.ask("PUT", &place, "application/octet-stream", config.as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(), "digest": digest,
            },
        });
        let path = format!("/v2/{name}/manifests/{tag}");
        self.ask("PUT", &path, MANIFEST, manifest.to_string().as_bytes());
        self.digest(name, tag).expect("the image")
    }

    /// One request; gives the answer's head.
    fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> String {
        let mut connection = TcpStream::connect(&self.address).expect("reach the registry");
        let (user, password) = REGISTRY_USER;
        let login = STANDARD.encode(format!("{user}:{password}"));
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Basic {login}\r\n\
             Accept: {MANIFEST}\r\nAccept: application/vnd.oci.image.manifest.v1+json\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        connection.write_all(head.as_bytes()).expect("ask");
        connection.write_all(body).expect("ask");
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let end = answer.find("\r\n\r\n").unwrap_or(answer.len());
        answer[..end].to_owned()
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}
