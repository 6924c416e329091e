//! `token`: where tokens come from, at the wire, and how long they are kept.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute only, not their helpers"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use e2e::http::{self, HttpServer};
use e2e::{TestEnvironment, make_key, text};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use support::command;

/// A server that gives `SECRET-1`, `SECRET-2` …, each good for so many seconds; a path that ends
/// with the account's method is answered as IAM does.
fn tokens(seconds: u64) -> HttpServer {
    let count = AtomicU64::new(0);
    HttpServer::start(Arc::new(move |request, connection| {
        let secret = format!("SECRET-{}", count.fetch_add(1, Ordering::SeqCst) + 1);
        let body = if request.path.ends_with(":generateAccessToken") {
            let end = SystemTime::now() + Duration::from_secs(seconds);
            let end = humantime::format_rfc3339_seconds(end).to_string();
            json!({ "accessToken": secret, "expireTime": end })
        } else {
            json!({ "access_token": secret, "expires_in": seconds, "token_type": "Bearer" })
        };
        let headers = [
            ("Content-Type", "application/json"),
            ("Metadata-Flavor", "Google"),
        ];
        http::answer(connection, "200 OK", &headers, body.to_string().as_bytes())
    }))
}

/// On a machine with this metadata server.
fn at(server: &HttpServer, environment: &TestEnvironment) -> Command {
    let mut command = command(environment);
    command
        .arg("token")
        .env("GCE_METADATA_HOST", server.address());
    command
}

fn answered(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("SECRET"));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["kind"], "ExecCredential");
    answer
}

fn secret(command: &mut Command) -> String {
    let answer = answered(&command.output().unwrap());
    answer["status"]["token"].as_str().unwrap().to_owned()
}

fn cached(environment: &TestEnvironment) -> Vec<PathBuf> {
    let folder = environment.path().join("home/.cache/test-worker/tokens");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|it| it == "json"))
        .collect()
}

#[test]
fn workload_identity_asks_the_metadata_server_once() {
    let (environment, server) = (TestEnvironment::new(), tokens(3599));
    let begun = SystemTime::now();
    let answer = answered(&at(&server, &environment).output().unwrap());
    assert_eq!(answer["apiVersion"], "client.authentication.k8s.io/v1beta1");
    assert_eq!(answer["status"]["token"], "SECRET-1");
    let expires = answer["status"]["expirationTimestamp"].as_str().unwrap();
    let expires = humantime::parse_rfc3339(expires).unwrap();
    assert!(expires > begun + Duration::from_secs(3590));
    assert!(expires < SystemTime::now() + Duration::from_hours(1));
    // From the cache, in the version that is asked for.
    let mut again = at(&server, &environment);
    let info = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "spec": {"cluster": {"server": "https://203.0.113.7"}, "interactive": false}});
    let answer = answered(
        &again
            .env("KUBERNETES_EXEC_INFO", info.to_string())
            .output()
            .unwrap(),
    );
    assert_eq!(answer["apiVersion"], "client.authentication.k8s.io/v1");
    assert_eq!(answer["status"]["token"], "SECRET-1");
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    let path = "/computeMetadata/v1/instance/service-accounts/default/token";
    assert_eq!(requests[0].path, path);
    assert_eq!(requests[0].header("Metadata-Flavor"), Some("Google"));
    assert!(
        requests[0].query.contains("userinfo.email"),
        "{}",
        requests[0].query
    );
}

#[test]
fn the_cache_is_its_users_alone() {
    let (environment, server) = (TestEnvironment::new(), tokens(3599));
    secret(&mut at(&server, &environment));
    let files = cached(&environment);
    assert_eq!(files.len(), 1);
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(files[0].as_path()), 0o600);
    assert_eq!(mode(files[0].parent().unwrap()), 0o700);
    // Whoever could have read it could have written it as well.
    std::fs::set_permissions(&files[0], PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(secret(&mut at(&server, &environment)), "SECRET-2");
}

