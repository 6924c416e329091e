use super::*;

const LIMITS: Limits = Limits {
    deadline: None,
    grace: Duration::from_millis(200),
};

fn shell(script: &str) -> Command {
    Command::new("sh").args(["-c", script])
}

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

fn alive(pid: &str) -> bool {
    // A killed process stays a zombie until its new parent reaps it.
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !(status.is_empty() || status.contains(") Z ") || status.contains(") X "))
}

#[test]
fn streams_are_kept_apart_or_in_order() {
    on_a_runtime(async {
        let script = "echo a; echo b >&2; echo c; exit 3";
        let apart = capture(&shell(script), LIMITS, &Stop::never(), 100)
            .await
            .unwrap();
        assert_eq!((apart.ended.code(), apart.ended.cause), (3, Cause::Itself));
        assert_eq!(apart.stdout, b"a\nc\n");
        assert_eq!(apart.stderr, b"b\n");
        let merged = capture(&shell(script).merge_output(), LIMITS, &Stop::never(), 3)
            .await
            .unwrap();
        assert_eq!(merged.stdout, b"a\nb");
    });
}

#[test]
fn what_the_child_leaves_in_its_group_is_killed_at_its_end() {
    on_a_runtime(async {
        let left = shell("sleep 100 & echo $!");
        let start = Instant::now();
        let captured = capture(&left, LIMITS, &Stop::never(), 100).await.unwrap();
        assert!(captured.ended.success());
        let pid = String::from_utf8(captured.stdout).unwrap();
        // The kernel takes a moment between the signal and the end.
        while alive(pid.trim()) && start.elapsed() < Duration::from_secs(50) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(start.elapsed() < Duration::from_secs(50));
    });
}

#[test]
fn a_process_that_fled_the_group_does_not_hold_up_the_end() {
    on_a_runtime(async {
        let fled = shell("setsid sleep 3 & echo up");
        let start = Instant::now();
        let captured = capture(&fled, LIMITS, &Stop::never(), 100).await.unwrap();
        assert_eq!(captured.stdout, b"up\n");
        assert!(start.elapsed() < Duration::from_secs(2));
    });
}

#[test]
fn a_process_that_fled_and_never_stops_writing_does_not_hold_up_the_end() {
    on_a_runtime(async {
        let fled = shell("echo up; setsid timeout 20 yes & sleep 0.3");
        let start = Instant::now();
        let captured = capture(&fled, LIMITS, &Stop::never(), 3).await.unwrap();
        assert_eq!(captured.stdout, b"up\n");
        assert!(start.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn a_deadline_ends_a_group_that_ignores_the_first_signal() {
    on_a_runtime(async {
        let stubborn = shell("trap '' TERM; echo up; while :; do sleep 0.05; done");
        let limits = Limits {
            deadline: Some(Instant::now() + Duration::from_millis(300)),
            ..LIMITS
        };
        let captured = capture(&stubborn, limits, &Stop::never(), 100)
            .await
            .unwrap();
        assert_eq!(captured.ended.cause, Cause::Deadline);
        assert_eq!(captured.ended.code(), 137);
        assert_eq!(captured.stdout, b"up\n");
    });
}

#[test]
fn a_stop_passes_its_signal_on_to_the_whole_group() {
    on_a_runtime(async {
        let (handle, stop) = Stop::by_hand();
        let script = "trap 'echo asked; exit 9' INT; echo up; sleep 100 & wait";
        let command = shell(script);
        let running = capture(&command, LIMITS, &stop, 100);
        let asking = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            handle.stop(2);
        };
        let (captured, ()) = tokio::join!(running, asking);
        let captured = captured.unwrap();
        assert_eq!(captured.ended.cause, Cause::Stopped(2));
        assert_eq!(captured.ended.code(), 9);
        assert_eq!(captured.stdout, b"up\nasked\n");
    });
}

#[test]
fn the_longest_grace_time_that_there_is_does_not_overflow() {
    on_a_runtime(async {
        let (handle, stop) = Stop::by_hand();
        handle.stop(15);
        handle.stop(15);
        let limits = Limits {
            deadline: None,
            grace: Duration::MAX,
        };
        limits.over(&stop).await;
    });
}

#[test]
fn commands_are_printed_as_a_shell_takes_them() {
    let command = Command::new("run-local").args(["--step", "it's a; test", "-p", "a=$b"]);
    assert_eq!(
        command.to_string(),
        "run-local --step \"it's a; test\" -p 'a=$b'"
    );
}

#[test]
fn an_endless_grace_time_is_no_overflow() {
    on_a_runtime(async {
        let limits = Limits {
            deadline: Some(Instant::now()),
            grace: Duration::MAX,
        };
        let stop = Stop::never();
        let over = limits.over(&stop);
        let waited = tokio::time::timeout(Duration::from_millis(50), over).await;
        assert!(waited.is_err());
    });
}
