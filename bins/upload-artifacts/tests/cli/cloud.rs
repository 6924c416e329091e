//! upload-artifacts and a real object store.

use std::io::Read;
use std::process::{Command, Output};
use std::sync::Arc;

use e2e::http::{HttpServer, answer};
use e2e::{Fault, ObjectStore, Running, StoredObject, TestEnvironment, binary, text, wait_until};

const FOLDER: &str = "logs/e2e/7/artifacts";

/// The binary, in the environment of a periodic job, before this store.
fn command(environment: &TestEnvironment, store: &ObjectStore, args: &[&str]) -> Command {
    let mut command = environment.command(&binary("upload-artifacts"));
    command
        .envs([("JOB_TYPE", "periodic"), ("JOB_NAME", "e2e")])
        .env("BUILD_ID", "7")
        .env("STORAGE_EMULATOR_HOST", store.url())
        .args(["--artifacts-dir", "out", "--bucket", "gs://bucket"])
        .args(args);
    command
}

fn sync(environment: &TestEnvironment, store: &ObjectStore, args: &[&str]) -> Output {
    command(environment, store, args).output().unwrap()
}

/// Starts a store with a bucket.
fn store() -> ObjectStore {
    let store = ObjectStore::start();
    store.make_bucket("bucket");
    store
}

fn objects(store: &ObjectStore) -> Vec<StoredObject> {
    store.objects("bucket", &format!("{FOLDER}/"))
}

fn names(store: &ObjectStore) -> Vec<String> {
    let prefix = format!("{FOLDER}/");
    let name = |object: StoredObject| object.name().strip_prefix(&prefix).unwrap().to_owned();
    objects(store).into_iter().map(name).collect()
}

fn object(store: &ObjectStore, name: &str) -> StoredObject {
    let all = objects(store);
    let found = all
        .into_iter()
        .find(|it| it.name() == format!("{FOLDER}/{name}"));
    found.unwrap()
}

fn content(store: &ObjectStore, name: &str) -> Vec<u8> {
    store.read("bucket", &format!("{FOLDER}/{name}")).unwrap()
}

fn assert_code(output: &Output, code: i32) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
}

fn random(size: usize) -> Vec<u8> {
    let mut content = vec![0; size];
    let mut source = std::fs::File::open("/dev/urandom").unwrap();
    source.read_exact(&mut content).unwrap();
    content
}

#[test]
fn a_sync_sends_what_changed_and_nothing_else() {
    let (environment, store) = (TestEnvironment::new(), store());
    let large = random(9 * 1024 * 1024);
    environment.write("out/d/large.bin", &large);
    environment.write("out/small.bin", random(5000));
    environment.write("out/empty", "");
    let first = sync(&environment, &store, &[]);
    assert_code(&first, 0);
    assert_eq!(names(&store), ["d/large.bin", "empty", "small.bin"]);
    assert_eq!(content(&store, "d/large.bin"), large);

    let requests = store.proxy().requests().len();
    let second = sync(&environment, &store, &[]);
    assert_code(&second, 0);
    assert!(text(&second.stderr).contains("3 unchanged"));
    let only_listed = store.proxy().requests().split_off(requests);
    assert_eq!(only_listed.len(), 1, "{only_listed:?}");

    // As long as before.
    let mut other = large;
    other[8_000_000] ^= 1;
    environment.write("out/d/large.bin", &other);
    assert_code(&sync(&environment, &store, &[]), 0);
    assert_eq!(content(&store, "d/large.bin"), other);
}

#[test]
fn names_that_a_store_refuses_are_escaped() {
    let (environment, store) = (TestEnvironment::new(), store());
    for name in ["a b", "a#b", "a\nb", "ü/%41", "a+b&c=d?e", "…"] {
        environment.write(format!("out/{name}"), name);
    }
    assert_code(&sync(&environment, &store, &[]), 0);
    let mut expected = ["a b", "a%23b", "a%0Ab", "ü/%41", "a+b&c=d?e", "…"];
    expected.sort_unstable();
    assert_eq!(names(&store), expected);
    assert_eq!(content(&store, "ü/%41"), "ü/%41".as_bytes());
    let again = sync(&environment, &store, &[]);
    assert!(text(&again.stderr).contains("6 unchanged"));
}

