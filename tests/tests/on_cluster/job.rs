//! A periodic Prow job of a small repository, on a cluster, with its results in an object store.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use e2e::{Cluster, Namespace, ObjectStore, Running, TestEnvironment, binary, text};
use serde_json::Value;

/// The job's folder in the bucket.
const FOLDER: &str = "logs/job/7";

pub(crate) struct Job<'a> {
    pub(crate) namespace: Namespace<'a>,
    pub(crate) store: ObjectStore,
    test: TestEnvironment,
}

impl<'a> Job<'a> {
    /// The job of one workflow, `e2e`.
    pub(crate) fn new(cluster: &'a Cluster, workflow: &Value) -> Self {
        Self::of(cluster, &[("e2e", workflow)])
    }

    /// The job of some workflows.
    pub(crate) fn of(cluster: &'a Cluster, workflows: &[(&str, &Value)]) -> Self {
        let mut entries = String::new();
        for (name, _) in workflows {
            writeln!(entries, "- {{name: {name}, manifest: {name}.yaml}}").unwrap();
        }
        Self::with_entries(cluster, &entries, workflows)
    }

    /// The job of these entries of `prow_config.yaml`, with these files beside it.
    pub(crate) fn with_entries(
        cluster: &'a Cluster,
        entries: &str,
        files: &[(&str, &Value)],
    ) -> Self {
        let test = TestEnvironment::new();
        for (name, object) in files {
            // JSON is YAML as well.
            test.write(format!("src/o/r/{name}.yaml"), object.to_string());
        }
        let config = format!("workflows:\n{entries}");
        test.write("src/o/r/prow_config.yaml", config);
        test.git("src/o/r", &["init", "--quiet", "--initial-branch=main"]);
        test.git("src/o/r", &["add", "--all"]);
        test.git("src/o/r", &["commit", "--quiet", "-m", "base"]);
        let store = ObjectStore::start();
        store.make_bucket("bucket");
        let namespace = cluster.namespace();
        let kubeconfig = test.path().join("kubeconfig");
        namespace.kubeconfig("submit-e2e", &cluster.address(), &kubeconfig);
        Job {
            namespace,
            store,
            test,
        }
    }

    /// From now on the cluster is reached as this account, at this address.
    pub(crate) fn reach_cluster_as(&self, account: &str, address: &str) {
        let kubeconfig = self.test.path().join("kubeconfig");
        self.namespace.kubeconfig(account, address, &kubeconfig);
    }

    /// The job's program, with its account's kubeconfig and no other rights.
    pub(crate) fn command(&self) -> Command {
        self.command_in("run")
    }

    fn command_in(&self, run_dir: &str) -> Command {
        let mut command = self.program();
        command
            .args(["run", "--engine=argo", "--bucket=gs://bucket"])
            .args(["--repos-dir=src", "--run-dir", run_dir])
            .arg(format!("--namespace={}", self.namespace.name()));
        command
    }

    /// submit-e2e with the variables of the job.
    fn program(&self) -> Command {
        let mut command = self.test.command(&binary("submit-e2e"));
        command
            .envs([("JOB_TYPE", "periodic"), ("JOB_NAME", "job")])
            .envs([("BUILD_ID", "7"), ("PROW_JOB_ID", "4-2")])
            .envs([("REPO_OWNER", "o"), ("REPO_NAME", "r")])
            .env("KUBECONFIG", self.test.path().join("kubeconfig"))
            .env("STORAGE_EMULATOR_HOST", self.store.url());
        command
    }

    /// What a person calls beside the job, in its namespace; gives its exit code, and what it prints.
    pub(crate) fn by_hand(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = self.program();
        let namespace = format!("--namespace={}", self.namespace.name());
        let output = command.args(arguments).arg(namespace).output().unwrap();
        let code = output.status.code().expect("an exit code");
        (code, text(&output.stdout), text(&output.stderr))
    }

    pub(crate) fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    /// Starts it; what it prints goes to a file, which [`Job::log`] reads.
    pub(crate) fn start(&self) -> Running {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, arguments: &[&str]) -> Running {
        let mut command = self.command();
        command.args(arguments);
        Self::started(command, &self.log_file())
    }

