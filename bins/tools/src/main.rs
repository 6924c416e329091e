//! `tools`: the programs of the image for steps that run in other images.

fn main() -> std::process::ExitCode {
    common::app::main(tools::run)
}