#[test]
fn readers_are_told_type_encoding_and_how_long_to_keep() {
    let (environment, store) = (TestEnvironment::new(), store());
    let log = "a line of a log\n".repeat(50_000);
    environment.write("out/tests.log", &log);
    environment.write("out/short.log", "short");
    environment.write("out/build-log.txt", &log);
    environment.write("out/x.dump", "x");
    let types = ["--media-type", "dump:application/x-dump"];
    assert_code(&sync(&environment, &store, &types), 0);

    let tests = object(&store, "tests.log");
    assert_eq!(tests.text("contentType"), "text/plain; charset=utf-8");
    assert_eq!(tests.text("contentEncoding"), "gzip");
    assert_eq!(tests.metadata("uncompressed-size"), Some("800000"));
    assert!(tests.size() < 80_000);
    assert_eq!(object(&store, "short.log").text("contentEncoding"), "");
    let build_log = object(&store, "build-log.txt");
    assert_eq!(build_log.text("contentEncoding"), "");
    assert_eq!(build_log.text("cacheControl"), "no-cache");
    assert_eq!(build_log.size(), 800_000);
    let dump = object(&store, "x.dump");
    assert_eq!(dump.text("contentType"), "application/x-dump");

    let again = sync(&environment, &store, &types);
    assert!(text(&again.stderr).contains("4 unchanged"));
    // Another type is a change.
    assert_code(&sync(&environment, &store, &["--media-type=dump:a/b"]), 0);
    assert_eq!(object(&store, "x.dump").text("contentType"), "a/b");
}

#[test]
fn gzip_of_a_known_type_loses_its_suffix_and_a_false_one_does_not() {
    let (environment, store) = (TestEnvironment::new(), store());
    environment.write("out/a.log", "x".repeat(2000));
    environment.write("out/both.log", "plain");
    let gzip = |name: &str| {
        let mut gzip = environment.command(std::path::Path::new("gzip"));
        let output = gzip.args(["-c", "out/a.log"]).output().unwrap();
        environment.write(format!("out/{name}"), output.stdout);
    };
    gzip("packed.log.gz");
    gzip("both.log.gz");
    gzip("unknown.gz");
    environment.write("out/false.log.gz", "not gzip");
    assert_code(&sync(&environment, &store, &[]), 0);
    let expected = [
        "a.log",
        "both.log",
        "both.log.gz",
        "false.log.gz",
        "packed.log",
        "unknown.gz",
    ];
    assert_eq!(names(&store), expected);
    let packed = object(&store, "packed.log");
    assert_eq!(packed.text("contentEncoding"), "gzip");
    assert_eq!(packed.text("contentType"), "text/plain; charset=utf-8");
    for name in ["both.log.gz", "false.log.gz", "unknown.gz"] {
        let stored = object(&store, name);
        assert_eq!(stored.text("contentEncoding"), "", "{name}");
        assert_eq!(stored.text("contentType"), "application/gzip", "{name}");
    }
    let again = sync(&environment, &store, &[]);
    assert!(text(&again.stderr).contains("6 unchanged"));
}

#[test]
fn only_delete_removes_what_has_no_file_and_only_once_all_files_are_there() {
    let (environment, store) = (TestEnvironment::new(), store());
    environment.write("out/stays", "a");
    store.write("bucket", &format!("{FOLDER}/goes"), b"old");
    store.write("bucket", &format!("{FOLDER}x/other"), b"not ours");
    assert_code(&sync(&environment, &store, &[]), 0);
    assert_eq!(names(&store), ["goes", "stays"]);

    environment.write("out/new", "b");
    let upload = &["/upload/", "POST"];
    store.proxy().on(upload, [Fault::forbidden()]);
    let failed = sync(&environment, &store, &["--delete"]);
    assert_code(&failed, 2);
    assert_eq!(names(&store), ["goes", "stays"]);

    let output = sync(&environment, &store, &["--delete", "--dry-run"]);
    assert_code(&output, 0);
    let plan = text(&output.stdout);
    let removals: Vec<_> = plan
        .lines()
        .filter(|line| line.contains("remove"))
        .collect();
    let (folder, object) = (
        format!("then remove what has no file from gs://bucket/{FOLDER}"),
        format!("remove gs://bucket/{FOLDER}/goes"),
    );
    assert_eq!(removals, [folder, object]);
    assert_eq!(names(&store), ["goes", "stays"]);

    let output = sync(&environment, &store, &["--delete"]);
    assert_code(&output, 0);
    assert!(text(&output.stderr).contains("1 removed"));
    assert_eq!(names(&store), ["new", "stays"]);
    assert!(store.read("bucket", &format!("{FOLDER}x/other")).is_some());
    assert_code(&sync(&environment, &store, &["--delete", "--suffix=-a"]), 2);
}

