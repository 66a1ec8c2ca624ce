//! Metric names: `quorate_<area>_<noun>`, a suffix that says the unit, and a help text for each.

use std::collections::{BTreeMap, BTreeSet};

use super::rust_source::RustSource;
use super::tree::{Tree, Violation};
use super::{assert_found, assert_none, repository};

/// Names that operators' alert rules already use.
const ALERTED: [&str; 4] = [
    "leader_elections_total",
    "consensus_commit_lag_seconds",
    "consensus_healthy_members",
    "consensus_total_members",
];

/// Macros that make or describe a metric, and the endings that its name may have; none means any but `_total`.
const MACROS: [(&str, &[&str]); 3] =
    [("counter!(", &["_total"]), ("gauge!(", &[]), ("histogram!(", &["_seconds", "_bytes"])];

/// A metric named in one of [`MACROS`], by a literal or a constant.
struct Use {
    path: String,
    line: usize,
    name: String,
    endings: &'static [&'static str],
    is_description: bool,
}

/// All uses. A constant is looked up in its own file first, then in all others; one that is nowhere is no metric's name
/// known here, and shows as it is written.
fn uses(tree: &Tree) -> Vec<Use> {
    let sources: Vec<(&str, RustSource)> = tree
        .rust()
        .filter(|(path, _)| !path.starts_with("tests/tidy"))
        .map(|(p, text)| (p, RustSource::of(text)))
        .collect();
    let everywhere: BTreeMap<String, String> =
        sources.iter().flat_map(|(_, source)| constants(source)).collect();
    let mut found = Vec::new();
    for (path, source) in &sources {
        let here = constants(source);
        for (name, endings) in MACROS {
            for (at, _) in source.code.match_indices(name) {
                let line = source.code[..at].matches('\n').count() + 1;
                let is_description = source.code[..at].ends_with("describe_");
                let argument = argument(source, at + name.len());
                let value = here.get(&argument).or_else(|| everywhere.get(&argument)).cloned();
                let name = value.unwrap_or(argument);
                found.push(Use { path: (*path).to_owned(), line, name, endings, is_description });
            }
        }
    }
    found
}

/// `const NAME: &str = "value"` of a source.
fn constants(source: &RustSource) -> BTreeMap<String, String> {
    let name = |before: &str| Some(before.rsplit_once("const ")?.1.split(':').next()?.trim().to_owned());
    let constants = source.literals.iter().filter(|literal| literal.before.ends_with('='));
    constants.filter_map(|literal| Some((name(&literal.before)?, literal.value.clone()))).collect()
}

/// The first argument of a macro whose parenthesis ends at this offset: a literal's value, or a path's last name.
fn argument(source: &RustSource, from: usize) -> String {
    let rest = &source.code[from..];
    let start = from + (rest.len() - rest.trim_start().len());
    if source.code[start..].starts_with('"') {
        let nth = source.code[..start].matches('\n').count() + 1;
        let literal = source.literals.iter().filter(|literal| literal.line == nth);
        let mut literal =
            literal.filter(|literal| literal.before.ends_with('(') || literal.before.trim().is_empty());
        return literal.next().map_or_else(String::new, |literal| literal.value.clone());
    }
    let path: String =
        source.code[start..].chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect();
    path.rsplit("::").next().unwrap_or_default().to_owned()
}

/// Each name says area and noun, and ends in its unit.
fn metric_names(tree: &Tree) -> Vec<Violation> {
    let problems = uses(tree).into_iter().filter_map(|found| {
        let what = name_problem(&found.name, found.endings)?;
        Some(Violation::of_line(&found.path, found.line, format!("{}: {what}", found.name)))
    });
    problems.collect()
}

fn name_problem(name: &str, endings: &[&str]) -> Option<&'static str> {
    if ALERTED.contains(&name) {
        return None;
    }
    let words: Vec<&str> = name.split('_').collect();
    let is_word =
        |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if words.first() != Some(&"quorate") || words.len() < 3 || !words.iter().all(is_word) {
        return Some("is not of the form quorate_<area>_<noun>");
    }
    if endings.is_empty() {
        return name.ends_with("_total").then_some("_total is for counters");
    }
    (!endings.iter().any(|ending| name.ends_with(ending))).then_some("does not end in its unit")
}

/// Each metric that is made is described somewhere.
fn metric_help(tree: &Tree) -> Vec<Violation> {
    let uses = uses(tree);
    let described: BTreeSet<&str> =
        uses.iter().filter(|u| u.is_description).map(|u| u.name.as_str()).collect();
    let without = uses.iter().filter(|u| !u.is_description && !described.contains(u.name.as_str()));
    without.map(|u| Violation::of_line(&u.path, u.line, format!("{} has no help", u.name))).collect()
}

#[test]
fn metric_names_say_area_and_unit() {
    assert_none(&metric_names(&repository()));
}

#[test]
fn metric_names_can_fail() {
    let literals = "counter!(\"quorate_log_syncs_total\");\ncounter!(\"quorate_log_syncs\");\nmetrics::gauge!(\n  \
        \"quorate_range_leaders\", 1);\ngauge!(\"quorate_x_total\");\nhistogram!(\"quorate_log_sync\");\n\
        counter!(\"syncs_total\");\ncounter!(\"leader_elections_total\");\ndescribe_counter!(\"quorate_Log_total\", \"help\");\n\
        println!(\"counter\");";
    let constants = "const A: &str = \"quorate_a_b\";\nconst GOOD: &str =\n    \"quorate_a_b_total\";\ncounter!(A).increment(1);\n\
        counter!(names::GOOD);\nhistogram!(ELSEWHERE);\ngauge!(name);";
    let tree = Tree::of(&[
        ("a.rs", literals),
        ("b.rs", constants),
        ("c.rs", "pub const ELSEWHERE: &str = \"quorate_c_d\";"),
    ]);
    let texts = [
        "a.rs:2: quorate_log_syncs: does not end",
        "a.rs:5: quorate_x_total: _total is for counters",
        "a.rs:6: quorate_log_sync: does not end",
        "a.rs:7: syncs_total: is not of the form",
        "a.rs:9: quorate_Log_total: is not of the form",
        "b.rs:4: quorate_a_b: does not end",
        "b.rs:6: quorate_c_d: does not end",
        "b.rs:7: name: is not of the form",
    ];
    assert_found(&metric_names(&tree), &texts);
}

#[test]
fn metrics_have_help() {
    let tree = repository();
    assert!(!uses(&tree).is_empty(), "metrics are found at all");
    assert_none(&metric_help(&tree));
}

#[test]
fn metrics_help_can_fail() {
    let tree = Tree::of(&[
        ("a.rs", "const B: &str = \"quorate_a_b_total\";\ncounter!(B);\ngauge!(\"quorate_a_c\");"),
        ("b.rs", "describe_counter!(\n    \"quorate_a_b_total\",\n    \"What it counts.\");"),
    ]);
    assert_found(&metric_help(&tree), &["a.rs:3: quorate_a_c has no help"]);
}
