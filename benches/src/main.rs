//! The figures of the README, each against its limit or its peer. `make bench` builds the
//! release binaries and runs this; it prints a Markdown table and exits 1 where a limit is
//! missed.

mod argo;
mod checkout;
mod figure;
mod image;
mod job;
mod output;
mod overhead;
mod process;
mod rendering;
mod repository;
mod selection;
mod start_up;
mod test_stream;
mod token;
mod upload;

use std::io::Write;
use std::process::ExitCode;

use figure::Figure;

/// What a measurement gives; an error says what could not be measured.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// One part of the measurements.
type Measure = fn() -> Outcome<Vec<Figure>>;

fn main() -> ExitCode {
    match measure() {
        Ok(figures) if figures.iter().all(Figure::is_good) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            // Where stderr is gone there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "benches: {error}");
            ExitCode::from(2)
        }
    }
}

/// Tells something beside the figures.
fn note(text: &str) -> Outcome<()> {
    Ok(writeln!(std::io::stderr(), "{text}")?)
}

/// Measures one thing after the other, so that none disturbs another.
fn measure() -> Outcome<Vec<Figure>> {
    if cfg!(debug_assertions) {
        return Err("the figures are those of release binaries: run `make bench`".into());
    }
    let parts: [(&str, Measure); 11] = [
        ("start-up", start_up::measure),
        ("overhead", overhead::measure),
        ("output", output::measure),
        ("checkout", checkout::measure),
        ("selection", selection::measure),
        ("rendering", rendering::measure),
        ("test-stream", test_stream::measure),
        ("upload", upload::measure),
        ("image", image::measure),
        ("token", token::measure),
        ("argo", argo::measure),
    ];
    // Some of them by name, or all.
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|own| own == name);
    let mut figures = Vec::new();
    let mut stdout = std::io::stdout();
    let cores = std::thread::available_parallelism()?;
    writeln!(stdout, "On {cores} cores:\n\n{}", figure::HEADER)?;
    for (_, part) in parts.into_iter().filter(|(name, _)| is_wanted(name)) {
        for figure in part()? {
            writeln!(stdout, "{figure}")?;
            figures.push(figure);
        }
    }
    Ok(figures)
}
