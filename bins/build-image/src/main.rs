//! See the library for what it does.

fn main() -> std::process::ExitCode {
    build_image::enter().unwrap_or_else(|| common::app::main(build_image::run))
}
