//! Fixture files: bytes of a format as hexadecimal text, sixteen bytes a line, so that a diff can be read.
//!
//! A fixture is the promise that what an older release wrote can be read. `UPDATE_GOLDENFILES=1` writes them anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Compares bytes with the fixture `name` of a crate (its `CARGO_MANIFEST_DIR`), and gives back what the file holds.
///
/// # Panics
/// Where the file is missing, or says something else.
pub fn check(crate_dir: &str, name: &str, bytes: &[u8]) -> Vec<u8> {
    let path: PathBuf = Path::new(crate_dir).join("fixtures").join(format!("{name}.hex"));
    let wanted = hex(bytes);
    if std::env::var("UPDATE_GOLDENFILES").is_ok_and(|value| value == "1") {
        std::fs::write(&path, &wanted).expect("fixtures can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(found, wanted, "the format differs from {}", path.display());
    unhex(&found)
}

/// Hexadecimal text, sixteen bytes a line.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(16) {
        for byte in line {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text
}

/// The bytes of such a text.
fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).expect("hex digit")).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair.iter().fold(0, |sum, digit| sum * 16 + digit)).expect("two digits"))
        .collect()
}
