//! Nothing of the machine that a file was written on: no private paths, no hosts but well-known ones.

use super::tree::{Tree, Violation};
use super::{assert_found, assert_none, repository};

/// Beginnings of paths that exist on one machine only. Put together here, so that this file has none.
const PRIVATE: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Hosts that a tracked file may point to; each is public and has a reason to be there.
const HOSTS: [&str; 15] = [
    "127.0.0.1",
    "localhost",
    "[::1]",
    "github.com",
    "creativecommons.org",
    "apache.org",
    "www.apache.org",
    "opensource.org",
    "docs.rs",
    "doc.rust-lang.org",
    "keepachangelog.com",
    "semver.org",
    "www.postgresql.org",
    "www.sqlite.org",
    "rustup.rs",
];

/// No tracked file has a path of the machine that it was written on.
fn private_paths(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.files() {
        for (line, content) in (1..).zip(text.lines()) {
            if PRIVATE.iter().any(|private| starts_a_path(content, private)) {
                found.push(Violation::of_line(path, line, "a path of one machine"));
            }
        }
    }
    found
}

/// Whether the text is there, and not in the middle of a longer path.
fn starts_a_path(content: &str, private: &str) -> bool {
    content.match_indices(private).any(|(at, _)| {
        !content[..at]
            .ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | ')' | '*'))
    })
}

/// Addresses point to [`HOSTS`] only; packages come from the public registry.
fn hosts(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.files() {
        for (line, content) in (1..).zip(text.lines()) {
            for host in hosts_of(content).filter(|host| !HOSTS.contains(host)) {
                found.push(Violation::of_line(path, line, format!("an address at {host}")));
            }
            let is_source = path == "Cargo.lock" && content.starts_with("source = ");
            if is_source && content != "source = \"registry+https://github.com/rust-lang/crates.io-index\"" {
                found.push(Violation::of_line(path, line, "a package that is not from the public registry"));
            }
        }
    }
    found
}

/// Hosts of the addresses in a line. One that is filled in at run time, or is empty, is not a host.
fn hosts_of(content: &str) -> impl Iterator<Item = &str> {
    let rests = content.split("://").skip(1);
    let scheme_ends = content.match_indices("://").map(|(at, _)| &content[..at]);
    let web =
        scheme_ends.zip(rests).filter(|(before, _)| before.ends_with("http") || before.ends_with("https"));
    web.filter_map(|(_, rest)| {
        let end = rest.find(|c: char| {
            c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '>' | ')' | '`' | ',' | '?' | '#')
        });
        let authority = &rest[..end.unwrap_or(rest.len())];
        let host = if authority.starts_with('[') {
            authority
        } else {
            authority.split(':').next().unwrap_or_default()
        };
        (!host.is_empty() && !host.contains(['{', '$', '%', '<'])).then_some(host)
    })
}

#[test]
fn private_paths_are_absent() {
    assert_none(&private_paths(&repository()));
}

#[test]
fn private_paths_can_fail() {
    let bad = format!("fine: my{p}x\nbad: {p}x\n", p = PRIVATE[0]);
    let script = format!("cd {}target", PRIVATE[1]);
    let found = private_paths(&Tree::of(&[("a.md", &bad), ("run", &script)]));
    assert_found(&found, &["a.md:2: a path", "run:1: a path"]);
}

#[test]
fn hosts_are_well_known() {
    assert_none(&hosts(&repository()));
}

#[test]
fn hosts_can_fail() {
    let mirror = format!("[source]\nregistry = \"https{}mirror.invalid/index\"\n", "://");
    let tree = Tree::of(&[
        ("a.toml", &mirror),
        ("b.rs", "let a = format!(\"http://{address}/ready\"); let b = \"http://127.0.0.1:8001/health\";"),
        (
            "Cargo.lock",
            "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nsource = \"git+https://github.com/x/y\"\n",
        ),
    ]);
    assert_found(&hosts(&tree), &["a.toml:2: an address at mirror.invalid", "Cargo.lock:2: a package"]);
}
