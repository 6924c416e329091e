//! A proxy on loopback that does to connections what networks and overloaded servers do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// What happens to one connection. Bytes are counted on the way from the server.
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
}

impl Fault {
    /// `503 Service Unavailable`.
    pub fn unavailable() -> Self {
        Fault::Answer(empty("503 Service Unavailable", ""))
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
    connections: AtomicUsize,
    ended: AtomicBool,
}

impl FaultProxy {
    /// Stands before a server (`HOST:PORT`). The first connections meet these faults, in the
    /// order in which they are opened; the others pass.
    pub fn start(server: &str, faults: impl IntoIterator<Item = Fault>) -> Self {
        Self::with_script(server, faults.into_iter().collect(), Fault::Pass)
    }

    /// Every connection meets this fault.
    pub fn always(server: &str, fault: Fault) -> Self {
        Self::with_script(server, Vec::new(), fault)
    }

    fn with_script(server: &str, first: Vec<Fault>, then: Fault) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let state = Arc::new(State {
            server: server.to_owned(),
            script: Mutex::new((first.into_iter(), then)),
            connections: AtomicUsize::new(0),
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

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `SCHEME://127.0.0.1:PORT`.
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

    fn next(&self) -> Fault {
        let mut script = self.lock();
        script.0.next().unwrap_or_else(|| script.1.clone())
    }

    fn connect(&self, mut client: TcpStream, fault: Fault) {
        match fault {
            Fault::Close => return,
            Fault::Answer(text) => {
                read_head(&mut client);
                let _ = client.write_all(text.as_bytes());
                let _ = client.shutdown(Shutdown::Write);
                // Closing while the client still sends would reset the connection, and the
                // client would not see the answer.
                drain(&mut client);
                return;
            }
            Fault::Pass | Fault::CutAfter(_) | Fault::StallAfter(_) | Fault::Slow(_) => {}
        }
        let Ok(server) = TcpStream::connect(&self.server) else {
            return;
        };
        let (Ok(to_server), Ok(from_client)) = (server.try_clone(), client.try_clone()) else {
            return;
        };
        let up = thread::spawn(move || copy(from_client, &to_server, &Fault::Pass));
        copy(server, &client, &fault);
        match fault {
            Fault::CutAfter(_) => {
                let _ = client.shutdown(Shutdown::Both);
            }
            Fault::StallAfter(_) => drain(&mut client),
            _ => {}
        }
        let _ = up.join();
    }
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
    // The server is not left with a client that has stopped to read.
    let _ = from.shutdown(Shutdown::Both);
}

/// Reads the head of an HTTP request.
fn read_head(client: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 64 * 1024 {
        match client.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
}

/// Reads until the client closes.
fn drain(client: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(1..) = client.read(&mut buffer) {}
}
