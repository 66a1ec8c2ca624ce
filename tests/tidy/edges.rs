//! Manifests: which crate may depend on which, where third-party crates may be linked, reasons, and lints.

use super::manifest::{Entry, entries};
use super::tree::{Tree, Violation};
use super::{assert_found, assert_none, repository};

/// A crate and those of ours that it may depend on (design.md section 2). Everything else is a violation.
const EDGES: [(&str, &[&str]); 7] = [
    ("placement", &[]),
    ("engine", &[]),
    ("sql", &["quorate-engine"]),
    ("raft-groups", &["quorate-engine", "quorate-placement"]),
    ("server", &["quorate-engine", "quorate-placement", "quorate-raft-groups", "quorate-sql"]),
    ("benches", &["quorate", "quorate-engine", "quorate-placement", "quorate-raft-groups", "quorate-sql"]),
    ("tests", &["quorate", "quorate-engine", "quorate-placement", "quorate-raft-groups", "quorate-sql"]),
];

/// Third-party crates that only some of ours may link. The bench suite speaks gRPC to a peer of its own.
const LINKED_BY: [(&str, &[&str]); 8] = [
    ("openraft", &["raft-groups"]),
    ("rocksdb", &["engine"]),
    ("sqlparser", &["sql"]),
    ("tonic", &["server", "benches"]),
    ("tonic-prost", &["server", "benches"]),
    ("prost", &["raft-groups", "server", "benches"]),
    ("pgwire", &["server"]),
    ("axum", &["server"]),
];

fn is_dependencies(section: &str) -> bool {
    matches!(section, "dependencies" | "dev-dependencies" | "build-dependencies")
        || (section.starts_with("target.") && section.ends_with("dependencies"))
}

fn dependencies(tree: &Tree, folder: &str) -> (String, Vec<Entry>) {
    let path = format!("{folder}/Cargo.toml");
    let all = entries(tree.get(&path).unwrap_or_default());
    (path, all.into_iter().filter(|entry| is_dependencies(&entry.section)).collect())
}

/// Every crate has only the edges of [`EDGES`] to others of ours; `placement` uses nothing but std.
fn crate_edges(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for folder in tree.crates() {
        let (path, dependencies) = dependencies(tree, &folder);
        let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == folder) else {
            found.push(Violation::of_file(&path, "a crate that the design does not have"));
            continue;
        };
        for Entry { section, key, line, .. } in &dependencies {
            let is_ours = key.starts_with("quorate");
            if is_ours && !allowed.contains(&key.as_str()) {
                found.push(Violation::of_line(&path, *line, format!("must not know {key}")));
            }
            if folder == "placement" && !is_ours && section != "dev-dependencies" {
                found.push(Violation::of_line(&path, *line, format!("placement is std only, not {key}")));
            }
        }
    }
    found
}

/// The crates of [`LINKED_BY`] are linked where they belong.
fn third_party_crates(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for folder in tree.crates() {
        let (path, dependencies) = dependencies(tree, &folder);
        for entry in dependencies {
            let homes = LINKED_BY.iter().find(|(name, _)| *name == entry.key).map(|(_, homes)| *homes);
            if homes.is_some_and(|homes| !homes.contains(&folder.as_str())) {
                found.push(Violation::of_line(
                    &path,
                    entry.line,
                    format!("{} has its room elsewhere", entry.key),
                ));
            }
        }
    }
    found
}

/// Versions and reasons stand in the root manifest, and nowhere else.
fn dependency_reasons(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for entry in entries(tree.get("Cargo.toml").unwrap_or_default()) {
        let is_ours = entry.value.contains("path =");
        if entry.section == "workspace.dependencies"
            && !is_ours
            && entry.comment.is_none_or(|text| text.len() < 4)
        {
            found.push(Violation::of_line(
                "Cargo.toml",
                entry.line,
                format!("no reason given for {}", entry.key),
            ));
        }
    }
    for folder in tree.crates() {
        let (path, dependencies) = dependencies(tree, &folder);
        for entry in dependencies.iter().filter(|entry| !entry.value.contains("workspace = true")) {
            let what = format!("{} is not taken from the workspace", entry.key);
            found.push(Violation::of_line(&path, entry.line, what));
        }
    }
    found
}

/// The crate that may deny what the others forbid: its simulator defines a symbol of the C library in one file.
const OWN_LINTS: &str = "tests/Cargo.toml";

