//! A proxy on loopback that does to connections what networks and overloaded servers do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// What happens to one connection. Bytes are counted on the way from the server, or, for an
/// upload, on the way to it.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing.
    Pass,
    /// It is closed as soon as it is open.
    Close,
    /// An HTTP request gets this answer, from `HTTP/1.1` on; the server hears nothing of it.
    Answer(String),
    /// It is closed after this many bytes.
    CutAfter(usize),
    /// Nothing more arrives after this many bytes; it stays open until the client closes it.
    StallAfter(usize),
    /// A piece of so many bytes arrives every 10 ms.
    Slow(usize),
    /// The server is reached by this many bytes; then the connection is closed.
    CutUploadAfter(usize),
    /// The server is reached by this many bytes; then nobody reads what is sent, until the
    /// client closes.
    StallUploadAfter(usize),
    /// The server reads a piece of so many bytes every 10 ms.
    SlowUpload(usize),
}

impl Fault {
    /// `503 Service Unavailable`.
    pub fn unavailable() -> Self {
        Fault::Answer(empty("503 Service Unavailable", ""))
    }

    /// `401 Unauthorized`: a token that has expired.
    pub fn unauthorized() -> Self {
        Fault::Answer(empty("401 Unauthorized", ""))
    }

    /// `403 Forbidden`.
    pub fn forbidden() -> Self {
        Fault::Answer(empty("403 Forbidden", ""))
    }

    /// The server has done what was asked, and its answer is lost.
    pub fn lost_answer() -> Self {
        Fault::CutAfter(1)
    }

    /// `429 Too Many Requests`, with the seconds after which to try again.
    pub fn too_many_requests(retry_after: u32) -> Self {
        let header = format!("Retry-After: {retry_after}\r\n");
        Fault::Answer(empty("429 Too Many Requests", &header))
    }
}

fn empty(status: &str, header: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{header}Content-Length: 0\r\nConnection: close\r\n\r\n")
}

/// Stands before a server; it ends when dropped.
pub struct FaultProxy {
    address: String,
    state: Arc<State>,
}

struct State {
    server: String,
    /// The faults of the next connections, and that of all that follow.
    script: Mutex<(std::vec::IntoIter<Fault>, Fault)>,
    /// Where it looks at requests: what was asked so far, and the faults of some.
    requests: Option<Mutex<Requests>>,
    connections: AtomicUsize,
    /// The clients' ends of what is open, or was.
    clients: Mutex<Vec<Weak<TcpStream>>>,
    ended: AtomicBool,
}

#[derive(Default)]
struct Requests {
    seen: Vec<String>,
    rules: Vec<Rule>,
}

/// The requests whose first line holds all of these words meet these faults, one after the
/// other.
struct Rule {
    words: Vec<String>,
    faults: Box<dyn Iterator<Item = Fault> + Send>,
}

impl FaultProxy {
    /// Stands before a server (`HOST:PORT`). The first connections meet these faults, in the
    /// order in which they are opened; the others pass.
    pub fn start(server: &str, faults: impl IntoIterator<Item = Fault>) -> Self {
        Self::with_script(server, faults.into_iter().collect(), Fault::Pass, None)
    }

    /// Stands before an HTTP server and looks at each request: see [`FaultProxy::on`]. A
    /// connection carries one request.
    pub fn of_requests(server: &str) -> Self {
        let requests = Some(Mutex::default());
        Self::with_script(server, Vec::new(), Fault::Pass, requests)
    }

    /// The next requests whose first line (`POST /path?query HTTP/1.1`) holds all of these
    /// words meet these faults, the others pass. An earlier call goes first.
    pub fn on<I>(&self, words: &[&str], faults: I)
    where
        I: IntoIterator<Item = Fault>,
        I::IntoIter: Send + 'static,
    {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        let faults = Box::new(faults.into_iter());
        let rule = Rule { words, faults };
        self.state
            .with_requests(|requests| requests.rules.push(rule));
    }

    /// The first lines of the requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.state.with_requests(|requests| requests.seen.clone())
    }

    /// Every connection meets this fault.
    pub fn always(server: &str, fault: Fault) -> Self {
        Self::with_script(server, Vec::new(), fault, None)
    }

    /// Stands before a server at another address of this machine, and does nothing to it.
    pub fn at(host: &str, server: &str) -> Self {
        Self::listening(host, server, Vec::new(), Fault::Pass, None)
    }

    fn with_script(
        server: &str,
        first: Vec<Fault>,
        then: Fault,
        requests: Option<Mutex<Requests>>,
    ) -> Self {
        Self::listening("127.0.0.1", server, first, then, requests)
    }

    fn listening(
        host: &str,
        server: &str,
        first: Vec<Fault>,
        then: Fault,
        requests: Option<Mutex<Requests>>,
    ) -> Self {
        let listener = TcpListener::bind((host, 0)).expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let state = Arc::new(State {
            server: server.to_owned(),
            script: Mutex::new((first.into_iter(), then)),
            requests,
            connections: AtomicUsize::new(0),
            clients: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.ended.load(Ordering::SeqCst) {
                    break;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let fault = shared.next();
                let shared = shared.clone();
                thread::spawn(move || shared.connect(client, fault));
            }
        });
        FaultProxy { address, state }
    }

    /// `HOST:PORT`; the host is 127.0.0.1 but for [`FaultProxy::at`].
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `SCHEME://HOST:PORT`.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// From now on the next connections meet these faults, and the others pass.
    pub fn set(&self, faults: impl IntoIterator<Item = Fault>) {
        let faults: Vec<Fault> = faults.into_iter().collect();
        *self.state.lock() = (faults.into_iter(), Fault::Pass);
    }

    /// Cuts every connection that is open. What follows is not touched.
    pub fn cut(&self) {
        let clients = std::mem::take(&mut *self.state.clients());
        for client in clients.iter().filter_map(Weak::upgrade) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(&self.address);
    }
}

