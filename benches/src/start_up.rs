//! How fast a binary starts, and how large it is.

use std::process::Command;

use crate::Outcome;
use crate::figure::{Figure, median};
use crate::process::{binary, time};

const BINARIES: [&str; 6] = [
    "checkout",
    "kubeconfig-setup",
    "run-local",
    "run-tests",
    "submit-e2e",
    "upload-artifacts",
];
const RUNS: usize = 20;

pub(crate) fn measure() -> Outcome<Vec<Figure>> {
    let mut figures = Vec::new();
    for name in BINARIES {
        let path = binary(name)?;
        let size = std::fs::metadata(&path)?.len();
        let times = (0..RUNS)
            .map(|_| time(Command::new(&path).arg("--help")))
            .collect::<Outcome<Vec<_>>>()?;
        let what = format!("`{name} --help`, median of {RUNS}");
        figures.push(Figure::milliseconds(what, median(times)).at_most(10.0));
        figures.push(Figure::megabytes(format!("size of `{name}`"), size).at_most(20.0));
    }
    Ok(figures)
}
