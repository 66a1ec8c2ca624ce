//! Modules of `sql` that others build on: what they may know of their crate, so that data does not depend on those who
//! make it or work on it; and the parts of a cluster's member, of which each may be understood without those above it.

use super::rust_source::RustSource;
use super::tree::{Tree, Violation};
use super::{assert_found, assert_none, repository};

/// A module (its file and its folder), and the modules of its crate that it may name besides itself.
const LAYERS: [(&str, &[&str]); 3] = [
    ("sql/src/types", &["error", "limits"]),
    ("sql/src/plan", &["catalog", "expr", "storage", "types"]),
    ("sql/src/optimize", &["catalog", "error", "expr", "limits", "plan", "storage", "types"]),
];

/// A part of a cluster's member (its file or its folder), and the parts that it must not name.
const PARTS: [(&str, &[&str]); 4] = [
    ("raft-groups/src/cluster/directory", &["agent", "calls", "leader", "member"]),
    ("raft-groups/src/cluster/calls", &["agent", "leader", "member"]),
    ("raft-groups/src/cluster/leader", &["agent", "member"]),
    ("raft-groups/src/cluster/agent", &["leader", "member"]),
];

fn is_in(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// No part names one of those; tests may.
fn parts(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| !path.ends_with("/tests.rs")) {
        let Some((part, strangers)) = PARTS.iter().find(|(part, _)| is_in(path, part)) else { continue };
        let own = part.rsplit('/').next().unwrap_or_default();
        // What the head of a folder calls `super` is the cluster.
        let is_head = path.ends_with("/mod.rs") || !path.contains(&format!("/{own}/"));
        let source = RustSource::of(text);
        for (line, code) in source.code_lines() {
            let above = named_after(code, "super::").filter(|_| is_head);
            let named = named_after(code, "cluster::").chain(above).filter(|name| strangers.contains(name));
            found.extend(
                named.map(|name| Violation::of_line(path, line, format!("{own} must not know {name}"))),
            );
        }
    }
    found
}

/// No file of a layer names another module than those; tests may.
fn layers(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| !path.ends_with("/tests.rs")) {
        let Some((layer, allowed)) = LAYERS.iter().find(|(layer, _)| is_in(path, layer)) else { continue };
        let own = layer.rsplit('/').next().unwrap_or_default();
        let source = RustSource::of(text);
        for (line, code) in source.code_lines() {
            let strangers =
                named_after(code, "crate::").filter(|name| *name != own && !allowed.contains(name));
            found.extend(
                strangers.map(|name| Violation::of_line(path, line, format!("{own} must not know {name}"))),
            );
        }
    }
    found
}

/// The modules that a line names behind this.
fn named_after<'a>(code: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(before).filter_map(|(at, found)| {
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

#[test]
fn parts_hold() {
    assert_none(&parts(&repository()));
}

#[test]
fn parts_can_fail() {
    let tree = Tree::of(&[
        ("raft-groups/src/cluster/agent/mod.rs", "use super::calls::Calls;\nuse super::leader::Leader;"),
        ("raft-groups/src/cluster/agent/publish.rs", "//! See cluster::leader.\nuse super::leader;"),
        ("raft-groups/src/cluster/leader/view.rs", "use crate::cluster::agent::Agent;"),
        ("raft-groups/src/cluster/calls.rs", "use super::member::Member;"),
        ("raft-groups/src/cluster/member.rs", "use super::agent::Agent;"),
    ]);
    assert_found(
        &parts(&tree),
        &["mod.rs:2: agent must not know leader", "view.rs:1: leader must not", "calls.rs:1: calls must not"],
    );
}
