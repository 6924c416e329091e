//! Writes down what the programs of the image are made of, from what cargo says of the workspace.
//!
//! cargo-about and cargo-cyclonedx do this as well. They are two more programs to compile for each
//! image, which takes longer than half of the programs that they would tell about.

mod checksums;
mod licences;
mod metadata;
mod opts;
mod sbom;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use common::app::App;
use common::{Error, Exit, Result, ResultExt, whole_file};

pub use opts::Opts;

use checksums::Checksums;
use metadata::{Metadata, Package, Parts};

/// Reads the metadata from stdin and writes all records.
#[expect(clippy::unused_async, reason = "every program's `run` is called so")]
pub async fn run(opts: Opts, _app: App) -> Result<Exit> {
    let mut text = String::new();
    let read = std::io::stdin().lock().read_to_string(&mut text);
    read.or_failed(|| "read the metadata from stdin")?;
    let metadata: Metadata = serde_json::from_str(&text).or_usage(
        || "read stdin, which is to be what `cargo metadata --format-version 1` prints",
    )?;
    let checksums = Checksums::read(&metadata.workspace_root)?;
    let made = sbom::Made {
        at: opts.time.and_then(time),
    };
    let programs = opts.programs.iter().map(|name| metadata.program(name));
    let programs: Vec<&Package> = programs.collect::<Result<_>>()?;
    let sboms = opts.to.join("sbom");
    fs::create_dir_all(&sboms).or_failed(|| format!("make the folder {}", sboms.display()))?;
    let mut all = Parts::default();
    for program in programs {
        let name = &program.name;
        let parts = metadata.parts_of(program);
        let document = sbom::document(program, &parts, &checksums, &made);
        let document = serde_json::to_vec_pretty(&document)
            .or_failed(|| format!("write {name} as a document"))?;
        write(&sboms.join(format!("{name}.cdx.json")), &document)?;
        all.merge(parts);
    }
    let licences = licences::collect(&all, &metadata.workspace_root)?;
    write(
        &opts.to.join("third-party-licences.txt"),
        licences.as_bytes(),
    )?;
    Ok(Exit::Success)
}

fn time(seconds: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = whole_file::replace(path, |mut file| file.write_all(bytes));
    written.map_err(|error| Error::failed(format!("write {}", path.display())).because(error))
}
