//! Files of `sql/src` that import each other in a circle: only those that are listed may. Parts of `raft-groups/src` that know
//! each other in one direction only.
//!
//! What a file names by `crate::…` or `super::…` is an edge to the file that holds it. Of a circle no file can be understood, or
//! moved, without all others: a large one is found here the day on which it comes to be.

use std::collections::{BTreeMap, BTreeSet};

use super::rust_source::RustSource;
use super::tree::{Tree, Violation};
use super::{assert_found, assert_none, repository};

/// The folder that is looked at for circles.
const ROOT: &str = "sql/src/";
/// The folder whose parts are looked at.
const PARTS_ROOT: &str = "raft-groups/src/";

/// Parts (a file and its folder), and those that they must not know, because these know them.
const ONE_WAY: [(&str, &[&str]); 10] = [
    ("log_position", &["membership", "descriptor", "lease", "raft"]),
    ("membership", &["descriptor", "raft"]),
    ("descriptor", &["raft"]),
    ("lease", &["raft", "replica"]),
    ("applied_state", &["splits", "replica", "store"]),
    ("holdings", &["splits", "replica", "store"]),
    ("splits", &["replica", "store"]),
    ("raft", &["lease", "splits", "replica", "store"]),
    ("replica", &["store"]),
    ("replica/machine", &["replica/serving", "replica/status", "lease", "concurrency"]),
];

/// Circles that are there: a file of each, and what makes it one. All its files lie in one folder, or are few.
const KNOWN: [(&str, &str); 8] = [
    ("bind/aggregate", "expressions hold calls, calls hold aggregates, and these expressions"),
    ("copy/csv", "both formats share what a line is"),
    ("exec/operator", "an operator builds its inputs"),
    ("expr/eval", "functions evaluate their arguments"),
    ("parser/copy", "utility statements share their cursor's helpers"),
    ("session/dispatch", "statements within statements: EXPLAIN, COPY"),
    ("types/builtin", "each type has a file, which casts into others by the table of all types"),
    ("session/variables/definitions", "a variable names how its values are read"),
];
/// Most files of a circle.
const FILES_MAX: usize = 16;

/// Files by their module paths, with the paths that each names.
type Edges = BTreeMap<String, BTreeSet<String>>;

fn module_of(root: &str, path: &str) -> Option<String> {
    let module = path.strip_prefix(root)?.strip_suffix(".rs")?;
    let module = module.strip_suffix("/mod").unwrap_or(module);
    let is_test = module.split('/').any(|part| part.ends_with("tests") || part == "testing");
    (!is_test && module != "lib").then(|| module.to_owned())
}

fn edges(tree: &Tree, root: &str) -> Edges {
    let files: BTreeMap<String, &str> =
        tree.rust().filter_map(|(path, text)| Some((module_of(root, path)?, text))).collect();
    let holder = |path: &[&str]| {
        let ends = (1..=path.len()).rev();
        ends.filter_map(|end| path.get(..end))
            .map(|part| part.join("/"))
            .find(|part| files.contains_key(part))
    };
    let named = |module: &str, text: &str| {
        let own: Vec<&str> = module.split('/').collect();
        let paths = paths_of(text).into_iter().filter_map(|path| {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let ups = path.iter().take_while(|part| **part == "super").count();
            let whole = match path.split_first()? {
                (&"crate", rest) => rest.to_vec(),
                (&"self", rest) => [own.as_slice(), rest].concat(),
                _ => [own.get(..own.len().checked_sub(ups)?)?, path.get(ups..)?].concat(),
            };
            holder(&whole).filter(|found| found != module)
        });
        paths.collect::<BTreeSet<_>>()
    };
    files.iter().map(|(module, text)| (module.clone(), named(module, text))).collect()
}

/// Paths that begin with `crate`, `super` or `self`, as far as they are names; those in braces one by one.
fn paths_of(text: &str) -> Vec<Vec<String>> {
    let code = RustSource::of(text).code;
    let production = code.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for word in ["crate::", "super::", "self::"] {
        for (at, _) in production.match_indices(word) {
            let is_whole = production.get(..at).is_some_and(|before| {
                !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
            });
            if let Some(rest) = production.get(at..).filter(|_| is_whole) {
                found.extend(expanded(rest));
            }
        }
    }
    found
}

fn expanded(text: &str) -> Vec<Vec<String>> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let (path, rest) = text.split_at(end);
    let parts = |path: &str| path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let Some(inner) =
        rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).filter(|_| path.ends_with("::"))
    else {
        return vec![parts(path)];
    };
    inner
        .0
        .split(',')
        .map(|item| parts(&format!("{path}{}", item.trim().split(' ').next().unwrap_or(""))))
        .collect()
}