#[test]
fn a_cache_that_is_broken_or_cannot_be_written_costs_a_request_only() {
    let (environment, server) = (TestEnvironment::new(), tokens(3599));
    secret(&mut at(&server, &environment));
    std::fs::write(&cached(&environment)[0], "{\"identity\": ").unwrap();
    assert_eq!(secret(&mut at(&server, &environment)), "SECRET-2");
    let mut homeless = at(&server, &environment);
    assert_eq!(secret(homeless.env_remove("HOME")), "SECRET-3");
    let file = environment.write("file", "");
    let mut odd = at(&server, &environment);
    assert_eq!(secret(odd.env("XDG_CACHE_HOME", file)), "SECRET-4");
}

#[test]
fn a_token_is_renewed_before_it_expires_and_used_up_where_that_fails() {
    let environment = TestEnvironment::new();
    // Good for less than the margin of five minutes.
    let server = tokens(200);
    assert_eq!(secret(&mut at(&server, &environment)), "SECRET-1");
    assert_eq!(secret(&mut at(&server, &environment)), "SECRET-2");
    let address = server.address().to_owned();
    drop(server);
    let gone = HttpServer::start(Arc::new(|_, connection| {
        http::answer(connection, "404 Not Found", &[], b"no account")
    }));
    // The identity is the host: the same name, another answer.
    let mut forward = command(&environment);
    forward.arg("token").env("GCE_METADATA_HOST", &address);
    forward.env("http_proxy", gone.url());
    let output = forward.output().unwrap();
    let answer = answered(&output);
    assert_eq!(answer["status"]["token"], "SECRET-2");
    assert!(text(&output.stderr).contains("the old token is good for a while"));
}

#[test]
fn ten_that_ask_at_once_make_one_request() {
    let (environment, server) = (TestEnvironment::new(), tokens(3599));
    let mut asking = Vec::new();
    for _ in 0..10 {
        let mut command = at(&server, &environment);
        let piped = command.stdout(std::process::Stdio::piped());
        asking.push(e2e::Running::start(
            piped.stderr(std::process::Stdio::piped()),
        ));
    }
    for running in asking {
        let answer = answered(&running.wait_with_output());
        assert_eq!(answer["status"]["token"], "SECRET-1");
    }
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_key_is_exchanged_for_a_token_that_shows_the_accounts_email() {
    let (environment, server) = (TestEnvironment::new(), tokens(3599));
    let rsa = environment.path().join("rsa");
    make_rsa_key(&environment, &rsa);
    let key = json!({
        "type": "service_account", "client_email": "sa@p-1.iam.gserviceaccount.com",
        "private_key": std::fs::read_to_string(&rsa).unwrap(), "private_key_id": "k1",
        "token_uri": format!("{}/token", server.url()),
    });
    let file = environment.write("key.json", key.to_string());
    let mut command = command(&environment);
    command
        .arg("token")
        .env("GOOGLE_APPLICATION_CREDENTIALS", &file);
    assert_eq!(secret(&mut command), "SECRET-1");
    let request = &server.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/token")
    );
    let form = text(&request.body);
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let signed = form.strip_prefix(grant).unwrap();
    let public = public_key(&environment, &rsa);
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[format!("{}/token", server.url())]);
    validation.set_issuer(&["sa@p-1.iam.gserviceaccount.com"]);
    let decoded = jsonwebtoken::decode::<Value>(signed, &public, &validation).unwrap();
    assert_eq!(decoded.header.kid.as_deref(), Some("k1"));
    let scope = "https://www.googleapis.com/auth/cloud-platform \
                 https://www.googleapis.com/auth/userinfo.email";
    assert_eq!(decoded.claims["scope"], scope);
    // Another key is another identity: nothing of the old one is given.
    let mut other = key.clone();
    other["private_key_id"] = json!("k2");
    environment.write("key.json", other.to_string());
    assert_eq!(secret(&mut command), "SECRET-2");
}

