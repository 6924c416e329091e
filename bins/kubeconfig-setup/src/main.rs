//! See the library for what it does.

fn main() -> std::process::ExitCode {
    common::app::main(kubeconfig_setup::run)
}
