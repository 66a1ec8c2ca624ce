//! Runs every script of a folder (see the crate `goldenscript` for their form).

use std::path::{Path, PathBuf};

/// Runs all scripts of `folder`, in the order of their names, each on a new runner.
///
/// # Panics
/// Where a script fails or its output differs, with the script's name; and for a folder without scripts, which would
/// be a test that cannot fail.
pub fn run_folder<R: goldenscript::Runner>(folder: impl AsRef<Path>, mut runner: impl FnMut() -> R) {
    let folder = folder.as_ref();
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("folders can be listed").path())
        .filter(|path| path.extension().is_none())
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "{} holds no scripts", folder.display());
    for script in scripts {
        println!("script {}", script.display());
        goldenscript::run(&mut runner(), &script)
            .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    }
}

/// Bytes of a script's word: escapes as Rust has them in byte strings (`\x00`, `\n`, `\\`).
///
/// # Panics
/// For an escape that is none.
pub fn unescape(word: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'x') => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                out.push(u8::from_str_radix(&digits, 16).expect("two hex digits follow \\x"));
            }
            Some(b'n') => out.push(b'\n'),
            Some(b'\\') => out.push(b'\\'),
            other => panic!("no such escape: {other:?}"),
        }
    }
    out
}
