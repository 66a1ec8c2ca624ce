//! Formats on disk and on the wire: a `*_format.rs` module has a version byte, and a fixture that a test reads.

use super::rust_source::RustSource;
use super::tree::{Tree, Violation};
use super::{assert_found, assert_none, repository};

/// Each format module declares `const …VERSION…: u8`, and some test of its crate names a fixture of it.
fn formats(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| path.ends_with("_format.rs")) {
        let source = RustSource::of(text);
        if !source.code_lines().any(|(_, code)| declares_version(code)) {
            found.push(Violation::of_file(path, "has no constant …VERSION…: u8"));
        }
        let stem = path.rsplit('/').next().and_then(|file| file.strip_suffix(".rs")).unwrap_or_default();
        if !has_fixture(tree, path, stem) {
            found.push(Violation::of_file(
                path,
                format!("no test names a file of fixtures/ that begins with {stem}"),
            ));
        }
    }
    found
}

fn declares_version(code: &str) -> bool {
    let Some((_, declared)) = code.split_once("const ") else { return false };
    let Some((name, kind)) = declared.split_once(':') else { return false };
    name.contains("VERSION") && kind.trim_start().starts_with("u8")
}

/// Whether a source of the same crate has a literal that names a tracked fixture of this format.
fn has_fixture(tree: &Tree, path: &str, stem: &str) -> bool {
    let folder = path.split('/').next().unwrap_or_default();
    let sources = tree.rust().filter(|(path, _)| path.split('/').next() == Some(folder));
    let names_it = |value: &str| {
        value.contains("fixtures/") && value.rsplit('/').next().is_some_and(|f| f.starts_with(stem))
    };
    sources.flat_map(|(_, text)| RustSource::of(text).literals).any(|literal| names_it(&literal.value))
}

#[test]
fn formats_have_versions_and_fixtures() {
    assert_none(&formats(&repository()));
}

#[test]
fn formats_can_fail() {
    let tree = Tree::of(&[
        ("engine/src/key_format.rs", "pub const KEY_VERSION: u8 = 1;\nlet f = \"fixtures/key_format_v1\";"),
        ("engine/src/log_format.rs", "const VERSION: u32 = 1;\nlet f = \"fixtures/key_format_v1\";"),
        ("sql/src/row_format.rs", "const VERSION: u8 = 1;"),
        ("engine/src/other.rs", "let f = \"fixtures/row_format_v1\";"),
    ]);
    let texts = ["log_format.rs: has no constant", "begins with log_format", "begins with row_format"];
    assert_found(&formats(&tree), &texts);
}
