//! Metric names: `quorate_<area>_<noun>`, a suffix that says the unit, and a help text for each.

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

/// Macros that make a metric, and the endings that its name may have; none means any but those of the others.
const MACROS: [(&str, &[&str]); 3] =
    [("counter!(", &["_total"]), ("gauge!(", &[]), ("histogram!(", &["_seconds", "_bytes", "_count"])];

/// A metric's name where it is used or described, in a macro or as a constant for one.
fn metric_names(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| !path.starts_with("tests/tidy")) {
        for literal in RustSource::of(text).literals {
            let kind = MACROS.iter().find(|(name, _)| literal.before.ends_with(name));
            let problem = kind.and_then(|(_, endings)| name_problem(&literal.value, endings));
            found
                .extend(problem.map(|what| {
                    Violation::of_line(path, literal.line, format!("{}: {what}", literal.value))
                }));
        }
    }
    found
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

/// Each metric has a help text: its name, or the constant that holds it, stands in a `describe_…!` somewhere.
fn metric_help(tree: &Tree) -> Vec<Violation> {
    let sources: Vec<(&str, RustSource)> = tree
        .rust()
        .filter(|(path, _)| !path.starts_with("tests/tidy"))
        .map(|(path, text)| (path, RustSource::of(text)))
        .collect();
    let all = || {
        sources.iter().flat_map(|(path, source)| source.literals.iter().map(move |literal| (*path, literal)))
    };
    let is_described = |name: &str| all().any(|(_, l)| l.value == name && l.before.contains("describe_"));
    let made = all().filter(|(_, literal)| {
        MACROS.iter().any(|(name, _)| literal.before.ends_with(name)) && !literal.before.contains("describe_")
    });
    let without = made.filter(|(_, literal)| !is_described(&literal.value));
    without
        .map(|(path, literal)| {
            Violation::of_line(path, literal.line, format!("{} has no help", literal.value))
        })
        .collect()
}

#[test]
fn metric_names_say_area_and_unit() {
    assert_none(&metric_names(&repository()));
}

#[test]
fn metric_names_can_fail() {
    let tree = Tree::of(&[(
        "a.rs",
        "counter!(\"quorate_log_syncs_total\");\ncounter!(\"quorate_log_syncs\");\nmetrics::gauge!(\n  \"quorate_range_leaders\", 1);\n\
         gauge!(\"quorate_x_total\");\nhistogram!(\"quorate_log_sync\");\ncounter!(\"syncs_total\");\ncounter!(\"leader_elections_total\");\n\
         describe_counter!(\"quorate_Log_total\", \"help\");\nprintln!(\"counter\");",
    )]);
    let texts = [
        "a.rs:2: quorate_log_syncs: does not end",
        "a.rs:5: quorate_x_total: _total is for counters",
        "a.rs:6: quorate_log_sync: does not end",
        "a.rs:7: syncs_total: is not of the form",
        "a.rs:9: quorate_Log_total: is not of the form",
    ];
    assert_found(&metric_names(&tree), &texts);
}

#[test]
fn metrics_have_help() {
    assert_none(&metric_help(&repository()));
}

#[test]
fn metrics_help_can_fail() {
    let tree = Tree::of(&[
        ("a.rs", "counter!(\"quorate_a_b_total\");\ngauge!(\"quorate_a_c\");"),
        ("b.rs", "describe_counter!(\"quorate_a_b_total\", \"What it counts.\");"),
    ]);
    assert_found(&metric_help(&tree), &["a.rs:2: quorate_a_c has no help"]);
}
