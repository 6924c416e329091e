//! See the library for what it does.

fn main() -> std::process::ExitCode {
    // An evaluation, and a child with a private view of the file system, start as this program.
    submit_e2e::enter().unwrap_or_else(|| common::app::main_as(submit_e2e::called, submit_e2e::run))
}