impl State {
    fn lock(&self) -> std::sync::MutexGuard<'_, (std::vec::IntoIter<Fault>, Fault)> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, Vec<Weak<TcpStream>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a connection, for as long as it is open.
    fn keep(&self, client: &Arc<TcpStream>) {
        let mut clients = self.clients();
        clients.retain(|client| client.strong_count() > 0);
        clients.push(Arc::downgrade(client));
    }

    fn next(&self) -> Fault {
        let mut script = self.lock();
        script.0.next().unwrap_or_else(|| script.1.clone())
    }

    fn with_requests<T>(&self, work: impl FnOnce(&mut Requests) -> T) -> T {
        let requests = self.requests.as_ref().expect("a proxy of requests");
        work(&mut requests.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn connect(&self, mut client: TcpStream, mut fault: Fault) {
        let mut head = Vec::new();
        if self.requests.is_some() {
            head = with_one_request(&read_head(&mut client));
            if head.is_empty() {
                return;
            }
            let text = String::from_utf8_lossy(&head);
            let line = text.lines().next().unwrap_or_default();
            fault = self.with_requests(|requests| requests.take(line));
        }
        match fault {
            Fault::Close => return,
            Fault::Answer(text) => {
                if head.is_empty() {
                    read_head(&mut client);
                }
                let _ = client.write_all(text.as_bytes());
                let _ = client.shutdown(Shutdown::Write);
                // Closing while the client still sends would reset the connection, and the
                // client would not see the answer.
                drain(&mut client);
                return;
            }
            _ => {}
        }
        let Ok(mut server) = TcpStream::connect(&self.server) else {
            return;
        };
        let (Ok(to_server), Ok(from_client)) = (server.try_clone(), client.try_clone()) else {
            return;
        };
        if server.write_all(&head).is_err() {
            return;
        }
        let client = Arc::new(client);
        self.keep(&client);
        let (up_fault, down_fault) = match fault {
            Fault::CutUploadAfter(bytes) => (Fault::CutAfter(bytes), Fault::Pass),
            Fault::StallUploadAfter(bytes) => (Fault::StallAfter(bytes), Fault::Pass),
            Fault::SlowUpload(bytes) => (Fault::Slow(bytes), Fault::Pass),
            fault => (Fault::Pass, fault),
        };
        let up = thread::spawn(move || upload(from_client, &to_server, &up_fault));
        copy(server, &client, &down_fault);
        if matches!(down_fault, Fault::CutAfter(_)) {
            let _ = client.shutdown(Shutdown::Both);
        }
        // One that stalls stays open on both sides until the client gives up.
        let _ = up.join();
    }
}

impl Requests {
    fn take(&mut self, line: &str) -> Fault {
        self.seen.push(line.to_owned());
        let mut rules = self.rules.iter_mut();
        let fault = rules.find_map(|rule| {
            let matches = rule.words.iter().all(|word| line.contains(word));
            if matches { rule.faults.next() } else { None }
        });
        fault.unwrap_or(Fault::Pass)
    }
}

/// The way to the server.
fn upload(mut from: TcpStream, to: &TcpStream, fault: &Fault) {
    let Fault::StallAfter(bytes) = *fault else {
        copy(from, to, fault);
        if matches!(fault, Fault::CutAfter(_)) {
            let _ = to.shutdown(Shutdown::Both);
        }
        return;
    };
    let mut buffer = vec![0; bytes];
    if from.read_exact(&mut buffer).is_ok() {
        let mut to = to;
        let _ = to.write_all(&buffer);
        // Nobody reads, so nobody may hear that the client has given up: it ends in any case.
        let end = Instant::now() + Duration::from_mins(1);
        while !matches!(from.peek(&mut [0]), Ok(0) | Err(_)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(50));
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// The head with `Connection: close`, so that the next request opens a connection of its own.
fn with_one_request(head: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(head);
    let mut lines: Vec<_> = text
        .trim_end()
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:"))
        .collect();
    if lines.is_empty() {
        return Vec::new();
    }
    lines.push("Connection: close\r\n\r\n");
    lines.join("\r\n").into_bytes()
}

/// Copies until an end or the fault; then the receiver is told that nothing more comes, unless
/// it is to be left waiting.
fn copy(mut from: TcpStream, mut to: &TcpStream, fault: &Fault) {
    let mut left = match fault {
        Fault::CutAfter(bytes) | Fault::StallAfter(bytes) => *bytes,
        _ => usize::MAX,
    };
    let piece = match fault {
        Fault::Slow(bytes) => *bytes,
        _ => 64 * 1024,
    };
    let mut buffer = vec![0; piece.max(1)];
    while left > 0 {
        let room = left.min(buffer.len());
        let Ok(read @ 1..) = from.read(&mut buffer[..room]) else {
            let _ = to.shutdown(Shutdown::Write);
            return;
        };
        if to.write_all(&buffer[..read]).is_err() {
            let _ = from.shutdown(Shutdown::Both);
            return;
        }
        left -= read;
        if matches!(fault, Fault::Slow(_)) {
            thread::sleep(Duration::from_millis(10));
        }
    }
    if matches!(fault, Fault::CutAfter(_)) {
        let _ = from.shutdown(Shutdown::Both);
    }
}

/// Reads the head of an HTTP request; empty if the client goes away before its end.
fn read_head(client: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 64 * 1024 {
        match client.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return Vec::new(),
        }
    }
    head
}

/// Reads until the client closes.
fn drain(client: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(1..) = client.read(&mut buffer) {}
}
