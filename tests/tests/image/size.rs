//! How large the image is, against its goals.

use std::process::{Command, Stdio};

use crate::docker::{image, succeed, tools_image};

const MB: u64 = 1_000_000;

/// The sizes of an image's layers, the lowest first.
fn layers(image: &str) -> Vec<u64> {
    let sizes = succeed(&["history", "--human=false", "--format={{.Size}}", image]);
    let mut sizes: Vec<u64> = sizes.lines().map(|line| line.parse().unwrap()).collect();
    sizes.reverse();
    sizes.retain(|size| *size > 0);
    sizes
}

/// What a registry would store: each layer compressed.
fn compressed(image: &str) -> u64 {
    let mut save = Command::new("docker")
        .args(["save", image])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let gzip = Command::new("gzip")
        .arg("-6")
        .stdin(save.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(save.wait().unwrap().success() && gzip.status.success());
    gzip.stdout.len() as u64
}

#[test]
fn the_image_is_within_its_goals() {
    let layers = layers(&image());
    let (base, all): (u64, u64) = (layers[0], layers.iter().sum());
    let compressed = compressed(&image());
    let tools: u64 = self::layers(&tools_image()).iter().sum();
    println!("base image: {} MB", base / MB);
    println!("on top of it: {} MB (goal: 150 MB)", (all - base) / MB);
    println!("compressed in all: {} MB (goal: 100 MB)", compressed / MB);
    println!("the tools alone: {} MB", tools / MB);
    assert!(all - base <= 150 * MB);
    assert!(compressed <= 100 * MB);
}