#[test]
fn at_the_end_of_the_time_what_is_missing_is_named() {
    let (environment, mut store) = (TestEnvironment::new(), store());
    environment.write("out/a", "a");
    store
        .proxy()
        .on(&["POST", "/upload/"], vec![Fault::unavailable(); 100]);
    let output = sync(&environment, &store, &["--timeout=2s"]);
    let stderr = text(&output.stderr);
    assert!(matches!(output.status.code(), Some(75 | 124)), "{stderr}");
    let last = stderr.lines().last().unwrap();
    assert!(
        last.contains("1 file missing in gs://bucket/logs/e2e/7/artifacts: a"),
        "{stderr}"
    );
    assert!(stderr.contains("503 Service Unavailable"), "{stderr}");

    store.stop();
    let output = sync(&environment, &store, &["--timeout=1s"]);
    assert_code(&output, 75);
    assert!(text(&output.stderr).contains("list gs://bucket/"));
}

/// Each upload takes a second, so that the signal finds most files not begun.
#[test]
fn on_sigterm_results_and_logs_go_first() {
    let (environment, store) = (TestEnvironment::new(), store());
    for number in 0..300 {
        environment.write(format!("out/a/{number}.bin"), random(150_000));
    }
    environment.write("out/z/junit_z.xml", "<testsuite name='z'/>");
    store
        .proxy()
        .on(&["/upload/"], vec![Fault::SlowUpload(1500); 300]);
    let mut child = command(&environment, &store, &["--grace-period=3s"]);
    let child = Running::start(child.stderr(std::process::Stdio::piped()));
    wait_until("an upload", || {
        store
            .proxy()
            .requests()
            .iter()
            .any(|line| line.contains("/upload/"))
    });
    let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = child.wait_with_output();
    assert_code(&output, 143);
    let there = names(&store);
    assert!(there.contains(&"z/junit_z.xml".to_owned()), "{there:?}");
    let missing = 301 - there.len();
    let last = text(&output.stderr).lines().last().unwrap().to_owned();
    assert!(last.contains(&format!("{missing} files missing")), "{last}");
}

#[test]
fn what_is_removed_for_a_folder_that_is_empty_is_said() {
    let (environment, store) = (TestEnvironment::new(), store());
    std::fs::create_dir(environment.path().join("out")).unwrap();
    for name in ["a", "b"] {
        store.write("bucket", &format!("{FOLDER}/{name}"), b"old");
    }
    let output = sync(&environment, &store, &["--delete"]);
    assert_code(&output, 0);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("2 removed"), "{stderr}");
    assert!(!stderr.contains("nothing to copy"), "{stderr}");
    assert_eq!(names(&store), [""; 0]);
}

#[test]
fn credentials_that_take_their_time_are_told_of() {
    let (environment, store) = (TestEnvironment::new(), store());
    environment.write("out/a", "a");
    let tokens = HttpServer::start(Arc::new(|_, connection| {
        std::thread::sleep(std::time::Duration::from_secs(7));
        let body = br#"{"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}"#;
        answer(
            connection,
            "200 OK",
            &[("Content-Type", "application/json")],
            body,
        )
    }));
    let output = command(&environment, &store, &[])
        .env_remove("STORAGE_EMULATOR_HOST")
        .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", store.url())
        .env(
            "GOOGLE_APPLICATION_CREDENTIALS",
            credentials(&environment, &tokens),
        )
        .output()
        .unwrap();
    assert_code(&output, 0);
    let stderr = text(&output.stderr);
    assert_eq!(
        stderr.matches("still waiting for credentials").count(),
        1,
        "{stderr}"
    );
    assert!(
        stderr.contains("gcloud auth application-default login"),
        "{stderr}"
    );
}

