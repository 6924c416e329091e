//! Processes that compete for clusters and are killed at random, and the check that no two held
//! one at a time.

#![allow(dead_code, reason = "on_cluster uses a part of it")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime};

use e2e::Running;
use serde_json::Value;

/// From when to when one process was certain to hold a cluster, by its own words.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    name: String,
    fencing: u64,
    from: SystemTime,
    to: SystemTime,
}

/// Fails where two held one cluster at a time, or where a number was given twice or out of order.
pub(crate) fn check(holders: &[Held]) -> Result<(), String> {
    let mut holders = holders.to_vec();
    holders.sort_by(|one, other| (&one.name, one.fencing).cmp(&(&other.name, other.fencing)));
    for pair in holders.windows(2) {
        let [one, next] = pair else { continue };
        if one.name != next.name {
            continue;
        }
        if one.fencing == next.fencing {
            return Err(format!("one number twice: {one:?} and {next:?}"));
        }
        if next.from < one.to {
            return Err(format!("two at a time: {one:?} and {next:?}"));
        }
    }
    Ok(())
}

/// `get --lease --hold --output=json`.
pub(crate) struct Holder {
    running: Running,
    lines: Receiver<String>,
    held: Option<Held>,
}

impl Holder {
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running::start(command);
        let (sender, lines) = channel();
        let stdout = BufReader::new(running.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // Nobody listens to one that was killed.
                let _ = sender.send(line);
            }
        });
        Holder {
            running,
            lines,
            held: None,
        }
    }

    /// Waits until it has a cluster; fails when the time is over or the process ends.
    pub(crate) fn wait_until_taken(&mut self, patience: Duration) -> Result<(), ()> {
        let end = Instant::now() + patience;
        while self.held.is_none() {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.hear(&line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Err(()),
            }
        }
        Ok(())
    }

    /// Kills it; what it held it believed to hold up to the end that it told last.
    pub(crate) fn kill(mut self) -> Option<Held> {
        let _ = self.running.kill();
        let _ = self.running.wait();
        self.hear_all()
    }

    /// Asks it to end.
    pub(crate) fn terminate(mut self) -> Option<Held> {
        let pid = rustix::process::Pid::from_child(&self.running);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.running.wait();
        self.hear_all()
    }

    /// Waits for its own end; gives the exit code and the log.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        let stderr = self.running.stderr.take();
        stderr.unwrap().read_to_string(&mut log).unwrap();
        (self.running.wait().unwrap().code(), log)
    }

    fn hear_all(mut self) -> Option<Held> {
        // The pipe ends with the process, and the thread with the pipe.
        while let Ok(line) = self.lines.recv() {
            self.hear(&line);
        }
        self.held
    }

    fn hear(&mut self, line: &str) {
        let told: Value = serde_json::from_str(line).unwrap();
        let time = |told: &Value| humantime::parse_rfc3339(told.as_str().unwrap()).unwrap();
        match (told["event"].as_str().unwrap(), &mut self.held) {
            ("written", held) => {
                let lease = &told["lease"];
                *held = Some(Held {
                    name: lease["name"].as_str().unwrap().to_owned(),
                    fencing: lease["fencing"].as_u64().unwrap(),
                    from: time(&lease["at"]),
                    to: time(&lease["good_until"]),
                });
            }
            ("renewed", Some(held)) => held.to = time(&told["good_until"]),
            ("ending", Some(held)) => held.to = time(&told["at"]),
            other => panic!("{other:?}"),
        }
    }
}

/// Who competes, and how long.
pub(crate) struct Competition {
    pub(crate) processes: usize,
    pub(crate) length: Duration,
    /// How long at most, where the machine is too busy for enough to come of it before.
    pub(crate) longest: Duration,
    /// Less than so many clusters taken, and so many holders killed, shows nothing.
    pub(crate) enough: (usize, usize),
    /// How long each waits for a cluster at most before it is killed.
    pub(crate) patience: Duration,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) holders: Vec<Held>,
    /// How many were killed while they held a cluster.
    pub(crate) killed: usize,
}

impl Outcome {
    fn is_enough(&self, (taken, killed): (usize, usize)) -> bool {
        self.holders.len() >= taken && self.killed >= killed
    }
}

impl Competition {
    /// Keeps so many processes at it; each is killed or told to end at a random time, before it
    /// has a cluster or after. Fails where too little came of it.
    pub(crate) fn run(&self, command: &(dyn Fn(&str) -> Command + Sync)) -> Outcome {
        let start = Instant::now();
        let outcome = Mutex::new(Outcome {
            holders: Vec::new(),
            killed: 0,
        });
        std::thread::scope(|scope| {
            for number in 0..self.processes {
                let outcome = &outcome;
                scope.spawn(move || {
                    let goes_on = || {
                        let is_enough = || outcome.lock().unwrap().is_enough(self.enough);
                        let been = start.elapsed();
                        been < self.length || been < self.longest && !is_enough()
                    };
                    while goes_on() {
                        let (held, killed) = self.one(&mut command(&format!("k{number}")));
                        let mut outcome = outcome.lock().unwrap();
                        outcome.killed += usize::from(killed && held.is_some());
                        outcome.holders.extend(held);
                    }
                });
            }
        });
        let outcome = outcome.into_inner().unwrap();
        let [taken, killed] = [outcome.holders.len(), outcome.killed];
        assert!(
            outcome.is_enough(self.enough),
            "{taken} were taken, {killed} killed: that shows nothing"
        );
        outcome
    }

    fn one(&self, command: &mut Command) -> (Option<Held>, bool) {
        // Each is a run of its own: one that comes after another with the same kubeconfig and
        // name would take over what that one had.
        command.arg(format!("--holder=run-{:08x}", fastrand::u32(..)));
        let mut holder = Holder::start(command);
        let patience = self.patience.mul_f64(0.2 + fastrand::f64());
        if holder.wait_until_taken(patience).is_ok() {
            std::thread::sleep(Duration::from_millis(fastrand::u64(0..1500)));
        }
        let killed = fastrand::bool();
        let held = if killed {
            holder.kill()
        } else {
            holder.terminate()
        };
        (held, killed)
    }
}
