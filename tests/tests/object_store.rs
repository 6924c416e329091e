//! The object store of the harness and its proxy do what tests rely on.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute only, not their helpers"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use e2e::{Fault, ObjectStore, text};

/// One request; gives the answer with its head, as far as it arrived.
fn ask(url: &str, method: &str, path: &str, body: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    connection
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut answer = Vec::new();
    let _ = connection.write_all(head.as_bytes());
    let _ = connection.write_all(body.as_bytes());
    let _ = connection.read_to_end(&mut answer);
    text(&answer)
}

const UPLOAD: &str = "/upload/storage/v1/b/bucket/o?uploadType=media&name=";

#[test]
fn objects_are_written_listed_and_read() {
    let store = ObjectStore::start();
    assert_eq!(store.make_bucket("bucket"), "gs://bucket");
    store.write("bucket", "a/b #ü", b"content");
    store.write("bucket", "other", b"");
    let objects = store.objects("bucket", "a/");
    assert_eq!(objects.len(), 1);
    assert_eq!((objects[0].name(), objects[0].size()), ("a/b #ü", 7));
    assert_eq!(store.read("bucket", "a/b #ü").unwrap(), b"content");
    assert_eq!(store.read("bucket", "missing"), None);
}

#[test]
fn a_session_that_resumes_stays_behind_the_proxy() {
    let store = ObjectStore::start();
    store.make_bucket("bucket");
    let path = "/upload/storage/v1/b/bucket/o?uploadType=resumable&name=x";
    let answer = ask(&store.url(), "POST", path, "{}");
    let location = answer
        .lines()
        .find_map(|line| line.strip_prefix("Location: "));
    assert!(location.unwrap().starts_with(&store.url()), "{answer}");
}

#[test]
fn faults_meet_the_requests_they_are_meant_for() {
    let store = ObjectStore::start();
    store.make_bucket("bucket");
    let upload = |name: &str| ask(&store.url(), "POST", &format!("{UPLOAD}{name}"), "hello");
    let proxy = store.proxy();
    proxy.on(
        &["POST", "name=one"],
        [Fault::unavailable(), Fault::too_many_requests(1)],
    );
    proxy.on(&["POST", "name=lost"], [Fault::lost_answer()]);
    proxy.on(&["POST", "name=cut"], [Fault::CutUploadAfter(3)]);
    proxy.on(&["POST", "name=slow"], [Fault::SlowUpload(1)]);
    proxy.on(&["GET"], std::iter::repeat(Fault::Close));

    assert!(upload("other").starts_with("HTTP/1.1 200"));
    assert!(upload("one").starts_with("HTTP/1.1 503"));
    assert!(upload("one").starts_with("HTTP/1.1 429"));
    assert!(upload("one").starts_with("HTTP/1.1 200"));
    assert!(upload("lost").len() <= 1);
    assert_eq!(store.read("bucket", "lost").unwrap(), b"hello");
    assert_eq!(upload("cut"), "");
    assert_eq!(store.read("bucket", "cut"), None);
    assert!(upload("slow").starts_with("HTTP/1.1 200"));
    for _ in 0..2 {
        assert_eq!(ask(&store.url(), "GET", "/storage/v1/b/bucket/o", ""), "");
    }
    let requests = proxy.requests();
    assert_eq!(requests.len(), 9, "{requests:?}");
    assert!(requests[0].starts_with("POST /upload/"), "{requests:?}");
}