/// All files that a file leads to, over any number of steps.
fn reachable(edges: &Edges, from: &str) -> BTreeSet<String> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(module) = open.pop() {
        for next in edges.get(&module).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}

fn circles(edges: &Edges) -> BTreeSet<BTreeSet<String>> {
    let all: BTreeMap<&String, BTreeSet<String>> =
        edges.keys().map(|module| (module, reachable(edges, module))).collect();
    let leads = |from: &String, to: &String| all.get(from).is_some_and(|reached| reached.contains(to));
    let circle = |module: &&String| {
        let members: BTreeSet<String> =
            edges.keys().filter(|other| leads(module, other) && leads(other, module)).cloned().collect();
        (members.len() > 1).then_some(members)
    };
    edges.keys().filter_map(|module| circle(&module)).collect()
}

/// Circles that are not known, or too large.
fn unknown_circles(tree: &Tree, known: &[(&str, &str)]) -> Vec<Violation> {
    let found = circles(&edges(tree, ROOT)).into_iter().filter(|circle| {
        let is_known = known.iter().any(|(module, _)| circle.contains(*module));
        !is_known || circle.len() > FILES_MAX
    });
    let told = |circle: BTreeSet<String>| {
        let first = circle.first().cloned().unwrap_or_default();
        let files: Vec<String> = circle.into_iter().collect();
        Violation::of_file(
            &format!("{ROOT}{first}.rs"),
            format!("is in a circle of imports: {}", files.join(", ")),
        )
    };
    found.map(told).collect()
}

/// Whether a file is of a part.
fn is_of(module: &str, part: &str) -> bool {
    module.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Files that know what their part must not, and parts that are not there.
fn wrong_ways(tree: &Tree, one_way: &[(&str, &[&str])]) -> Vec<Violation> {
    let edges = edges(tree, PARTS_ROOT);
    let mut found = Vec::new();
    for (part, others) in one_way {
        let own: Vec<_> = edges.iter().filter(|(module, _)| is_of(module, part)).collect();
        let is_there = |part: &&str| edges.keys().any(|module| is_of(module, part));
        let missing = others.iter().chain([part]).filter(|part| !is_there(part));
        found.extend(
            missing.map(|part| Violation::of_file(&format!("{PARTS_ROOT}{part}"), "is not there".to_owned())),
        );
        for (module, named) in own {
            let wrong = named.iter().filter(|name| others.iter().any(|other| is_of(name, other)));
            let told = |name: &String| {
                Violation::of_file(
                    &format!("{PARTS_ROOT}{module}.rs"),
                    format!("{part} must not know {name}"),
                )
            };
            found.extend(wrong.map(told));
        }
    }
    found
}

#[test]
fn circles_are_known_and_small() {
    assert_none(&unknown_circles(&repository(), &KNOWN));
}

#[test]
fn circles_can_be_found() {
    let tree = Tree::of(&[
        ("sql/src/a.rs", "use crate::b::{Something, self};"),
        ("sql/src/b.rs", "mod c;\nfn f() { crate::c::g() } // use crate::a"),
        ("sql/src/c.rs", "use super::a::Other;"),
        ("sql/src/d.rs", "use crate::a;"),
        ("sql/src/e.rs", "use crate::f;"),
        ("sql/src/f.rs", "use crate::e;"),
    ]);
    assert_found(&unknown_circles(&tree, &[("e", "known")]), &["a.rs: is in a circle of imports: a, b, c"]);
}

#[test]
fn circles_between_parts_are_absent() {
    assert_none(&wrong_ways(&repository(), &ONE_WAY));
}

#[test]
fn circles_between_parts_can_be_found() {
    let tree = Tree::of(&[
        ("raft-groups/src/upper/mod.rs", "mod part;\nuse part::Part;\nuse crate::lower::Low;"),
        ("raft-groups/src/upper/part.rs", "use super::Upper; // crate::lower\nuse crate::upper_still::High;"),
        ("raft-groups/src/lower.rs", "mod deep;"),
        ("raft-groups/src/lower/deep.rs", "fn f(part: crate::upper::part::Part) {}"),
        ("raft-groups/src/lower/tests.rs", "use crate::upper::Upper;"),
        ("raft-groups/src/upper_still.rs", ""),
    ]);
    let one_way: [(&str, &[&str]); 2] = [("lower", &["upper"]), ("upper/part", &["lower", "gone"])];
    let expected = ["lower/deep.rs: lower must not know upper/part", "raft-groups/src/gone: is not there"];
    assert_found(&wrong_ways(&tree, &one_way), &expected);
}
