//! ARCHITECTURE.md against the tree: its code map names every module, its glossary every word of the field, and what it
//! says to open is there.

use std::collections::BTreeSet;

use super::tree::{Tree, Violation};
use super::{assert_found, assert_none, repository};

const PATH: &str = "ARCHITECTURE.md";

/// The words that have one meaning each, alike in types, metrics, scripts and docs.
const TERMS: [&str; 16] = [
    "apply",
    "closed timestamp",
    "commit",
    "generation",
    "intent",
    "latch",
    "leader",
    "learner",
    "lease",
    "lock",
    "log index",
    "range",
    "replica",
    "resolved timestamp",
    "term",
    "voter",
];

/// What people come to change, each with a row that says where.
const CHANGES: [&str; 19] = [
    "SQL statement",
    "TLS",
    "backup",
    "command kind",
    "follower read",
    "format on disk",
    "hash join",
    "heartbeat",
    "job",
    "merge",
    "message",
    "metric",
    "policy field",
    "safeguard",
    "scan program",
    "secondary index",
    "setting",
    "simulator invariant",
    "type",
];

/// The part of the page below a heading, up to the next heading of the same or a higher level.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let level = heading.chars().take_while(|c| *c == '#').count();
    let is_end =
        |line: &str| line.starts_with('#') && line.chars().take_while(|c| *c == '#').count() <= level;
    let Some(start) = page.find(&format!("{heading}\n")) else { return "" };
    let body = &page[start + heading.len() + 1..];
    let len: usize = body.split_inclusive('\n').take_while(|line| !is_end(line)).map(str::len).sum();
    &body[..len]
}

/// Names between backticks at the start of the section's list items: "- `mvcc/`, `kv.rs`: …" has two.
fn listed(section: &str) -> BTreeSet<String> {
    let items = section.lines().filter_map(|line| line.strip_prefix("- "));
    let names =
        items.flat_map(|item| item.split(": ").next().unwrap_or_default().split('`').skip(1).step_by(2));
    names.map(|name| name.trim_end_matches('/').trim_end_matches(".rs").to_owned()).collect()
}

/// Top-level modules of a crate: files and folders right below `src`, crate roots apart.
fn modules(tree: &Tree, folder: &str) -> BTreeSet<String> {
    let prefix = format!("{folder}/src/");
    let below = tree.rust().filter_map(|(path, _)| path.strip_prefix(&prefix));
    let names =
        below.filter_map(|path| path.split('/').next()).map(|name| name.trim_end_matches(".rs").to_owned());
    names.filter(|name| name != "lib" && name != "main").collect()
}

/// The code map has a heading for each crate, and below it each top-level module, and no others.
fn code_map(tree: &Tree) -> Vec<Violation> {
    let map = section(tree.get(PATH).unwrap_or_default(), "## Code map");
    let mut found = Vec::new();
    for folder in tree.crates() {
        let heading = format!("### `{folder}`");
        if !map.lines().any(|line| line == heading) {
            found.push(Violation::of_file(PATH, format!("the code map has no heading {heading}")));
            continue;
        }
        let (named, there) = (listed(section(map, &heading)), modules(tree, &folder));
        let missing = there.difference(&named).map(|name| format!("the code map lacks {name} of {folder}"));
        let gone =
            named.difference(&there).map(|name| format!("the code map has {name}, which {folder} has not"));
        found.extend(missing.chain(gone).map(|what| Violation::of_file(PATH, what)));
    }
    found
}

/// The glossary explains each word of [`TERMS`], and the code that an entry names in backticks exists.
fn glossary(tree: &Tree) -> Vec<Violation> {
    let text = section(tree.get(PATH).unwrap_or_default(), "## Glossary");
    let entries: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("- **")).collect();
    let explained: BTreeSet<&str> = entries.iter().filter_map(|entry| entry.split("**").next()).collect();
    let absent = TERMS.iter().filter(|term| !explained.contains(*term));
    let mut found: Vec<Violation> =
        absent.map(|term| Violation::of_file(PATH, format!("the glossary lacks {term}"))).collect();
    for name in entries.iter().flat_map(|entry| entry.split('`').skip(1).step_by(2)) {
        if !tree.rust().any(|(path, source)| !path.starts_with("tests/tidy") && has_word(source, name)) {
            found.push(Violation::of_file(PATH, format!("the glossary names {name}, which no code has")));
        }
    }
    found
}

fn has_word(source: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    source
        .match_indices(name)
        .any(|(at, _)| !source[..at].ends_with(is_part) && !source[at + name.len()..].starts_with(is_part))
}

