//! HTTPS before one of the servers, with a certificate that nobody knows.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::{Running, TestEnvironment};

/// Takes TLS on a free port and passes on what is in it.
const SCRIPT: &str = r#"
import select, socket, ssl, sys, threading

def serve(raw):
    try:
        client = context.wrap_socket(raw, server_side=True)
    except OSError:
        return
    server = socket.create_connection((host, int(port)))
    with client, server:
        while True:
            ready = [client] if client.pending() else select.select([client, server], [], [])[0]
            for source in ready:
                try:
                    data = source.recv(65536)
                    (server if source is client else client).sendall(data)
                except OSError:
                    data = b""
                if not data:
                    return

certificate, key, host, port = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
"#;

/// Python with a certificate of openssl's; ends when dropped.
pub struct TlsProxy {
    _proxy: Running,
    port: u16,
    certificate: PathBuf,
}

impl TlsProxy {
    /// Starts one before a server at `HOST:PORT`.
    pub fn start(environment: &TestEnvironment, target: &str) -> Self {
        let certificate = environment.path().join("tls-certificate.pem");
        let key = environment.path().join("tls-key.pem");
        let made = environment
            .command(Path::new("openssl"))
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args([
                "-subj",
                "/CN=test",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ])
            .arg("-out")
            .arg(&certificate)
            .arg("-keyout")
            .arg(&key)
            .stderr(Stdio::null())
            .status()
            .expect("openssl has to be installed");
        assert!(made.success(), "openssl: {made}");
        let (host, port) = target.split_once(':').expect("HOST:PORT");
        let mut proxy = Running::start(
            environment
                .command(Path::new("python3"))
                .args(["-c", SCRIPT])
                .args([&certificate, &key])
                .args([host, port])
                .stdout(Stdio::piped()),
        );
        let mut line = String::new();
        let stdout = proxy.stdout.take().expect("its output");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("its port");
        TlsProxy {
            _proxy: proxy,
            port: line.trim().parse().expect("its port"),
            certificate,
        }
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The certificate, which is its own authority.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }
}
