//! Sources: heads, sizes, nothing unfinished, no test that is not run, no lint exception without a reason.

use super::manifest::entries;
use super::rust_source::RustSource;
use super::tree::{Tree, Violation};
use super::{assert_found, assert_none, repository};

/// Lines beyond which a file must be cut.
const FILE_LINES_MAX: usize = 1000;
/// Lines from which on one should ask whether it is one concept.
const FILE_LINES_ASK: usize = 600;

/// Every source opens with `//!` and says something.
fn heads(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        match text.lines().next().and_then(|first| first.strip_prefix("//!")) {
            None => found.push(Violation::of_file(path, "does not open with //! and what it is")),
            Some(head) if head.trim().len() < 10 => {
                found.push(Violation::of_file(path, "its head says nothing"))
            }
            Some(_) => {}
        }
    }
    found
}

/// No source is longer than [`FILE_LINES_MAX`].
fn sizes(tree: &Tree) -> Vec<Violation> {
    let long = tree.rust().filter(|(_, text)| text.lines().count() > FILE_LINES_MAX);
    long.map(|(path, text)| Violation::of_file(path, format!("{} lines", text.lines().count()))).collect()
}

/// No source has a hole where code should be, or a mark that says so.
fn unfinished(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        let source = RustSource::of(text);
        for (line, code) in source.code_lines() {
            if code.contains("todo!") || code.contains("unimplemented!") {
                found.push(Violation::of_line(path, line, "code that is not there yet"));
            }
        }
        for (line, comment) in (1..).zip(source.comments.lines()) {
            if ["FIXME", "XXX", "TODO"].iter().any(|mark| comment.contains(mark)) {
                found.push(Violation::of_line(path, line, "a mark for later: do it, or open an issue"));
            }
        }
    }
    found
}

/// Every test is run.
fn ignored_tests(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        for (line, code) in RustSource::of(text).code_lines() {
            let code: String = code.split_whitespace().collect();
            if code.contains("#[ignore") || (code.contains("cfg_attr(") && code.contains(",ignore")) {
                found.push(Violation::of_line(path, line, "a test that is not run"));
            }
        }
    }
    found
}

/// A file of tests has tests, or modules that do.
fn empty_tests(tree: &Tree) -> Vec<Violation> {
    let is_empty = |text: &str| {
        let code = RustSource::of(text).code;
        !code.contains("test]")
            && !code.contains("::test(")
            && !code.lines().any(|line| line.starts_with("mod "))
    };
    let files =
        tree.rust().filter(|(path, _)| path.ends_with("/tests.rs") || path.ends_with("/tests/mod.rs"));
    let found = files.filter(|(_, text)| is_empty(text));
    found.map(|(path, _)| Violation::of_file(path, "a file of tests without a test")).collect()
}

/// A lint is silenced by `expect` with a reason, so that the exception goes when it is no longer needed.
fn lint_exceptions(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        let code = RustSource::of(text).code;
        for (at, _) in code.match_indices("allow(").chain(code.match_indices("expect(")) {
            let before = code[..at].trim_end();
            let is_attribute = before.ends_with("#[") || before.ends_with("#![") || is_in_cfg_attr(before);
            if !is_attribute {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            let end = code[at..].find(']').map_or(code.len(), |len| at + len);
            if code[at..].starts_with("allow") {
                found.push(Violation::of_line(path, line, "allow: use expect, with a reason"));
            } else if !code[at..end].contains("reason") {
                found.push(Violation::of_line(path, line, "expect without a reason"));
            }
        }
    }
    found
}

fn is_in_cfg_attr(before: &str) -> bool {
    before.ends_with(',') && before.rfind("cfg_attr(").is_some_and(|at| !before[at..].contains(']'))
}

/// Integration tests of a crate are modules of one `tests/main.rs`: linking is what takes the time. Cargo makes a binary
/// of every file in `tests`, unless the manifest turns that off.
fn test_binaries(tree: &Tree) -> Vec<Violation> {
    let is_second = |path: &str| {
        let Some((folder, file)) = path.split_once("/tests/") else { return false };
        !folder.contains('/') && !file.contains('/') && file != "main.rs" && !declares_one_test(tree, folder)
    };
    let found = tree.rust().filter(|(path, _)| is_second(path));
    found
        .map(|(path, _)| Violation::of_file(path, "a second test binary; make it a module of main.rs"))
        .collect()
}

