//! How long a client of Kubernetes waits for its exec plugin.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::figure::{Figure, median};
use crate::process::{binary, time};

const RUNS: usize = 50;

/// gcloud's plugin.
const PEER: &str = "gke-gcloud-auth-plugin";

/// From start to end, with the token in the cache; gcloud's plugin, from Application Default
/// Credentials as well, beside it where it is installed.
pub(crate) fn measure() -> Outcome<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let server = TcpListener::bind(("127.0.0.1", 0))?;
    let address = server.local_addr()?.to_string();
    std::thread::spawn(move || {
        for mut connection in server.incoming().flatten() {
            // Who goes away needs no answer.
            let _ = answer(&mut connection);
        }
    });
    let plugin = |program: &Path, argument: &str| {
        let mut command = Command::new(program);
        command.arg(argument).env_clear().env("HOME", folder.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("KUBECONFIG", folder.path().join("config"));
        command.env("GCE_METADATA_HOST", &address);
        let info = r#"{"apiVersion": "client.authentication.k8s.io/v1beta1",
            "kind": "ExecCredential", "spec": {"interactive": false}}"#;
        command.env("KUBERNETES_EXEC_INFO", info);
        // The first run asks for the token.
        time(&mut command)?;
        let times = (0..RUNS).map(|_| time(&mut command));
        Ok::<_, Box<dyn std::error::Error>>(median(times.collect::<Outcome<Vec<_>>>()?))
    };
    let own = plugin(&binary("kubeconfig-setup")?, "token")?;
    let what = format!("`kubeconfig-setup token` from the cache, median of {RUNS}");
    let mut figures = vec![Figure::milliseconds(what, own).at_most(10.0)];
    let is_there = Command::new(PEER).arg("--version").output().is_ok();
    if is_there {
        let peer = plugin(Path::new(PEER), "--use_application_default_credentials")?;
        let what = format!("`{PEER}`, the same from a metadata server on this machine");
        figures.push(Figure::milliseconds(what, peer));
    }
    Ok(figures)
}

/// As the metadata server of a machine at Google.
fn answer(connection: &mut TcpStream) -> std::io::Result<()> {
    let mut request = BufReader::new(connection.try_clone()?);
    let mut line = String::new();
    request.read_line(&mut line)?;
    let mut header = String::new();
    while request.read_line(&mut header)? > 2 {
        header.clear();
    }
    let body = if line.contains("/token") {
        r#"{"access_token": "ya29.bench", "expires_in": 3599, "token_type": "Bearer"}"#
    } else {
        "project"
    };
    let length = body.len();
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nMetadata-Flavor: Google\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
