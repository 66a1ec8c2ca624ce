//! Formats on disk and on the wire: a `*_format.rs` module has a version byte, and fixtures that a test reads.

use super::rust_source::RustSource;
use super::tree::{Tree, Violation};
use super::{assert_found, assert_none, repository};

/// Formats too small for a version byte of their own, and the byte that tells their layout instead.
const UNVERSIONED: [(&str, &str); 2] = [
    (
        "engine/src/mvcc/key_format.rs",
        "the last byte of a key is the length of its suffix; another layout has another",
    ),
    ("engine/src/mvcc/version_format.rs", "the first byte is a tag; another shape has another"),
];

/// Each format module declares `const …VERSION: u8`, and its tests check bytes against a tracked fixture.
fn formats(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| path.ends_with("_format.rs")) {
        let is_exempt = UNVERSIONED.iter().any(|(exempt, _)| *exempt == path);
        let source = RustSource::of(text);
        if !is_exempt && !source.code_lines().any(|(_, code)| declares_version(code)) {
            found.push(Violation::of_file(path, "has no constant …VERSION: u8"));
        }
        let tests = path.replace(".rs", "/tests.rs");
        let tests = tree.get(&tests).map(RustSource::of);
        if !has_fixture(tree, path, &source) && !tests.is_some_and(|tests| has_fixture(tree, path, &tests)) {
            found.push(Violation::of_file(path, "no test of it names a file of its crate's fixtures/"));
        }
    }
    found
}

fn declares_version(code: &str) -> bool {
    let Some((_, declared)) = code.split_once("const ") else { return false };
    let Some((name, kind)) = declared.split_once(':') else { return false };
    name.ends_with("VERSION") && kind.trim_start().starts_with("u8")
}

/// Whether the source calls something of fixtures, and has a literal that is the name of a tracked one of its crate.
fn has_fixture(tree: &Tree, path: &str, source: &RustSource) -> bool {
    let folder = format!("{}/fixtures/", path.split('/').next().unwrap_or_default());
    let fixtures = tree.files().filter_map(|(path, _)| path.strip_prefix(&folder)?.split('.').next());
    let fixtures: Vec<&str> = fixtures.collect();
    let last_of =
        |value: &str| value.rsplit('/').next().and_then(|file| file.split('.').next()).map(str::to_owned);
    let names = source.literals.iter().filter_map(|literal| last_of(&literal.value));
    source.code.contains("fixture") && names.into_iter().any(|name| fixtures.contains(&name.as_str()))
}

#[test]
fn formats_have_versions_and_fixtures() {
    let tree = repository();
    for (path, _) in UNVERSIONED {
        assert!(tree.get(path).is_some(), "{path} is gone: take it off the list");
    }
    assert_none(&formats(&tree));
}

#[test]
fn formats_can_fail() {
    let tree = Tree::of(&[
        ("engine/src/key_format.rs", "pub const KEY_VERSION: u8 = 1;\nfixture::check(\"fixtures/key.hex\");"),
        (
            "engine/src/log_format.rs",
            "const VERSION: u32 = 1;\nconst VERSION_BYTES: u8 = 1;\nfixture::check(\"key\");",
        ),
        ("engine/src/vote_format.rs", "const VERSION: u8 = 1;"),
        ("engine/src/vote_format/tests.rs", "fixture::check(\"key\");"),
        ("engine/fixtures/key.hex", "00"),
        ("sql/src/row_format.rs", "const VERSION: u8 = 1; fixture::check(\"key\");"),
        ("sql/src/index_format.rs", "const VERSION: u8 = 1; // fixture: \"row\""),
        ("sql/fixtures/row.hex", "00"),
    ]);
    let texts = ["log_format.rs: has no constant", "row_format.rs: no test", "index_format.rs: no test"];
    assert_found(&formats(&tree), &texts);
}