/// Tokens come from a server of the test; the first one is refused, as one that has expired.
#[test]
fn a_token_that_expired_is_replaced_and_an_emulator_never_sees_one() {
    let (environment, store) = (TestEnvironment::new(), store());
    environment.write("out/a", "a");
    let tokens = give_tokens();
    let file = credentials(&environment, &tokens);
    store.proxy().on(&["/upload/"], [Fault::unauthorized()]);
    let with_credentials = |variable: &str| {
        command(&environment, &store, &[])
            .env_remove("STORAGE_EMULATOR_HOST")
            .env(variable, store.url())
            .env("GOOGLE_APPLICATION_CREDENTIALS", &file)
            .output()
            .unwrap()
    };
    let output = with_credentials("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE");
    assert_code(&output, 0);
    assert_eq!(names(&store), ["a"]);
    assert_eq!(tokens.requests().len(), 2);
    assert!(!text(&output.stderr).contains("t0ken"));

    assert_code(&with_credentials("STORAGE_EMULATOR_HOST"), 0);
    assert_eq!(tokens.requests().len(), 2);
}

#[test]
fn without_credentials_the_error_says_where_they_come_from() {
    let (environment, store) = (TestEnvironment::new(), store());
    environment.write("out/a", "a");
    let output = command(&environment, &store, &[])
        .env_remove("STORAGE_EMULATOR_HOST")
        .env(
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE",
            format!("{}/storage/v1/", store.url()),
        )
        .env("GOOGLE_APPLICATION_CREDENTIALS", "no-such-file.json")
        .output()
        .unwrap();
    assert_code(&output, 2);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("no-such-file.json"), "{stderr}");
    assert!(
        stderr.contains("GOOGLE_APPLICATION_CREDENTIALS, or run gcloud"),
        "{stderr}"
    );
}

/// A key file of a person, and the server that gives tokens for it.
fn credentials(environment: &TestEnvironment, tokens: &HttpServer) -> std::path::PathBuf {
    let url = tokens.url();
    let key = format!(
        r#"{{"type": "authorized_user", "client_id": "c", "client_secret": "s",
            "refresh_token": "r", "token_uri": "{url}/token"}}"#
    );
    environment.write("key.json", key)
}

fn give_tokens() -> HttpServer {
    HttpServer::start(Arc::new(|_, connection| {
        let body = br#"{"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}"#;
        let json = [("Content-Type", "application/json")];
        answer(connection, "200 OK", &json, body)
    }))
}

#[test]
fn a_refusal_that_stays_names_bucket_identity_and_role() {
    for (fault, status) in [
        (Fault::unauthorized(), "401 Unauthorized"),
        (Fault::forbidden(), "403 Forbidden"),
    ] {
        let (environment, store, tokens) = (TestEnvironment::new(), store(), give_tokens());
        environment.write("out/a", "a");
        let key = credentials(&environment, &tokens);
        store.proxy().on(&["/b/"], std::iter::repeat(fault));
        let output = command(&environment, &store, &[])
            .env_remove("STORAGE_EMULATOR_HOST")
            .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", store.url())
            .env("GOOGLE_APPLICATION_CREDENTIALS", &key)
            .output()
            .unwrap();
        assert_code(&output, 2);
        let stderr = text(&output.stderr);
        for expected in [
            "gs://bucket/logs/e2e/7/artifacts",
            status,
            &key.display().to_string(),
            "roles/storage.objectUser",
        ] {
            assert!(stderr.contains(expected), "{expected}: {stderr}");
        }
        // A fresh token is tried once, and no more.
        assert!(store.proxy().requests().len() <= 2, "{stderr}");
        assert!(!stderr.contains("t0ken"), "{stderr}");
    }
}

#[test]
fn a_token_that_expires_within_a_large_upload_costs_nothing_of_it() {
    let (environment, store, tokens) = (TestEnvironment::new(), store(), give_tokens());
    let large = random(9 * 1024 * 1024);
    environment.write("out/large.bin", &large);
    let key = credentials(&environment, &tokens);
    let upload = &["PUT /upload/"];
    store.proxy().on(
        upload,
        [Fault::CutUploadAfter(5 << 20), Fault::unauthorized()],
    );
    let output = command(&environment, &store, &[])
        .env_remove("STORAGE_EMULATOR_HOST")
        .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", store.url())
        .env("GOOGLE_APPLICATION_CREDENTIALS", &key)
        .output()
        .unwrap();
    assert_code(&output, 0);
    assert!(content(&store, "large.bin") == large);
    assert_eq!(tokens.requests().len(), 2);
}
