//! House rules that no lint can check, over the files that git tracks.
//!
//! A rule is a function from a [`tidy::tree::Tree`] to its violations. Each has two tests: the repository has none, and
//! a bad sample, made in memory, has some, so that a rule that stopped working is found too.

#[cfg(test)]
mod tidy {
    mod circles;
    mod design;
    mod docs;
    mod edges;
    mod formats;
    mod hygiene;
    mod layers;
    mod leaks;
    mod manifest;
    mod metrics;
    mod rooms;
    mod rust_source;
    mod sqlstates;
    pub mod tree;

    use tree::{Tree, Violation};

    /// Fails with the list of violations, one a line.
    fn assert_none(violations: &[Violation]) {
        let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "{} violations:\n{}", lines.len(), lines.join("\n"));
    }

    /// Fails unless each text is part of some violation and there are no more of these than texts.
    fn assert_found(violations: &[Violation], texts: &[&str]) {
        let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
        for text in texts {
            assert!(lines.iter().any(|line| line.contains(text)), "\"{text}\" is not in {lines:#?}");
        }
        assert_eq!(lines.len(), texts.len(), "{lines:#?}");
    }

    /// The repository itself.
    fn repository() -> Tree {
        Tree::tracked()
    }
}
