//! A server that takes uploads as Google Cloud Storage does and keeps only their checksums.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// It serves until the program ends.
pub(crate) struct Sink(SocketAddr);

/// Size and CRC32C of the objects so far, by name.
type Objects = Arc<Mutex<HashMap<String, (u64, u32)>>>;

impl Sink {
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let objects = Objects::default();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let objects = objects.clone();
                // A client that goes away ends its connection only.
                std::thread::spawn(move || while_open(&connection, &objects));
            }
        });
        Ok(Sink(address))
    }

    /// `http://HOST:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0)
    }
}

fn while_open(connection: &TcpStream, objects: &Objects) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 18, connection);
    while answer(&mut reader, connection, objects)? {}
    Ok(())
}

/// Answers one request; false when there is none any more.
fn answer(
    reader: &mut BufReader<&TcpStream>,
    mut connection: &TcpStream,
    objects: &Objects,
) -> io::Result<bool> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(false);
        }
    }
    let header = |name: &str| {
        let mut lines = head.lines().map(str::to_lowercase);
        lines.find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
    };
    let length = header("content-length:").and_then(|length| length.parse().ok());
    let range = header("content-range:").unwrap_or_default();
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let body = reader.take(length.unwrap_or(0));
    let (mut status, mut location) = ("200 OK", String::new());
    let object = match method {
        // An image registry in which nothing is.
        "HEAD" => {
            connection.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(true);
        }
        "PUT" => {
            let name = target.rsplit("session=").next().unwrap_or("").to_owned();
            let before = part_before(&name, &range, objects);
            let (size, crc32c) = sum(body, before)?;
            if range.ends_with("/*") {
                status = "308 Resume Incomplete";
                location = format!("Range: bytes=0-{}\r\n", size.saturating_sub(1));
            }
            Some((name, (size, crc32c)))
        }
        "POST" if target.ends_with("/builds") => {
            read(body)?;
            let started = json!({"metadata": {"build": {"id": "1", "status": "QUEUED"}}});
            let (started, length) = (started.to_string(), started.to_string().len());
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{started}");
            connection.write_all(text.as_bytes())?;
            return Ok(true);
        }
        "POST" if target.contains("uploadType=resumable") => {
            let name = parse(&read(body)?)["name"]
                .as_str()
                .unwrap_or("")
                .to_owned();
            location = format!("Location: http://sink/upload?session={name}\r\n");
            None
        }
        "POST" if target.contains("/compose?") => Some(compose(&parse(&read(body)?), objects)),
        "POST" => Some(multipart(&read(body)?)),
        _ => None,
    };
    let json = object.map_or_else(
        || json!({}),
        |(name, (size, crc32c))| {
            let objects = &mut objects.lock().unwrap_or_else(PoisonError::into_inner);
            objects.insert(name.clone(), (size, crc32c));
            let crc32c = STANDARD.encode(crc32c.to_be_bytes());
            json!({"name": name, "size": size.to_string(), "crc32c": crc32c, "generation": "1"})
        },
    );
    let json = json.to_string();
    let length = json.len();
    let text = format!("HTTP/1.1 {status}\r\n{location}Content-Length: {length}\r\n\r\n{json}");
    connection.write_all(text.as_bytes())?;
    Ok(true)
}

fn read(mut body: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    body.read_to_end(&mut content)?;
    Ok(content)
}

/// What a session has got so far: a part that does not begin at 0 continues it.
fn part_before(name: &str, range: &str, objects: &Objects) -> (u64, u32) {
    let objects = objects.lock().unwrap_or_else(PoisonError::into_inner);
    match objects.get(name) {
        Some(before) if !range.starts_with("bytes 0-") => *before,
        _ => (0, 0),
    }
}

fn sum(mut body: impl Read, before: (u64, u32)) -> io::Result<(u64, u32)> {
    let mut block = vec![0; 1 << 18];
    let (mut size, mut crc32c) = before;
    loop {
        match body.read(&mut block)? {
            0 => return Ok((size, crc32c)),
            read => {
                size += read as u64;
                crc32c = crc32c::crc32c_append(crc32c, &block[..read]);
            }
        }
    }
}

fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_default()
}

/// Description and content, each behind an empty line and before a line with two dashes.
fn multipart(body: &[u8]) -> (String, (u64, u32)) {
    let find = |what: &[u8], from: usize| {
        let found = body[from..]
            .windows(what.len())
            .position(|window| window == what);
        found.map_or(body.len(), |at| from + at)
    };
    let description = (find(b"\r\n\r\n", 0) + 4).min(body.len());
    let end = find(b"\r\n--", description);
    let content = (find(b"\r\n\r\n", end) + 4).min(body.len());
    let last = body.windows(4).rposition(|window| window == b"\r\n--");
    let content = &body[content..last.unwrap_or(body.len()).max(content)];
    let object = parse(&body[description..end]);
    let name = object["name"].as_str().unwrap_or("").to_owned();
    (name, (content.len() as u64, crc32c::crc32c(content)))
}

fn compose(request: &Value, objects: &Objects) -> (String, (u64, u32)) {
    let objects = objects.lock().unwrap_or_else(PoisonError::into_inner);
    let sources = request["sourceObjects"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let parts = sources
        .iter()
        .filter_map(|part| objects.get(part["name"].as_str()?));
    let whole = parts.fold((0, 0), |(size, crc32c), (more, other)| {
        let length = usize::try_from(*more).unwrap_or_default();
        (size + more, crc32c::crc32c_combine(crc32c, *other, length))
    });
    let name = request["destination"]["name"].as_str().unwrap_or("");
    (name.to_owned(), whole)
}
