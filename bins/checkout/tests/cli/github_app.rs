//! A GitHub App: its key is proved to an API, which gives tokens that git then uses.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use crate::fixture::{Fixture, contents, succeed};
use e2e::http::{HttpServer, answer};
use e2e::{Fault, FaultProxy, GitHttpServer, make_key};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

/// GitHub's API as far as a checkout needs it. It checks who asks, and gives `ghs_N` as its Nth
/// token, which the git server then takes, alone.
struct GitHub {
    api: HttpServer,
    key: PathBuf,
}

impl GitHub {
    fn start(fixture: &Fixture, git: Arc<GitHttpServer>, valid_for: Duration) -> Self {
        let key = fixture.env.path().join("app-key");
        make_key(
            &fixture.env,
            &key,
            &["-t", "rsa", "-b", "2048", "-m", "PEM"],
        );
        let public = fixture
            .env
            .command(std::path::Path::new("ssh-keygen"))
            .args(["-e", "-m", "PEM", "-f"])
            .arg(&key)
            .output()
            .unwrap();
        let public = DecodingKey::from_rsa_pem(&public.stdout).unwrap();
        let given = AtomicUsize::new(0);
        git.accept_only(&["nobody yet".to_owned()]);
        let api = HttpServer::start(Arc::new(move |request, connection| {
            let json = |connection: &mut _, status: &str, json: &Value| {
                answer(connection, status, &[], json.to_string().as_bytes())
            };
            let token = request.header("Authorization").unwrap_or_default();
            let token = token.strip_prefix("Bearer ").unwrap_or_default();
            let mut validation = Validation::new(Algorithm::RS256);
            validation.set_required_spec_claims(&["exp", "iss"]);
            validation.set_issuer(&["4711"]);
            let claims = jsonwebtoken::decode::<Value>(token, &public, &validation);
            let Ok(claims) = claims.map(|data| data.claims) else {
                return json(connection, "401 Unauthorized", &json!({"message": "no"}));
            };
            let life = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
            assert!(life <= 600, "GitHub takes 10 minutes at most");
            match (request.method.as_str(), request.path.as_str()) {
                ("GET", "/repos/kubeflow/testing/installation") => {
                    json(connection, "200 OK", &json!({"id": 42}))
                }
                ("POST", "/app/installations/42/access_tokens") => {
                    let body: Value = serde_json::from_slice(&request.body).unwrap();
                    assert_eq!(body["permissions"], json!({"contents": "read"}));
                    let token = format!("ghs_{}", given.fetch_add(1, Ordering::SeqCst));
                    git.accept_only(&[GitHttpServer::basic("x-access-token", &token)]);
                    let ends = SystemTime::now() + valid_for;
                    let ends = humantime::format_rfc3339_seconds(ends).to_string();
                    let given = json!({"token": token, "expires_at": ends});
                    json(connection, "201 Created", &given)
                }
                _ => json(
                    connection,
                    "404 Not Found",
                    &json!({"message": "Not Found"}),
                ),
            }
        }));
        GitHub { api, key }
    }

    fn job(&self, fixture: &Fixture, api: &str, git: &GitHttpServer) -> assert_cmd::Command {
        let mut command = fixture.job(&[1]);
        command.env("GIT_BASE_URL", git.url());
        command.env("GITHUB_APP_ID", "4711");
        command.env("GITHUB_APP_PRIVATE_KEY_FILE", &self.key);
        command.env("GITHUB_API_URL", api);
        command.args(["--records", "out/records.json"]);
        command
    }

    fn tokens(&self) -> usize {
        let requests = self.api.requests();
        let posts = requests.iter().filter(|request| request.method == "POST");
        posts.count()
    }
}

