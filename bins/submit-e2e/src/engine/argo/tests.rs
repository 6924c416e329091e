//! What a real API server does not do on demand.

use common::job::{Job, JobType};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, timeout};

use super::fake::{Answer, Fake};
use super::feed::{Feed, News, Selector};
use super::identity::Run;
use super::resource::Resource;
use super::submit::Order;

fn object(name: &str, phase: &str, version: &str) -> Value {
    json!({"metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": version},
        "status": {"phase": phase}})
}

fn list(items: &[Value], version: &str, token: &str) -> Answer {
    let metadata = json!({"resourceVersion": version, "continue": token});
    Answer::Whole(
        200,
        "",
        json!({"metadata": metadata, "items": items}).to_string(),
    )
}

fn event(kind: &str, object: &Value) -> String {
    json!({"type": kind, "object": object}).to_string() + "\n"
}

fn expired() -> Value {
    json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"})
}

fn feed() -> Feed {
    let resource = Resource::workflows("ci").unwrap();
    Feed::new(resource, Selector::Label("submit-e2e/run=1".to_owned()))
}

/// The news of a feed until there are so many, in short.
async fn news(fake: &Fake, feed: Feed, count: usize) -> Vec<String> {
    let (sender, mut news) = mpsc::channel(1);
    let told = async {
        let mut told = Vec::new();
        while told.len() < count {
            told.push(match news.recv().await.unwrap() {
                News::Object {
                    seen,
                    is_deleted,
                    whole,
                    ..
                } => {
                    let whole = if whole.is_some() { " whole" } else { "" };
                    let deleted = if is_deleted { " deleted" } else { "" };
                    format!("{} {}{deleted}{whole}", seen.name, seen.status.phase)
                }
                News::All { uids, .. } => format!("all {}", uids.len()),
                News::Lost(error) => error.report(),
            });
        }
        told
    };
    let both = async {
        tokio::select! {
            told = told => told,
            () = feed.run(&fake.cluster, sender) => panic!("the feed ended"),
        }
    };
    timeout(Duration::from_secs(20), both).await.unwrap()
}

#[tokio::test]
async fn a_watch_that_breaks_is_resumed_and_one_that_is_too_old_is_replaced_by_a_list() {
    let line = event("MODIFIED", &object("w", "Running", "6"));
    let (start, rest) = line.split_at(20);
    let fake = Fake::start(vec![
        list(&[], "5", ""),
        // Two pieces of one line, then a line that is cut: it is no line.
        Answer::Lines(vec![
            start.to_owned(),
            rest.to_owned(),
            "{\"type\":\"MODI".to_owned(),
        ]),
        Answer::Break,
        Answer::Lines(vec![event("ERROR", &expired())]),
        list(&[object("w", "Running", "7")], "8", "next"),
        list(&[object("v", "Failed", "7")], "9", ""),
        Answer::Hang(vec![
            event("BOOKMARK", &json!({"metadata": {"resourceVersion": "10"}})),
            event("DELETED", &object("w", "Running", "11")),
        ]),
    ])
    .await;
    let mut feed = feed();
    let until = Instant::now() + Duration::from_secs(5);
    assert!(
        feed.existing(&fake.cluster, until)
            .await
            .unwrap()
            .is_empty()
    );
    let told = news(&fake, feed, 5).await;
    assert_eq!(
        told,
        [
            "w Running",
            "w Running",
            "v Failed whole",
            "all 2",
            "w Running deleted whole"
        ]
    );
    let requests = fake.requests().await;
    let versions: Vec<_> = requests
        .iter()
        .filter(|line| line.contains("watch=true"))
        .map(|line| {
            line.split("resourceVersion=")
                .nth(1)
                .unwrap()
                .split('&')
                .next()
                .unwrap()
        })
        .collect();
    assert_eq!(versions, ["5", "6", "6", "9"], "{requests:?}");
}

#[tokio::test]
async fn a_watch_that_is_refused_as_too_old_is_replaced_by_a_list() {
    let fake = Fake::start(vec![
        list(&[], "5", ""),
        Answer::Whole(410, "", expired().to_string()),
        list(&[object("w", "Succeeded", "7")], "8", ""),
        Answer::Hang(Vec::new()),
    ])
    .await;
    let mut feed = feed();
    let until = Instant::now() + Duration::from_secs(5);
    feed.existing(&fake.cluster, until).await.unwrap();
    assert_eq!(news(&fake, feed, 2).await, ["w Succeeded whole", "all 1"]);
}

#[tokio::test]
async fn a_server_that_is_overloaded_is_left_alone_as_long_as_it_asks_for() {
    let fake = Fake::start(vec![
        Answer::Whole(429, "retry-after: 1\r\n", "Too many requests".to_owned()),
        Answer::Whole(502, "", "<html>bad gateway</html>".to_owned()),
        list(&[], "5", ""),
    ])
    .await;
    let started = Instant::now();
    let until = started + Duration::from_secs(10);
    feed().existing(&fake.cluster, until).await.unwrap();
    assert!(started.elapsed() > Duration::from_secs(1));
    assert_eq!(fake.requests().await.len(), 3);
}

#[tokio::test]
async fn a_right_that_is_missing_is_asked_for_once() {
    let body =
        json!({"kind": "Status", "code": 403, "message": "forbidden: User \"x\" cannot list"});
    let fake = Fake::start(vec![Answer::Whole(403, "", body.to_string())]).await;
    let until = Instant::now() + Duration::from_secs(10);
    let fault = feed().existing(&fake.cluster, until).await.unwrap_err();
    assert!(fault.is_denied());
    assert_eq!(fake.requests().await.len(), 1);
}

fn run() -> Run {
    Run::of(&Job {
        job_type: JobType::Periodic,
        name: "e2e".to_owned(),
        build_id: "7".to_owned(),
        prow_job_id: "a-b".to_owned(),
        refs: None,
        extra_refs: Vec::new(),
    })
}

fn order() -> Order {
    let manifest = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
        "metadata": {"name": "w"}});
    Order::new("e2e", &manifest, &run(), "ci").unwrap()
}

fn conflict() -> Answer {
    let body =
        json!({"kind": "Status", "code": 409, "reason": "AlreadyExists", "message": "exists"});
    Answer::Whole(409, "", body.to_string())
}

#[tokio::test]
async fn an_answer_that_was_lost_creates_nothing_twice() {
    let mut there = order().manifest;
    there["metadata"]["uid"] = "u".into();
    let fake = Fake::start(vec![
        Answer::Break,
        conflict(),
        Answer::Whole(200, "", there.to_string()),
    ])
    .await;
    let until = Instant::now() + Duration::from_secs(10);
    let seen = order().create(&fake.cluster, &run(), until).await.unwrap();
    assert_eq!(seen.uid, "u");
    let requests = fake.requests().await;
    let path = "/apis/argoproj.io/v1alpha1/namespaces/ci/workflows";
    assert!(
        requests[0].starts_with(&format!("POST {path}?")),
        "{requests:?}"
    );
    assert_eq!(requests[2], format!("GET {path}/w"));
}

#[tokio::test]
async fn an_object_of_somebody_else_is_not_taken() {
    let other = object("w", "Running", "1");
    let fake = Fake::start(vec![conflict(), Answer::Whole(200, "", other.to_string())]).await;
    let until = Instant::now() + Duration::from_secs(10);
    let error = order()
        .create(&fake.cluster, &run(), until)
        .await
        .unwrap_err();
    assert!(
        error.report().contains("it is not of this build"),
        "{}",
        error.report()
    );
}
