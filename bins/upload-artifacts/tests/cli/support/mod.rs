//! What the tests of upload-artifacts share.

pub(crate) mod folder;

use std::process::{Command, Output};

use e2e::{ObjectStore, Running, TestEnvironment, binary, text};
use rustix::process::{Pid, Signal, kill_process};

/// The folder of the job in the bucket.
pub(crate) const JOB: &str = "pr-logs/pull/o_r/12/e2e/7";

/// The bucket in the object store.
pub(crate) const BUCKET: &str = "bucket";

/// What Prow tells a presubmit.
pub(crate) const PRESUBMIT: [(&str, &str); 9] = [
    ("JOB_NAME", "e2e"),
    ("JOB_TYPE", "presubmit"),
    ("BUILD_ID", "7"),
    ("REPO_OWNER", "o"),
    ("REPO_NAME", "r"),
    ("PULL_BASE_REF", "main"),
    ("PULL_BASE_SHA", "aaaa"),
    ("PULL_NUMBER", "12"),
    ("PULL_PULL_SHA", "bbbb"),
];

/// The binary in the environment of a presubmit.
pub(crate) fn command(environment: &TestEnvironment) -> Command {
    let mut command = environment.command(&binary("upload-artifacts"));
    command.envs(PRESUBMIT);
    command
}

/// A bucket of one of the two kinds, empty.
pub(crate) enum Bucket {
    Folder(std::path::PathBuf),
    Store(Box<ObjectStore>),
}

impl Bucket {
    /// One of each kind; a test says the same of both.
    pub(crate) fn both(environment: &TestEnvironment) -> [Bucket; 2] {
        [Bucket::folder(environment), Bucket::store()]
    }

    pub(crate) fn folder(environment: &TestEnvironment) -> Bucket {
        Bucket::Folder(environment.path().join("bucket"))
    }

    pub(crate) fn store() -> Bucket {
        let store = ObjectStore::start();
        store.make_bucket(BUCKET);
        Bucket::Store(Box::new(store))
    }

    /// The binary with this bucket.
    pub(crate) fn command(&self, environment: &TestEnvironment, args: &[&str]) -> Command {
        let mut command = command(environment);
        command.args(args);
        match self {
            Bucket::Folder(folder) => {
                command.args(["--bucket", &format!("file://{}", folder.display())])
            }
            Bucket::Store(store) => command
                .args(["--bucket", &format!("gs://{BUCKET}")])
                .env("STORAGE_EMULATOR_HOST", store.url()),
        };
        command
    }

    /// Runs the binary.
    pub(crate) fn run(&self, environment: &TestEnvironment, args: &[&str]) -> Output {
        self.command(environment, args).output().expect("run it")
    }

    /// An object of the job as it is stored.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.read_at(&format!("{JOB}/{name}"))
    }

    /// An object as it is stored.
    pub(crate) fn read_at(&self, name: &str) -> Option<Vec<u8>> {
        match self {
            Bucket::Folder(folder) => std::fs::read(folder.join(name)).ok(),
            Bucket::Store(store) => store.read(BUCKET, name),
        }
    }

    /// The store's own side.
    pub(crate) fn object_store(&self) -> &ObjectStore {
        match self {
            Bucket::Store(store) => store,
            Bucket::Folder(_) => panic!("a folder has no store"),
        }
    }
}

/// Asks a program to end.
pub(crate) fn terminate(running: &Running) {
    let pid = i32::try_from(running.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process"), Signal::TERM).expect("send SIGTERM");
}

/// Fails the test with the log unless the code is this one.
#[track_caller]
pub(crate) fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
}
