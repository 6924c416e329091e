//! `make demo` with every step as a container of this image.

use std::path::Path;

use e2e::{TestEnvironment, binary, text};

use crate::docker::{image, succeed};
use crate::results::{Results, check_broken, check_good};

#[test]
fn the_demo_runs_with_every_step_as_a_container() {
    let environment = TestEnvironment::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/demo.sh");
    let mut command = environment.command(&script);
    if let Ok(engine) = std::env::var("DOCKER_HOST") {
        command.env("DOCKER_HOST", engine);
    }
    let output = command
        .env("DEMO_DIR", environment.path().join("demo"))
        .env("DEMO_BIN", binary("submit-e2e").parent().unwrap())
        .env("DEMO_IMAGE", image())
        .output()
        .unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{said}");
    let good = Results::of(&environment, 1, 1001);
    check_good(&good);
    let broken = Results::of(&environment, 2, 1002);
    check_broken(&broken);
    // Containers ran, and none is left.
    let manifest = good.text(&format!("{}.yaml", good.workflow()));
    assert!(
        manifest.contains(&format!("image: {}", image())),
        "{manifest}"
    );
    let folder = environment
        .path()
        .join("demo/pull-1/run")
        .join(good.workflow());
    let label = format!(
        "label=io.test-worker.run-folder={}",
        folder.canonicalize().unwrap().display()
    );
    assert_eq!(succeed(&["ps", "--all", "--quiet", "--filter", &label]), "");

    // The command that the log gives runs the failed step again, in a shell, with the same end.
    let log = broken.text("build-log.txt");
    let again = log
        .lines()
        .find(|line| line.contains("--step unit-tests"))
        .unwrap();
    let again = again.split_once("run-local ").unwrap().1;
    let mut shell = environment.command(Path::new("sh"));
    if let Ok(engine) = std::env::var("DOCKER_HOST") {
        shell.env("DOCKER_HOST", engine);
    }
    let bin = binary("run-local");
    let output = shell
        .arg("-c")
        .arg(format!("{} {again}", bin.display()))
        .output()
        .unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("not ok 6 - refuses a name that does not fit"),
        "{said}"
    );
    assert!(again.contains("--runtime docker"), "{again}");
}