/// The table of changes has a row for each of [`CHANGES`], and what a row says to open is there.
fn changes(tree: &Tree) -> Vec<Violation> {
    let table = section(tree.get(PATH).unwrap_or_default(), "## To change something");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let rows: Vec<(&str, &str)> = rows.filter(|(name, _)| *name != "to change").collect();
    let absent = CHANGES.iter().filter(|name| !rows.iter().any(|(row, _)| row == *name));
    let mut found: Vec<Violation> =
        absent.map(|name| Violation::of_file(PATH, format!("nothing says how to change: {name}"))).collect();
    for (name, files) in rows {
        let paths: Vec<&str> =
            files.split('`').skip(1).step_by(2).filter(|path| path.contains('/')).collect();
        if paths.is_empty() {
            found.push(Violation::of_file(PATH, format!("no file to open for: {name}")));
        }
        let gone = paths.iter().filter(|path| !tree.has(path));
        found.extend(gone.map(|path| Violation::of_file(PATH, format!("{path}, for {name}, is not there"))));
    }
    found
}

/// Links in the pages at the root that point into the repository have a file or folder there.
fn links(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| path.ends_with(".md")) {
        let base = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let target = resolved(&format!("{base}{}", target.trim_end_matches('/')));
            if !tree.has(&target) {
                found.push(Violation::of_file(path, format!("a link to {target}, which is not there")));
            }
        }
    }
    found
}

/// A path without `..` in it.
fn resolved(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        if part == ".." && parts.last().is_some_and(|last| *last != "..") {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// Lines that two versions of a page have left beside each other.
fn leftovers(tree: &Tree) -> Vec<Violation> {
    let is_one = |line: &str| ["<<<<<<< ", ">>>>>>> ", "||||||| "].iter().any(|mark| line.starts_with(mark));
    let of_file = |(path, text): (&str, &str)| {
        let lines = text.lines().enumerate().filter(|(_, line)| is_one(line));
        lines
            .map(|(at, _)| Violation::of_line(path, at + 1, "two versions, of which one is to stay"))
            .collect::<Vec<_>>()
    };
    tree.files().flat_map(of_file).collect()
}

#[test]
fn merges_leave_nothing_behind() {
    assert_none(&leftovers(&repository()));
}

#[test]
fn merges_can_leave_something_behind() {
    let tree = Tree::of(&[("a.md", "x\n<<<<<<< one\ny\n=======\nz\n>>>>>>> other\n"), ("b.rs", "1 << 2")]);
    let text = "two versions, of which one is to stay";
    assert_found(&leftovers(&tree), &[&format!("a.md:2: {text}"), &format!("a.md:6: {text}")]);
}

#[test]
fn code_map_matches_the_tree() {
    assert_none(&code_map(&repository()));
}

#[test]
fn code_map_can_fail() {
    let page = "## Code map\n\n### `sql`\n\n- `kv.rs`: keys\n- `gone/`, `exec/`: x `noise`\n\n### `other`\n- `not`: mine\n\n## Next\n";
    let tree = Tree::of(&[
        ("Cargo.toml", "members = [\"sql\", \"engine\"]\n"),
        (PATH, page),
        ("sql/src/lib.rs", ""),
        ("sql/src/kv.rs", ""),
        ("sql/src/exec/scan.rs", ""),
        ("sql/src/new.rs", ""),
    ]);
    let texts = ["lacks new of sql", "has gone, which sql has not", "no heading ### `engine`"];
    assert_found(&code_map(&tree), &texts);
}

#[test]
fn glossary_matches_the_code() {
    assert_none(&glossary(&repository()));
}

#[test]
fn glossary_can_fail() {
    let mut page = "## Glossary\n\n".to_owned();
    for term in TERMS.iter().filter(|term| **term != "lease") {
        page += &format!("- **{term}**: a word\n");
    }
    page += "- **more**: `RangeId` and `RangeIdentity`\n";
    let tree = Tree::of(&[(PATH, &page), ("a.rs", "struct RangeId; struct MyRangeIdentity;")]);
    assert_found(&glossary(&tree), &["lacks lease", "names RangeIdentity"]);
}

#[test]
fn changes_begin_with_files_that_are_there() {
    assert_none(&changes(&repository()));
}

#[test]
fn changes_can_fail() {
    let mut page = "## To change something\n\n| to change | open |\n|---|---|\n".to_owned();
    for name in CHANGES.iter().filter(|name| **name != "TLS") {
        page += &format!("| {name} | `a/b.rs`, then `c/`; `Word` |\n");
    }
    page += "| more | `a/gone.rs` |\n| nothing | later |\n";
    let tree = Tree::of(&[(PATH, &page), ("a/b.rs", ""), ("c/d.rs", "")]);
    let texts = ["to change: TLS", "a/gone.rs, for more, is not there", "no file to open for: nothing"];
    assert_found(&changes(&tree), &texts);
}

#[test]
fn links_lead_somewhere() {
    assert_none(&links(&repository()));
}

#[test]
fn links_can_fail() {
    let page = "[a](b.md) [c](d/) [e](https://docs.rs) [g](#h) [i](gone.md#x)";
    let below = "[x](x.rs) [y](../b.md) [z](../gone/x.rs)";
    let tree = Tree::of(&[("README.md", page), ("b.md", ""), ("d/x.rs", ""), ("d/README.md", below)]);
    assert_found(&links(&tree), &["README.md: a link to gone.md", "d/README.md: a link to gone/x.rs"]);
}
