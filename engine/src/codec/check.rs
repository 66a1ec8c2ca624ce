//! What must hold of a value: one rule, asked where the value is written and again where it is read.
//!
//! ```text
//!   written here   must_hold(value.validate())    breaks: a defect of ours; nothing of it reaches the disk
//!   read back      value.validate()?              breaks: damaged bytes, or another node's; an error, never a panic
//! ```
//!
//! A stored struct says in its `validate` what holds of its fields among each other. Source: the paired assertions of
//! TigerBeetle's "Tiger Style".

/// The rule that a value breaks: a sentence that says what should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub &'static str);

/// Asks one rule.
///
/// # Errors
/// The rule itself, where it does not hold.
pub const fn holds(is_so: bool, rule: &'static str) -> Result<(), Broken> {
    if is_so { Ok(()) } else { Err(Broken(rule)) }
}

/// For whoever is about to write a value: all of its rules hold.
///
/// # Panics
/// Where one does not: the value was made here, so that this program is wrong.
#[track_caller]
pub fn must_hold(what: &str, checked: Result<(), Broken>) {
    assert!(
        checked.is_ok(),
        "{what} that breaks a rule is not written: {}",
        checked.err().map_or("", |b| b.0)
    );
}

/// Whether spans given by their bounds, an empty end meaning "to the end", stand in order, none of them empty, and none
/// reaching into the next.
pub fn are_apart<'a>(spans: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> bool {
    let mut reached: Option<&[u8]> = Some(&[]);
    for (start, end) in spans {
        let follows = reached.is_some_and(|reached| reached <= start);
        if !follows || (!end.is_empty() && end <= start) {
            return false;
        }
        reached = Some(end).filter(|end| !end.is_empty());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_hold_say_nothing() {
        assert_eq!(holds(true, "water is wet"), Ok(()));
        assert_eq!(holds(false, "water is wet"), Err(Broken("water is wet")));
        must_hold("a value", Ok(()));
    }

    #[test]
    #[should_panic(expected = "a value that breaks a rule is not written: water is wet")]
    fn a_value_that_breaks_a_rule_is_not_written() {
        must_hold("a value", holds(false, "water is wet"));
    }

    #[test]
    fn spans_are_apart_where_none_reaches_into_the_next() {
        let apart = |spans: &[(&str, &str)]| {
            are_apart(spans.iter().map(|(start, end)| (start.as_bytes(), end.as_bytes())))
        };
        assert!(apart(&[]) && apart(&[("", "")]) && apart(&[("a", "b"), ("b", "c"), ("d", "")]));
        assert!(!apart(&[("a", "a")]) && !apart(&[("b", "a")]), "empty ones");
        assert!(!apart(&[("a", "c"), ("b", "d")]) && !apart(&[("b", "c"), ("a", "b")]));
        assert!(!apart(&[("a", ""), ("b", "c")]), "behind the end of all keys");
    }
}
