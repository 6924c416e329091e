//! Leases: never two holders, whoever dies; first come first served; what is lost is told.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use e2e::{ObjectStore, Running, TestEnvironment, text, wait_until};
use serde_json::{Value, json};

use crate::competition::{Competition, Holder, check};
use crate::support::{Google, of_pool, yaml};

/// A pool of so many clusters.
fn pool(size: usize) -> Google {
    let cluster = |number| {
        let (name, day) = (format!("kf-n{number}"), number + 1);
        of_pool(
            &name,
            &format!("2026-05-{day:02}T10:00:00+00:00"),
            "RUNNING",
        )
    };
    Google::with((0..size).map(cluster).collect())
}

/// `get --lease` of that pool.
fn get(google: &Google, environment: &TestEnvironment, kubeconfig: &str) -> Command {
    let mut command = google.command(environment);
    command.args([
        "get",
        "--project=p-1",
        "--pool=kf-n*",
        "--lease",
        "--output=json",
    ]);
    command.args(["--kubeconfig", kubeconfig]);
    command.env("CLUSTER_LEASES", leases(environment));
    command
}

fn leases(environment: &TestEnvironment) -> String {
    format!("file://{}/leases", environment.path().display())
}

fn list(google: &Google, environment: &TestEnvironment) -> Value {
    let mut command = google.command(environment);
    command.args(["list", "--project=p-1", "--pool=kf-n*", "--output=json"]);
    let output = command
        .env("CLUSTER_LEASES", leases(environment))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn waiting(google: &Google, environment: &TestEnvironment) -> Vec<String> {
    let listed = list(google, environment);
    let names = listed["waiting"].as_array().unwrap().iter();
    names.map(|it| it.as_str().unwrap().to_owned()).collect()
}

fn release(environment: &TestEnvironment, kubeconfig: &str) {
    let mut command = crate::support::command(environment);
    let status = command
        .args(["release", "--kubeconfig", kubeconfig])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn twenty_compete_and_are_killed_and_never_do_two_hold_a_cluster() {
    let (environment, google) = (TestEnvironment::new(), pool(3));
    let place = leases(&environment);
    let competition = Competition {
        processes: 20,
        length: Duration::from_secs(30),
        longest: Duration::from_secs(75),
        enough: (15, 4),
        patience: Duration::from_secs(8),
    };
    let result = competition.run(&|kubeconfig| {
        let mut command = get(&google, &environment, kubeconfig);
        command.args([
            "--hold",
            "--lease-duration=3s",
            "--wait=1m",
            "--lease-at",
            &place,
        ]);
        command
    });
    check(&result.holders).unwrap();
}

#[test]
fn the_same_in_a_bucket() {
    let (environment, google) = (TestEnvironment::new(), pool(3));
    let store = ObjectStore::start();
    store.make_bucket("bucket");
    let competition = Competition {
        processes: 8,
        length: Duration::from_secs(30),
        longest: Duration::from_secs(75),
        enough: (4, 1),
        patience: Duration::from_secs(20),
    };
    let result = competition.run(&|kubeconfig| {
        let mut command = get(&google, &environment, kubeconfig);
        command.env("STORAGE_EMULATOR_HOST", store.direct_url());
        command.args(["--hold", "--lease-duration=4s", "--wait=1m"]);
        command.arg("--lease-at=gs://bucket/leases");
        command
    });
    check(&result.holders).unwrap();
    let objects = store.objects("bucket", "leases/gke.");
    assert_eq!(objects.len(), 3);
}

#[test]
fn a_bucket_takes_one_of_those_who_write_at_once() {
    // What leases in a bucket rest on: of all who name one generation, one succeeds.
    let store = ObjectStore::start();
    store.make_bucket("bucket");
    let env = [("STORAGE_EMULATOR_HOST", store.direct_url())]
        .into_iter()
        .collect();
    let bucket = common::bucket::Bucket::parse("gs://bucket", &env).unwrap();
    let name = common::bucket::ObjectName::parse("leases/x.json").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut generation = 0;
        for round in 0..20 {
            let mut writers = tokio::task::JoinSet::new();
            for writer in 0..10 {
                let object = bucket.shared(&name).unwrap();
                let content = format!("{round} {writer}").into_bytes();
                writers.spawn(async move { object.replace(content, generation).await.unwrap() });
            }
            let written = writers.join_all().await;
            assert_eq!(written.iter().filter(|it| **it).count(), 1, "round {round}");
            let object = bucket.shared(&name).unwrap();
            let state = object.read().await.unwrap().unwrap();
            assert!(state.generation > generation);
            generation = state.generation;
        }
    });
}

