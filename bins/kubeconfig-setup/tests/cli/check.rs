//! `check`, against an API server at the wire: which file it reads, and what a busy server is told
//! as. A real one is in `on_cluster`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use e2e::http::{self, HttpServer, Request};
use e2e::{TestEnvironment, text};
use serde_json::{Value, json};

/// Knows the user and allows everything; the first requests are refused so, `429` with the seconds
/// to wait.
fn api_server(refused: usize, wait: &'static str) -> HttpServer {
    let count = AtomicUsize::new(0);
    HttpServer::start(Arc::new(move |request: &Request, connection| {
        let json = ("Content-Type", "application/json");
        if count.fetch_add(1, Ordering::SeqCst) < refused {
            let body = json!({"kind": "Status", "status": "Failure", "code": 429,
                "reason": "TooManyRequests", "message": "too many requests, please try again later"});
            let headers = [json, ("Retry-After", wait)];
            let body = body.to_string();
            return http::answer(
                connection,
                "429 Too Many Requests",
                &headers,
                body.as_bytes(),
            );
        }
        let mut review: Value = serde_json::from_slice(&request.body).unwrap();
        review["status"] = if request.path.ends_with("/selfsubjectreviews") {
            json!({"userInfo": {"username": "ci", "groups": []}})
        } else {
            json!({"allowed": true})
        };
        http::answer(
            connection,
            "201 Created",
            &[json],
            review.to_string().as_bytes(),
        )
    }))
}

fn cluster(server: &HttpServer) -> Value {
    json!({"clusters": [{"name": "c", "cluster": {"server": server.url()}}]})
}

fn rest() -> Value {
    json!({
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    })
}

#[test]
fn all_files_of_the_variable_count_as_one() {
    let (environment, server) = (TestEnvironment::new(), api_server(0, ""));
    environment.write("a", rest().to_string());
    environment.write("b", cluster(&server).to_string());
    let mut command = crate::support::command(&environment);
    let output = command
        .args(["check", "--can=create pods"])
        .env("KUBECONFIG", "a:missing:b")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("user       ci"));
}

#[test]
fn a_busy_server_is_waited_for_and_its_last_word_is_told() {
    let environment = TestEnvironment::new();
    for (refused, wait, code) in [(2, "1", 0), (usize::MAX, "60", 75)] {
        let server = api_server(refused, wait);
        let mut file = rest();
        file["clusters"] = cluster(&server)["clusters"].clone();
        environment.write("k", file.to_string());
        let mut command = crate::support::command(&environment);
        command.args(["check", "--can=create pods", "--kubeconfig=k"]);
        let output = command.output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        if code == 75 {
            assert!(
                error.contains("429 Too Many Requests: too many requests"),
                "{error}"
            );
            assert!(!error.contains("private cluster"), "{error}");
        }
    }
}
