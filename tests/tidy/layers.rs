//! Modules of `sql` that others build on: what they may know of their crate, so that data does not depend on those who
//! make it or work on it.

use super::rust_source::RustSource;
use super::tree::{Tree, Violation};
use super::{assert_found, assert_none, repository};

/// A module (its file and its folder), and the modules of its crate that it may name besides itself.
const LAYERS: [(&str, &[&str]); 3] = [
    ("sql/src/types", &["error"]),
    ("sql/src/plan", &["catalog", "expr", "storage", "types"]),
    ("sql/src/optimize", &["catalog", "error", "expr", "parser", "plan", "storage", "types"]),
];

/// No file of a layer names another module than those; tests may.
fn layers(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| !path.ends_with("/tests.rs")) {
        let is_of =
            |layer: &str| path.strip_prefix(layer).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'));
        let Some((layer, allowed)) = LAYERS.iter().find(|(layer, _)| is_of(layer)) else { continue };
        let own = layer.rsplit('/').next().unwrap_or_default();
        let source = RustSource::of(text);
        for (line, code) in source.code_lines() {
            let strangers = named(code).filter(|name| *name != own && !allowed.contains(name));
            found.extend(
                strangers.map(|name| Violation::of_line(path, line, format!("{own} must not know {name}"))),
            );
        }
    }
    found
}

/// The modules that a line names as `crate::module`.
fn named(code: &str) -> impl Iterator<Item = &str> {
    code.match_indices("crate::").filter_map(|(at, found)| {
        let rest = code.get(at + found.len()..)?;
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        rest.get(..end)
    })
}

#[test]
fn layers_hold() {
    assert_none(&layers(&repository()));
}

#[test]
fn layers_can_fail() {
    let tree = Tree::of(&[
        ("sql/src/plan.rs", "//! Made by crate::planner.\nuse crate::plan::node;"),
        ("sql/src/plan/node.rs", "use crate::expr::Expr;\nuse crate::bind::Bound;"),
        ("sql/src/planner.rs", "use crate::bind::Bound;"),
        ("sql/src/types/builtin/uuid.rs", "use $crate::types::Datum; let x = crate::storage::put();"),
        ("sql/src/optimize/tests.rs", "use crate::bind::Bound;"),
    ]);
    assert_found(
        &layers(&tree),
        &["node.rs:2: plan must not know bind", "uuid.rs:1: types must not know storage"],
    );
}
