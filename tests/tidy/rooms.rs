//! Third-party APIs enter through one room each: only its files may name the crate.

use super::rust_source::RustSource;
use super::tree::{Tree, Violation};
use super::{assert_found, assert_none, repository};

/// A crate's name in code, and the beginnings of the paths that may say it.
const ROOMS: [(&str, &[&str]); 14] = [
    ("openraft", &["raft-groups/src/raft/"]),
    ("rocksdb", &["engine/src/rocks.rs", "engine/src/rocks/"]),
    ("regex", &["sql/src/expr/regex.rs"]),
    ("rustyline", &["server/src/shell/editor.rs"]),
    ("sqlparser", &["sql/src/parser/", "sql/src/parser.rs"]),
    ("tonic", &["server/", "benches/src/systems/etcd/"]),
    ("tonic_prost", &["server/", "benches/src/systems/etcd/"]),
    ("prost", &["raft-groups/src/wire/", "server/src/rpc/", "benches/src/systems/etcd/"]),
    ("pgwire", &["server/"]),
    ("axum", &["server/"]),
    ("tokio_postgres", &["server/", "benches/", "tests/interop/clients/"]),
    ("thread_priority", &["server/src/threads.rs"]),
    ("hyper_util", &["server/src/rpc/"]),
    ("tower", &["server/src/rpc/"]),
];

/// No file outside a crate's room names it in a path or an import.
fn rooms(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust() {
        let strangers: Vec<&str> = ROOMS
            .iter()
            .filter(|(_, homes)| !homes.iter().any(|home| path.starts_with(home)))
            .map(|(name, _)| *name)
            .collect();
        let source = RustSource::of(text);
        for (line, code) in source.code_lines() {
            let named = strangers.iter().filter(|name| names_crate(code, name));
            found.extend(
                named.map(|name| Violation::of_line(path, line, format!("{name} has its room elsewhere"))),
            );
        }
    }
    found
}

/// Whether the line says `name::`, `use name` or `extern crate name`, as a word of its own and not below another path.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let is_word = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let is_below =
            before.ends_with("::") && before.trim_end_matches("::").ends_with(|c: char| c.is_alphanumeric());
        let is_path = after.starts_with("::");
        let is_import = (before.trim_end().ends_with("use") || before.trim_end().ends_with("crate"))
            && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        is_word && !is_below && (is_path || is_import)
    })
}

#[test]
fn rooms_hold() {
    assert_none(&rooms(&repository()));
}

#[test]
fn rooms_can_fail() {
    let tree = Tree::of(&[
        ("raft-groups/src/raft/types.rs", "use openraft::Raft;"),
        (
            "raft-groups/src/replica.rs",
            "//! About openraft::Raft.\nuse crate::raft::openraft_types;\nfn f(_: openraft::Vote) {}",
        ),
        ("engine/src/rocks.rs", "use rocksdb::DB;"),
        ("engine/src/store.rs", "use rocksdb;\nlet s = \"rocksdb::DB\"; let x = crate::rocksdb::open();"),
        ("sql/src/bind.rs", "use {sqlparser::ast, std::fmt};\nfn my_sqlparser::x()"),
        ("server/src/pgwire.rs", "use pgwire::api; use crate::pgwire::x;"),
        ("benches/src/peer.rs", "use ::tonic::Status;"),
        ("raft-groups/src/wire/pieces.rs", "#[derive(prost::Message)]"),
        ("raft-groups/src/api.rs", "#[derive(prost::Message)]"),
    ]);
    let texts = [
        "replica.rs:3: openraft",
        "store.rs:1: rocksdb",
        "bind.rs:1: sqlparser",
        "peer.rs:1: tonic",
        "api.rs:1: prost",
    ];
    assert_found(&rooms(&tree), &texts);
}
