//! SQLSTATEs: declared once, in `sql`, and nobody makes up others.

use std::collections::BTreeSet;

use super::rust_source::RustSource;
use super::tree::{Tree, Violation};
use super::{assert_found, assert_none, repository};

/// Where the states are declared, each with its meaning.
const DECLARED_IN: &str = "sql/src/error.rs";

/// Crates whose literals of this shape are states. In the others they may be anything.
const SPEAKERS: [&str; 4] = ["engine/src/", "raft-groups/src/", "sql/src/", "server/src/"];

/// Five digits and capitals, among them a digit: a literal of this shape is a SQLSTATE.
fn is_state(value: &str) -> bool {
    let is_shaped = value.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase());
    value.len() == 5 && is_shaped && value.contains(|c: char| c.is_ascii_digit())
}

/// Literals that look like a state are declared ones. What only tests is free: bad states are made up there.
fn sqlstates(tree: &Tree) -> Vec<Violation> {
    let declared = RustSource::of(tree.get(DECLARED_IN).unwrap_or_default()).literals;
    let declared: BTreeSet<String> =
        declared.into_iter().map(|l| l.value).filter(|value| is_state(value)).collect();
    if declared.is_empty() {
        return vec![Violation::of_file(DECLARED_IN, "declares no state")];
    }
    let mut found = Vec::new();
    let is_of_speaker = |path: &str| SPEAKERS.iter().any(|speaker| path.starts_with(speaker));
    let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/");
    for (path, text) in tree.rust().filter(|(path, _)| is_of_speaker(path) && !is_test(path)) {
        let source = RustSource::of(text);
        let tests_from = tests_from(&source.code);
        let literals = source.literals.iter().filter(|l| l.line <= tests_from && is_state(&l.value));
        let unknown = literals.filter(|literal| !declared.contains(&literal.value));
        found.extend(
            unknown.map(|l| Violation::of_line(path, l.line, format!("state {} is not declared", l.value))),
        );
    }
    found
}

/// The line where a file's own test module begins.
fn tests_from(code: &str) -> usize {
    let lines: Vec<&str> = code.lines().collect();
    let opens = |pair: &[&str]| {
        pair[0].contains("#[cfg(test)]") && pair[1].starts_with("mod ") && pair[1].contains('{')
    };
    lines.windows(2).position(opens).map_or(usize::MAX, |at| at + 1)
}

#[test]
fn sqlstates_are_declared() {
    assert_none(&sqlstates(&repository()));
}

#[test]
fn sqlstates_can_fail() {
    let tree = Tree::of(&[
        (DECLARED_IN, "sql_states! { SyntaxError = \"42601\", }"),
        (
            "server/src/wire.rs",
            "let a = \"42601\"; let b = \"42602\"; let c = \"HELLO\"; // \"42603\"\n#[cfg(test)]\nmod tests {\nlet d = \"99999\";",
        ),
        ("sql/src/session.rs", "#[cfg(test)]\nmod tests;\nlet a = \"42604\";"),
        ("server/src/wire/tests.rs", "let a = \"10000\";"),
        ("benches/src/lib.rs", "let a = \"12345\";"),
    ]);
    assert_found(
        &sqlstates(&tree),
        &["server/src/wire.rs:1: state 42602", "sql/src/session.rs:3: state 42604"],
    );
    assert_found(&sqlstates(&Tree::of(&[])), &["declares no state"]);
}