/// Every crate inherits the workspace's lints; [`OWN_LINTS`] repeats them, but for `unsafe_code`.
fn lints_inherited(tree: &Tree) -> Vec<Violation> {
    let (own, manifests): (Vec<_>, Vec<_>) = tree
        .crates()
        .into_iter()
        .map(|folder| format!("{folder}/Cargo.toml"))
        .partition(|path| path == OWN_LINTS);
    let mut found: Vec<Violation> = own.iter().filter_map(|path| lints_repeated(tree, path)).collect();
    let manifests = manifests.into_iter();
    let inherits = |path: &String| {
        let all = entries(tree.get(path).unwrap_or_default());
        all.iter().any(|e| e.section == "lints" && e.key == "workspace" && e.value == "true")
    };
    let without = manifests.filter(|path| !inherits(path));
    found.extend(without.map(|path| Violation::of_file(&path, "does not say [lints] workspace = true")));
    found
}

/// A crate whose lints are the workspace's word for word, but that `unsafe_code` is denied instead of forbidden.
fn lints_repeated(tree: &Tree, path: &str) -> Option<Violation> {
    let lints = |path: &str, prefix: &str| {
        let all = entries(tree.get(path).unwrap_or_default()).into_iter();
        let own = all.filter_map(|entry| {
            let section = entry.section.strip_prefix(prefix)?.to_owned();
            let value =
                if entry.key == "unsafe_code" { entry.value.replace("forbid", "deny") } else { entry.value };
            Some((section, entry.key, value))
        });
        own.collect::<Vec<_>>()
    };
    let differs = lints("Cargo.toml", "workspace.lints.") != lints(path, "lints.");
    differs.then(|| Violation::of_file(path, "its lints are not the workspace's with unsafe_code denied"))
}

#[test]
fn crate_edges_hold() {
    assert_none(&crate_edges(&repository()));
}

#[test]
fn crate_edges_can_fail() {
    let tree = Tree::of(&[
        ("Cargo.toml", "members = [\"sql\", \"placement\", \"new\"]\n"),
        (
            "sql/Cargo.toml",
            "[dependencies]\nquorate-engine.workspace = true\nquorate-raft-groups.workspace = true\n",
        ),
        (
            "placement/Cargo.toml",
            "[dependencies]\nrand.workspace = true\n[dev-dependencies]\nproptest.workspace = true\n",
        ),
    ]);
    let texts =
        ["sql/Cargo.toml:3: must not know quorate-raft-groups", "std only, not rand", "does not have"];
    assert_found(&crate_edges(&tree), &texts);
}

#[test]
fn third_party_crates_stay_in_their_rooms() {
    assert_none(&third_party_crates(&repository()));
}

#[test]
fn third_party_crates_can_fail() {
    let tree = Tree::of(&[
        ("Cargo.toml", "members = [\"sql\"]\n"),
        (
            "sql/Cargo.toml",
            "[dev-dependencies]\nsqlparser.workspace = true\nopenraft = { workspace = true }\n",
        ),
    ]);
    assert_found(&third_party_crates(&tree), &["sql/Cargo.toml:3: openraft"]);
}

#[test]
fn dependency_reasons_are_given() {
    assert_none(&dependency_reasons(&repository()));
}

#[test]
fn dependency_reasons_can_fail() {
    let tree = Tree::of(&[
        (
            "Cargo.toml",
            "members = [\"sql\"]\n[workspace.dependencies]\na = \"1\"\nb = \"1\" # for b\nc = { path = \"c\" }\n",
        ),
        ("sql/Cargo.toml", "[dependencies]\na = \"1\"\nb.workspace = true\n"),
    ]);
    assert_found(
        &dependency_reasons(&tree),
        &["Cargo.toml:3: no reason given for a", "sql/Cargo.toml:2: a is not taken"],
    );
}

#[test]
fn lints_are_inherited() {
    assert_none(&lints_inherited(&repository()));
}

#[test]
fn lints_inherited_can_fail() {
    let tree = Tree::of(&[
        (
            "Cargo.toml",
            "members = [\"sql\", \"engine\", \"tests\"]\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\nmissing_docs = \"warn\"\n",
        ),
        ("sql/Cargo.toml", "[lints]\nworkspace = true\n"),
        ("engine/Cargo.toml", "[lints.rust]\nunsafe_code = \"forbid\"\n"),
        ("tests/Cargo.toml", "[lints.rust]\nunsafe_code = \"deny\"\n"),
    ]);
    let texts = ["engine/Cargo.toml: does not say", "tests/Cargo.toml: its lints are not"];
    assert_found(&lints_inherited(&tree), &texts);
}
