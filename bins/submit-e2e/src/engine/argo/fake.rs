//! An API server for the answers that a real one does not give on demand.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::client::Cluster;

/// What is answered to one request.
pub(super) enum Answer {
    /// Status, more headers, body.
    Whole(u16, &'static str, String),
    /// These pieces, then the connection ends as a stream does that has no length.
    Lines(Vec<String>),
    /// Nothing: the connection breaks.
    Break,
    /// These pieces, and then nothing for a long time.
    Hang(Vec<String>),
}

/// Answers requests in their order; gives the request lines when it is asked for them.
pub(super) struct Fake {
    server: JoinHandle<Vec<String>>,
    pub(super) cluster: Cluster,
}

impl Fake {
    pub(super) async fn start(answers: Vec<Answer>) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut config = kube::Config::new(url.parse().unwrap());
        config.default_namespace = "ci".to_owned();
        Fake {
            server: tokio::spawn(serve(listener, answers)),
            cluster: Cluster::of(config).unwrap(),
        }
    }

    /// The requests, once all answers were given.
    pub(super) async fn requests(self) -> Vec<String> {
        self.server.await.unwrap()
    }
}

async fn serve(listener: TcpListener, answers: Vec<Answer>) -> Vec<String> {
    let mut requests = Vec::new();
    let mut hanging = Vec::new();
    for answer in answers {
        let (mut stream, _) = listener.accept().await.unwrap();
        requests.push(request_line(&mut stream).await);
        match answer {
            Answer::Break => {}
            Answer::Whole(code, headers, body) => {
                let length = body.len();
                let text = format!(
                    "HTTP/1.1 {code} x\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
                );
                stream.write_all(text.as_bytes()).await.unwrap();
            }
            Answer::Lines(lines) => send(&mut stream, lines).await,
            Answer::Hang(lines) => {
                send(&mut stream, lines).await;
                hanging.push(stream);
            }
        }
    }
    requests
}

async fn send(stream: &mut TcpStream, lines: Vec<String>) {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for line in lines {
        stream.write_all(line.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        // So that it arrives in pieces.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Reads a request; gives method and target.
async fn request_line(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let length = stream.read(&mut piece).await.unwrap();
        bytes.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert!(length > 0, "a request without end: {text}");
            continue;
        };
        let wanted = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if wanted.map_or(0, |wanted| wanted.parse().unwrap()) <= body.len() {
            let line = head.lines().next().unwrap();
            return line.trim_end_matches(" HTTP/1.1").to_owned();
        }
    }
}