#[test]
fn the_check_of_the_competition_finds_two_holders() {
    // Somebody removes the leases while one is held: the next one gets the same cluster.
    let (environment, google) = (TestEnvironment::new(), pool(1));
    let hold = |kubeconfig: &str| {
        let mut command = get(&google, &environment, kubeconfig);
        command.args(["--hold", "--lease-duration=20s"]);
        Holder::start(&mut command)
    };
    let mut first = hold("a");
    first.wait_until_taken(Duration::from_secs(20)).unwrap();
    std::fs::remove_dir_all(environment.path().join("leases")).unwrap();
    let mut second = hold("b");
    second.wait_until_taken(Duration::from_secs(20)).unwrap();
    let holders = [first.kill(), second.kill()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>();
    assert_eq!(holders.len(), 2);
    assert!(
        check(&holders).unwrap_err().contains("kf-n0"),
        "{holders:?}"
    );
}

#[test]
fn who_comes_first_is_served_first() {
    let (environment, google) = (TestEnvironment::new(), pool(1));
    let mut command = get(&google, &environment, "first");
    assert!(command.arg("--holder=w0").status().unwrap().success());
    let mut waiters = Vec::new();
    for number in 1..=3 {
        let mut command = get(&google, &environment, &format!("k{number}"));
        command
            .args(["--wait=1m", &format!("--holder=w{number}")])
            .stderr(Stdio::null());
        waiters.push(Running::start(&mut command));
        wait_until("it waits", || {
            waiting(&google, &environment).len() == number
        });
    }
    // Without --wait nobody is overtaken, and nobody waits.
    let output = get(&google, &environment, "no").output().unwrap();
    assert_eq!(output.status.code(), Some(75));
    assert!(text(&output.stderr).contains("none of the 1 clusters is free: taken by w0-"));
    release(&environment, "first");
    for (index, mut waiter) in waiters.into_iter().enumerate() {
        assert!(waiter.wait().unwrap().success());
        let listed = list(&google, &environment);
        let holder = listed["clusters"][0]["lease"]["holder"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(holder.starts_with(&format!("w{}-", index + 1)), "{holder}");
        assert_eq!(listed["clusters"][0]["lease"]["fencing"], index + 2);
        release(&environment, &format!("k{}", index + 1));
    }
    assert_eq!(waiting(&google, &environment).len(), 0);
}

#[test]
fn a_holder_that_died_gives_it_back_and_its_kubeconfig_gives_no_token_any_more() {
    let (environment, google) = (TestEnvironment::new(), pool(1));
    let mut command = get(&google, &environment, "dead");
    let mut holder = Holder::start(command.args(["--hold", "--lease-duration=4s"]));
    holder.wait_until_taken(Duration::from_secs(20)).unwrap();
    let exec = yaml(&environment.path().join("dead"))["users"][0]["user"]["exec"].clone();
    let token = || {
        let args = exec["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_str().unwrap());
        let users = "{\"users\": [{\"name\": \"u\", \"user\": {\"token\": \"t\"}}]}";
        environment.write("users", users);
        let mut command = crate::support::command(&environment);
        command
            .args(args)
            .args(["--from-kubeconfig=users", "--user=u"])
            .output()
            .unwrap()
    };
    let output = token();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    // Whoever has the token asks again when the lease may be somebody else's.
    assert!(
        answer["status"]["expirationTimestamp"].is_string(),
        "{answer}"
    );
    let died = Instant::now();
    holder.kill();
    let mut command = get(&google, &environment, "next");
    let output = command.arg("--wait=1m").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        died.elapsed() > Duration::from_secs(3),
        "before the lease ran out"
    );
    let output = token();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("ran out at"),
        "{}",
        text(&output.stderr)
    );
    // What the dead one left beside its kubeconfig takes nothing from the new one.
    release(&environment, "dead");
    assert!(list(&google, &environment)["clusters"][0]["lease"].is_object());
    release(&environment, "next");
    assert!(list(&google, &environment)["clusters"][0]["lease"].is_null());
    let notes = std::fs::read_dir(environment.path()).unwrap();
    let mut notes = notes.map(|it| it.unwrap().path());
    assert!(!notes.any(|path| path.extension().is_some_and(|it| it == "lease")));
}

#[test]
fn a_waiter_gets_a_cluster_that_is_healthy_now_and_its_address_of_now() {
    let (environment, google) = (TestEnvironment::new(), pool(1));
    assert!(
        get(&google, &environment, "first")
            .status()
            .unwrap()
            .success()
    );
    let mut command = get(&google, &environment, "k");
    command
        .args(["--wait=60", "--holder=w"])
        .stderr(Stdio::piped());
    let mut waiter = Running::start(command.stdout(Stdio::piped()));
    wait_until("it waits", || waiting(&google, &environment).len() == 1);
    let cluster = |status: &str, address: &str| {
        let mut cluster = of_pool("kf-n0", "2026-05-01T10:00:00+00:00", status);
        cluster["endpoint"] = address.into();
        let members = cluster.as_object_mut().unwrap();
        members.remove("privateClusterConfig");
        members.remove("controlPlaneEndpointsConfig");
        cluster
    };
    google.change(vec![cluster("STOPPING", "203.0.113.8")]);
    release(&environment, "first");
    wait_until("the cluster was taken and given back", || {
        let listed = list(&google, &environment);
        let lease = environment
            .path()
            .join("leases/gke.p-1.us-central1-a.kf-n0.json");
        let lease: Value = serde_json::from_str(&std::fs::read_to_string(lease).unwrap()).unwrap();
        listed["clusters"][0]["lease"].is_null() && lease["value"]["fencing"] == 2
    });
    assert!(waiter.try_wait().unwrap().is_none());
    assert!(!environment.path().join("k").exists());
    google.change(vec![cluster("RUNNING", "203.0.113.9")]);
    let output = waiter.wait_with_output();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let log = text(&output.stderr);
    assert!(
        log.contains("is not RUNNING any more: waiting for another one"),
        "{log}"
    );
    let server = &yaml(&environment.path().join("k"))["clusters"][0]["cluster"]["server"];
    assert_eq!(server, "https://203.0.113.9");
}

#[test]
fn a_pool_without_a_healthy_cluster_is_waited_for() {
    let (environment, google) = (TestEnvironment::new(), pool(1));
    let of_pool = |status| of_pool("kf-n0", "2026-05-01T10:00:00+00:00", status);
    google.change(vec![of_pool("PROVISIONING")]);
    let output = get(&google, &environment, "k").output().unwrap();
    assert_eq!(output.status.code(), Some(75));
    assert!(text(&output.stderr).contains("no cluster of the pool is RUNNING"));
    let mut command = get(&google, &environment, "k");
    let mut waiter = Running::start(command.arg("--wait=60").stdout(Stdio::null()));
    wait_until("it waits", || waiting(&google, &environment).len() == 1);
    google.change(vec![of_pool("RUNNING")]);
    assert!(waiter.wait().unwrap().success());
}

#[test]
fn a_step_that_runs_again_takes_over_the_lease_of_its_first_try() {
    let (environment, google) = (TestEnvironment::new(), pool(1));
    let get = |kubeconfig: &str, holder: &str| {
        let mut command = get(&google, &environment, kubeconfig);
        command.arg(format!("--holder={holder}")).output().unwrap()
    };
    let fencing = |output: &Output| {
        assert!(output.status.success(), "{}", text(&output.stderr));
        let written: Value = serde_json::from_slice(&output.stdout).unwrap();
        written["lease"]["fencing"].as_u64().unwrap()
    };
    assert_eq!(fencing(&get("k", "job-1")), 1);
    assert_eq!(fencing(&get("k", "job-1")), 2);
    // Neither another run of the same kubeconfig nor the same run's other one.
    assert_eq!(get("k", "job-2").status.code(), Some(75));
    assert_eq!(get("other", "job-1").status.code(), Some(75));
    release(&environment, "k");
    assert_eq!(fencing(&get("other", "job-2")), 3);
}

#[test]
fn release_tries_a_place_that_is_out_of_reach_until_its_limit() {
    let environment = TestEnvironment::new();
    let kubeconfig = json!({
        "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    });
    let file = environment.write("leases.kubeconfig", kubeconfig.to_string());
    let note = json!({"at": "kubernetes://ci", "kubeconfig": file, "name": "gke.p.z.c",
        "holder": "h-1", "fencing": 1, "good_until": "2026-05-01T10:00:00.000Z"});
    environment.write("k.c.lease", note.to_string());
    let begun = Instant::now();
    let mut command = crate::support::command(&environment);
    let output = command
        .args(["release", "--timeout=3", "--kubeconfig=k"])
        .output()
        .unwrap();
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(75), "{log}");
    assert!(begun.elapsed() >= Duration::from_secs(3), "{log}");
    assert!(
        log.contains("trying again") && log.contains("give gke.p.z.c back"),
        "{log}"
    );
    assert!(environment.path().join("k.c.lease").exists());
}

#[test]
fn tokens_of_gclouds_plugin_do_not_end_with_the_lease_and_that_is_told() {
    let (environment, google) = (TestEnvironment::new(), pool(1));
    let mut command = get(&google, &environment, "k");
    let output = command.arg("--exec-plugin=gcloud").output().unwrap();
    assert!(output.status.success());
    let log = text(&output.stderr);
    assert!(
        log.contains("gives tokens after the lease has run out"),
        "{log}"
    );
}

#[test]
fn a_lease_that_somebody_took_away_ends_its_holder() {
    let (environment, google) = (TestEnvironment::new(), pool(1));
    let mut command = get(&google, &environment, "k");
    let mut holder = Holder::start(command.args(["--hold", "--lease-duration=6s"]));
    holder.wait_until_taken(Duration::from_secs(20)).unwrap();
    let lease = environment
        .path()
        .join("leases/gke.p-1.us-central1-a.kf-n0.json");
    let content = std::fs::read_to_string(&lease).unwrap();
    let mut content: Value = serde_json::from_str(&content).unwrap();
    content["value"]["holder"] = "somebody".into();
    std::fs::write(&lease, content.to_string()).unwrap();
    let (code, error) = holder.wait();
    assert_eq!(code, Some(1), "{error}");
    assert!(
        error.contains("is not ours any more: somebody has it"),
        "{error}"
    );
    assert!(!has_note(environment.path()));
}

#[test]
fn told_to_end_it_gives_the_cluster_back_at_once() {
    let (environment, google) = (TestEnvironment::new(), pool(1));
    let until = environment.path().join("done");
    let mut command = get(&google, &environment, "k");
    command.args(["--hold", "--until-file"]).arg(&until);
    let mut holder = Holder::start(&mut command);
    holder.wait_until_taken(Duration::from_secs(20)).unwrap();
    assert!(has_note(environment.path()));
    std::fs::write(&until, "").unwrap();
    assert_eq!(holder.wait().0, Some(0));
    assert!(!has_note(environment.path()));
    let mut command = get(&google, &environment, "k");
    let mut holder =
        Holder::start(command.args(["--hold", "--time-limit=4s", "--lease-duration=3s"]));
    holder.wait_until_taken(Duration::from_secs(20)).unwrap();
    let (code, error) = holder.wait();
    assert_eq!(code, Some(124), "{error}");
    assert!(list(&google, &environment)["clusters"][0]["lease"].is_null());
}

fn has_note(folder: &Path) -> bool {
    let mut files = std::fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path());
    files.any(|path| path.extension().is_some_and(|it| it == "lease"))
}