#[test]
fn one_token_serves_a_whole_run_and_is_left_nowhere() {
    let fixture = Fixture::new();
    let git = Arc::new(fixture.http());
    let github = GitHub::start(&fixture, git.clone(), Duration::from_hours(1));
    let output = succeed(github.job(&fixture, &github.api.url(), &git));
    assert_eq!(fixture.files(), ["README", "first"]);
    assert_eq!(github.tokens(), 1);
    for text in [
        e2e::text(&output.stderr),
        contents(&fixture.env, "src"),
        contents(&fixture.env, "out"),
        contents(&fixture.env, "home"),
    ] {
        assert!(!text.contains("ghs_"), "{text}");
    }
}

#[test]
fn a_token_that_ends_soon_is_renewed_for_the_next_git() {
    let fixture = Fixture::new();
    let git = Arc::new(fixture.http());
    let github = GitHub::start(&fixture, git.clone(), Duration::from_mins(1));
    let mut command = github.job(&fixture, &github.api.url(), &git);
    // One git after the other: this server forgets a token when it gives another.
    command.arg("--depth=1");
    succeed(command);
    assert_eq!(fixture.files(), ["README", "first"]);
    assert!(github.tokens() > 1, "{}", github.tokens());
}

#[test]
fn an_api_that_is_overloaded_is_asked_again_and_one_that_is_down_is_unavailable() {
    let fixture = Fixture::new();
    let git = Arc::new(fixture.http());
    let github = GitHub::start(&fixture, git.clone(), Duration::from_hours(1));
    let faults = [
        Fault::unavailable(),
        Fault::Close,
        Fault::too_many_requests(1),
    ];
    let proxy = FaultProxy::start(github.api.address(), faults);
    succeed(github.job(&fixture, &proxy.url("http"), &git));
    std::fs::remove_dir_all(fixture.folder()).unwrap();
    let proxy = FaultProxy::always(github.api.address(), Fault::unavailable());
    let output = github
        .job(&fixture, &proxy.url("http"), &git)
        .output()
        .unwrap();
    let stderr = e2e::text(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{stderr}");
    assert!(stderr.contains("GitHub answers 503"), "{stderr}");
}

#[test]
fn a_key_that_is_not_the_apps_is_an_error_that_says_so() {
    let fixture = Fixture::new();
    let git = Arc::new(fixture.http());
    let github = GitHub::start(&fixture, git.clone(), Duration::from_hours(1));
    let mut command = github.job(&fixture, &github.api.url(), &git);
    command.env("GITHUB_APP_ID", "1");
    let output = command.output().unwrap();
    let stderr = e2e::text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("GitHub answers 401") && stderr.contains("App's id and key"),
        "{stderr}"
    );
    assert!(!stderr.contains("trying again"), "{stderr}");
}

#[test]
fn where_the_app_is_not_installed_git_asks_without_it() {
    let fixture = Fixture::new();
    let git = Arc::new(fixture.http());
    let github = GitHub::start(&fixture, git.clone(), Duration::from_hours(1));
    let mut command = fixture.checkout();
    command.args(["--repos=kubeflow/other", "--github-app-id=4711"]);
    command
        .arg("--github-app-private-key-file")
        .arg(&github.key);
    command.args(["--github-api-url", &github.api.url()]);
    command.env("GIT_BASE_URL", git.url());
    let output = command.output().unwrap();
    let stderr = e2e::text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("is not installed on kubeflow/other"),
        "{stderr}"
    );
}

#[test]
fn the_api_is_asked_through_gits_proxy() {
    let fixture = Fixture::new();
    let git = Arc::new(fixture.http());
    let github = GitHub::start(&fixture, git.clone(), Duration::from_hours(1));
    let proxy = FaultProxy::start(github.api.address(), []);
    fixture.env.write(
        "home/.gitconfig",
        format!(
            "[http \"http://localhost:1\"]\nproxy = {}\n",
            proxy.url("http")
        ),
    );
    // Nobody listens there: only the proxy leads to the API.
    succeed(github.job(&fixture, "http://localhost:1", &git));
    assert!(proxy.connections() > 0);
}
