//! `records`: what the programs of the image are made of.

fn main() -> std::process::ExitCode {
    common::app::main(records::run)
}
