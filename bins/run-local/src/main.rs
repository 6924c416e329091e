//! `run-local`: a Workflow, or one step of it, on this machine.

fn main() -> std::process::ExitCode {
    // A step's process starts as this program, which then becomes the step's command.
    run_local::enter().unwrap_or_else(|| common::app::main(run_local::run))
}