/// Whether a crate's manifest turns the search for test binaries off and names at most one.
fn declares_one_test(tree: &Tree, folder: &str) -> bool {
    let all = entries(tree.get(&format!("{folder}/Cargo.toml")).unwrap_or_default());
    let is_off = all.iter().any(|e| e.section == "package" && e.key == "autotests" && e.value == "false");
    is_off && all.iter().filter(|e| e.section == "test" && e.key == "name").count() <= 1
}

#[test]
fn heads_say_what_a_file_is() {
    assert_none(&heads(&repository()));
}

#[test]
fn heads_can_fail() {
    let tree = Tree::of(&[
        ("a.rs", "//! What it is.\n"),
        ("b.rs", "use std::fmt;\n"),
        ("c.rs", "//! Stub.\n"),
        ("d.rs", ""),
    ]);
    assert_found(
        &heads(&tree),
        &["b.rs: does not open", "c.rs: its head says nothing", "d.rs: does not open"],
    );
}

#[test]
fn sizes_stay_below_the_wall() {
    let tree = repository();
    for (path, text) in tree.rust().filter(|(_, text)| text.lines().count() > FILE_LINES_ASK) {
        println!("note: {path} has {} lines: is it one concept?", text.lines().count());
    }
    assert_none(&sizes(&tree));
}

#[test]
fn sizes_can_fail() {
    let (wall, beyond) = ("\n".repeat(FILE_LINES_MAX), "\n".repeat(FILE_LINES_MAX + 1));
    assert_found(&sizes(&Tree::of(&[("a.rs", &wall), ("b.rs", &beyond)])), &["b.rs: 1001 lines"]);
}

#[test]
fn unfinished_code_is_absent() {
    assert_none(&unfinished(&repository()));
}

#[test]
fn unfinished_can_fail() {
    let tree = Tree::of(&[
        ("a.rs", "fn f() { todo!() }\nlet s = \"todo!() FIXME\";\n"),
        ("b.rs", "// FIXME: later\nfn g() { unimplemented!(\"x\") }"),
    ]);
    assert_found(&unfinished(&tree), &["a.rs:1: code", "b.rs:1: a mark", "b.rs:2: code"]);
}

#[test]
fn ignored_tests_are_absent() {
    assert_none(&ignored_tests(&repository()));
}

#[test]
fn ignored_tests_can_fail() {
    let tree = Tree::of(&[(
        "a.rs",
        "#[test]\n#[ignore = \"slow\"]\nfn f() {}\n// #[ignore]\n#[cfg_attr(not(ci), ignore)]\n",
    )]);
    assert_found(&ignored_tests(&tree), &["a.rs:2", "a.rs:5"]);
}

#[test]
fn empty_tests_are_absent() {
    assert_none(&empty_tests(&repository()));
}

#[test]
fn empty_tests_can_fail() {
    let tree = Tree::of(&[
        ("a/tests.rs", "//! Tests, #[test] all of them."),
        ("b/tests.rs", "#[tokio::test(start_paused = true)]\nasync fn f() {}"),
        ("c/tests.rs", "mod formats;"),
        ("d/tests.rs", "#[test]\nfn f() {}"),
    ]);
    assert_found(&empty_tests(&tree), &["a/tests.rs: a file of tests without a test"]);
}

#[test]
fn lint_exceptions_have_reasons() {
    assert_none(&lint_exceptions(&repository()));
}

#[test]
fn lint_exceptions_can_fail() {
    let tree = Tree::of(&[(
        "a.rs",
        "#![allow(dead_code)]\n#[expect(\n    clippy::x,\n    reason = \"y\"\n)]\n#[expect(clippy::x)]\nlet v = f.expect(\"z\");\n#[cfg_attr(test, allow(clippy::x))]\n",
    )]);
    assert_found(&lint_exceptions(&tree), &["a.rs:1: allow", "a.rs:6: expect without", "a.rs:8: allow"]);
}

#[test]
fn test_binaries_are_one_per_crate() {
    assert_none(&test_binaries(&repository()));
}

#[test]
fn test_binaries_can_fail() {
    let tree = Tree::of(&[
        ("sql/tests/main.rs", ""),
        ("sql/tests/slt/run.rs", ""),
        ("sql/tests/other.rs", ""),
        ("tests/tidy.rs", ""),
        ("server/Cargo.toml", "[package]\nautotests = false\n[[test]]\nname = \"e2e\"\n"),
        ("server/tests/kills.rs", ""),
        (
            "engine/Cargo.toml",
            "[package]\nautotests = false\n[[test]]\nname = \"a\"\n[[test]]\nname = \"b\"\n",
        ),
        ("engine/tests/b.rs", ""),
    ]);
    assert_found(&test_binaries(&tree), &["sql/tests/other.rs: a second", "engine/tests/b.rs: a second"]);
}
