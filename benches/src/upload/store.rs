//! A real object store, in memory. It slows down as objects pile up: each program gets its own.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

pub(crate) struct Store {
    server: Child,
    address: String,
}

impl Store {
    /// Starts it, with the bucket `bench`.
    pub(crate) fn start() -> Outcome<Self> {
        let program =
            std::env::var("OBJECT_STORE").map_err(|_| "OBJECT_STORE: run `make bench`")?;
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let (url, port) = (format!("http://{address}"), address.port().to_string());
        let server = Command::new(Path::new(&program))
            .args([
                "-backend",
                "memory",
                "-scheme",
                "http",
                "-log-level",
                "error",
            ])
            .args(["-host", "127.0.0.1", "-port", &port, "-external-url", &url])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let address = address.to_string();
        let store = Store { server, address };
        store.make_bucket()?;
        Ok(store)
    }

    /// `http://HOST:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where its JSON API begins.
    pub(crate) fn api(&self) -> String {
        format!("{}/storage/v1/", self.url())
    }

    fn make_bucket(&self) -> Outcome<()> {
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&self.address).is_err() {
            if Instant::now() > end {
                return Err("the object store does not start".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let body = r#"{"name": "bench"}"#;
        let head = format!(
            "POST /storage/v1/b HTTP/1.0\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut connection = TcpStream::connect(&self.address)?;
        std::io::Write::write_all(&mut connection, head.as_bytes())?;
        let answer = std::io::read_to_string(connection)?;
        if answer.contains(" 200 ") {
            return Ok(());
        }
        Err(format!("the object store makes no bucket: {answer}").into())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
