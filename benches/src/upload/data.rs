//! Files such as jobs leave, the same in each run.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Fills a file of so many bytes.
type Fill = fn(&mut Random, usize) -> Vec<u8>;

/// What files are full of.
pub(crate) const KINDS: [(&str, Fill); 2] = [("incompressible", noise), ("text", text)];

/// 2,000 files of 1 to 150 KiB and four of 100 MB.
pub(crate) fn job(folder: &Path, fill: Fill) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut random = Random(1);
    for number in 0..2000 {
        let size = 1024 + random.below(149 * 1024);
        fs::write(
            folder.join(format!("{number}.log")),
            fill(&mut random, size),
        )?;
    }
    for number in 0..4 {
        let content = fill(&mut random, 100_000_000);
        fs::write(folder.join(format!("large-{number}.log")), content)?;
    }
    Ok(())
}

/// Many small files, 500 a folder.
pub(crate) fn many(folder: &Path, count: usize) -> io::Result<()> {
    for number in 0..count {
        let within = folder.join((number / 500).to_string());
        if number % 500 == 0 {
            fs::create_dir_all(&within)?;
        }
        fs::write(within.join(number.to_string()), number.to_string())?;
    }
    Ok(())
}

/// One file with a hole in place of content.
pub(crate) fn large(folder: &Path, size: u64) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    File::create(folder.join("core"))?.set_len(size)
}

fn noise(random: &mut Random, size: usize) -> Vec<u8> {
    let mut content = Vec::with_capacity(size + 8);
    while content.len() < size {
        content.extend_from_slice(&random.next().to_ne_bytes());
    }
    content.truncate(size);
    content
}

/// Lines as of a test's log.
fn text(random: &mut Random, size: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "ok",
        "failed",
        "running",
        "test",
        "package",
        "controller",
        "reconcile",
        "widget",
        "pod",
        "node",
        "image",
        "pull",
        "error",
        "warning",
        "namespace",
        "deployed",
    ];
    let mut text = String::with_capacity(size + 200);
    while text.len() < size {
        let number = random.next();
        let _ = write!(
            text,
            "2026-11-23T17:{:02}:{:02}Z",
            number % 60,
            number / 60 % 60
        );
        for _ in 0..8 {
            let word = WORDS[random.below(WORDS.len())];
            let _ = write!(text, " {word}");
        }
        let _ = writeln!(text, " id={:08x}", number >> 32);
    }
    text.truncate(size);
    text.into_bytes()
}

/// xorshift64*: the same numbers in each run.
pub(crate) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap_or_default()
    }
}

/// Files as of a source tree: 0 to 8 KiB of text, 100 a folder.
pub(crate) fn sources(folder: &Path, count: usize) -> io::Result<()> {
    let mut random = Random(1);
    for number in 0..count {
        let within = folder.join(format!("package-{}", number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&within)?;
        }
        let size = random.below(8 * 1024);
        fs::write(within.join(format!("{number}.go")), text(&mut random, size))?;
    }
    Ok(())
}

/// So many bytes that no compression makes smaller.
pub(crate) fn incompressible(file: &Path, size: usize) -> io::Result<()> {
    const BLOCK: usize = 1 << 20;
    let mut random = Random(1);
    let mut file = io::BufWriter::new(File::create(file)?);
    for _ in 0..size / BLOCK {
        io::Write::write_all(&mut file, &noise(&mut random, BLOCK))?;
    }
    io::Write::flush(&mut file)
}