    /// Starts a second one beside it, as in another pod: only the cluster and the bucket are shared.
    pub(crate) fn start_beside(&self) -> Running {
        Self::started(
            self.command_in("run-beside"),
            &self.test.path().join("log-beside"),
        )
    }

    /// Starts what a command has become.
    pub(crate) fn start_command(&self, command: Command) -> Running {
        Self::started(command, &self.log_file())
    }

    fn started(mut command: Command, log: &Path) -> Running {
        let log = File::create(log).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Running::start(&mut command)
    }

    /// What the program that was started last has printed so far.
    pub(crate) fn log(&self) -> String {
        text(&std::fs::read(self.log_file()).unwrap())
    }

    fn log_file(&self) -> PathBuf {
        self.test.path().join("log")
    }

    /// Waits for the end of a program; gives its exit code.
    pub(crate) fn end_of(&self, program: &mut Running) -> i32 {
        let end = Instant::now() + Duration::from_secs(150);
        loop {
            if let Some(status) = program.try_wait().unwrap() {
                let code = status.code();
                return code.unwrap_or_else(|| panic!("{status}: {}", self.log()));
            }
            let state = || format!("{}\n{}", self.namespace.describe(), self.log());
            assert!(Instant::now() < end, "submit-e2e hangs:\n{}", state());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// An object of the job's folder.
    pub(crate) fn read(&self, name: &str) -> Option<String> {
        self.store.read_text("bucket", &format!("{FOLDER}/{name}"))
    }

    /// The names of all objects of the job's folder, below it.
    pub(crate) fn files(&self) -> Vec<String> {
        let objects = self.store.objects("bucket", &format!("{FOLDER}/"));
        let name = |object: &e2e::StoredObject| object.name()[FOLDER.len() + 1..].to_owned();
        objects.iter().map(name).collect()
    }

    /// The text of all evidence of a step.
    pub(crate) fn evidence(&self, step: &str) -> String {
        let files = self.files().into_iter();
        let own = files.filter(|name| {
            name.starts_with("artifacts/steps/") && name.contains(&format!("/{step}/"))
        });
        let texts: Vec<_> = own
            .map(|name| format!("== {name}\n{}", self.read(&name).unwrap()))
            .collect();
        assert!(
            !texts.is_empty(),
            "no evidence of {step}: {:?}",
            self.files()
        );
        texts.join("\n")
    }

    pub(crate) fn finished(&self) -> Value {
        let text = self.read("finished.json");
        serde_json::from_str(&text.expect("finished.json")).unwrap()
    }

    /// Asserts that `finished.json` says this, that it agrees with the cluster, and that nothing
    /// is left running there.
    pub(crate) fn assert_result(&self, result: &str) {
        let finished = self.finished();
        let context = || format!("{finished}\n{}", self.namespace.describe());
        assert_eq!(finished["result"], result, "{}", context());
        assert_eq!(finished["passed"], result == "SUCCESS", "{}", context());
        assert!(self.read("started.json").is_some(), "{}", context());
        assert!(self.read("build-log.txt").is_some(), "{}", context());
        for workflow in self.namespace.workflows() {
            let name = workflow["metadata"]["name"].as_str().unwrap();
            let phase = &finished["metadata"][format!("{name}-phase")];
            assert_eq!(*phase, workflow["status"]["phase"], "{}", context());
        }
        self.namespace.assert_nothing_runs();
    }
}

/// The phases of a workflow's nodes of this name.
pub(crate) fn phases<'a>(workflow: &'a Value, node: &str) -> Vec<&'a str> {
    let nodes = workflow["status"]["nodes"].as_object();
    let nodes = nodes.into_iter().flat_map(|nodes| nodes.values());
    let own = nodes.filter(|own| own["displayName"] == node);
    own.map(|own| own["phase"].as_str().unwrap_or_default())
        .collect()
}

/// Sends a signal to a program.
pub(crate) fn signal(program: &Running, name: &str) {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}")).arg(program.id().to_string());
    assert!(kill.status().unwrap().success());
}