#[test]
fn impersonation_asks_iam_as_who_we_are() {
    let (environment, server) = (TestEnvironment::new(), tokens(3600));
    let mut command = at(&server, &environment);
    command
        .arg("--impersonate-service-account=e2e@p-1.iam.gserviceaccount.com")
        .env(
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS",
            server.url(),
        );
    // The first one is ours, from the metadata server.
    assert_eq!(secret(&mut command), "SECRET-2");
    let requests = server.requests();
    let request = &requests[1];
    let path = "/v1/projects/-/serviceAccounts/e2e@p-1.iam.gserviceaccount.com:generateAccessToken";
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", path)
    );
    assert_eq!(request.header("Authorization"), Some("Bearer SECRET-1"));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["lifetime"], "3600s");
    // Cached apart from our own.
    assert_eq!(secret(&mut command), "SECRET-2");
    assert_eq!(secret(&mut at(&server, &environment)), "SECRET-3");
}

#[test]
fn a_person_who_logged_in_gets_a_token_of_theirs() {
    let (environment, server) = (TestEnvironment::new(), tokens(3599));
    let login = json!({
        "type": "authorized_user", "client_id": "c", "client_secret": "s",
        "refresh_token": "r", "token_uri": format!("{}/token", server.url()),
    });
    environment.write(
        "home/.config/gcloud/application_default_credentials.json",
        login.to_string(),
    );
    let mut command = command(&environment);
    assert_eq!(secret(command.arg("token")), "SECRET-1");
    assert_eq!(secret(&mut command), "SECRET-1");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn what_is_wrong_is_told_without_secrets() {
    let environment = TestEnvironment::new();
    let refuses = HttpServer::start(Arc::new(|_, connection| {
        let body = br#"{"error": {"code": 403, "status": "PERMISSION_DENIED",
            "message": "Permission 'iam.serviceAccounts.getAccessToken' denied"}}"#;
        http::answer(connection, "403 Forbidden", &[], body)
    }));
    let server = tokens(3599);
    let mut command = at(&server, &environment);
    command
        .arg("--impersonate-service-account=e2e@p-1.iam.gserviceaccount.com")
        .env(
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS",
            refuses.url(),
        );
    let output = command.output().unwrap();
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    for said in [
        "get a token for e2e@p-1.iam.gserviceaccount.com",
        "iam.serviceAccounts.getAccessToken",
        "needs roles/iam.serviceAccountTokenCreator on e2e@p-1.iam.gserviceaccount.com",
    ] {
        assert!(error.contains(said), "{said:?} in {error}");
    }
    assert!(!error.contains("SECRET"));
    let mut command = at(&server, &environment);
    let output = command
        .env("KUBERNETES_EXEC_INFO", r#"{"apiVersion": "x/v9"}"#)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("\"x/v9\""));
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn the_secrets_of_another_kubeconfig_are_read_when_they_are_needed() {
    let environment = TestEnvironment::new();
    let kubeconfig = |token: &str| {
        let users = json!([
            {"name": "t", "user": {"token": token}},
            {"name": "c", "user": {"client-certificate-data": "Q0VSVA==", "client-key": "key.pem"}},
            {"name": "n", "user": {}},
        ]);
        environment.write("other/config", json!({ "users": users }).to_string());
    };
    kubeconfig("SECRET-a");
    environment.write("other/key.pem", "SECRET-key");
    let of = |user: &str| {
        let mut command = command(&environment);
        command.args(["token", "--from-kubeconfig=other/config", "--user", user]);
        command
    };
    assert_eq!(secret(&mut of("t")), "SECRET-a");
    kubeconfig("SECRET-b");
    assert_eq!(secret(&mut of("t")), "SECRET-b");
    let answer = answered(&of("c").output().unwrap());
    assert_eq!(answer["status"]["clientCertificateData"], "CERT");
    assert_eq!(answer["status"]["clientKeyData"], "SECRET-key");
    assert_eq!(of("n").output().unwrap().status.code(), Some(2));
}

fn make_rsa_key(environment: &TestEnvironment, path: &std::path::Path) {
    let args = ["-t", "rsa", "-b", "2048", "-m", "PEM"];
    make_key(environment, path, &args);
}

fn public_key(environment: &TestEnvironment, private: &std::path::Path) -> DecodingKey {
    let mut command = environment.command(std::path::Path::new("ssh-keygen"));
    let public = command
        .args(["-e", "-m", "PEM", "-f"])
        .arg(private)
        .output()
        .unwrap();
    DecodingKey::from_rsa_pem(&public.stdout).unwrap()
}
