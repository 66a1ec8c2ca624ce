//! Statements that a session has read before, by their text: drivers send the same few texts again and again, and reading
//! one costs more than running it.
//!
//! A [`Statement`] remembers its newest binding and plan, so that these are kept along with it. Invariants: texts without
//! an error alone are kept; those unused the longest go first; nothing here depends on the catalog.

use std::collections::HashMap;
use std::sync::Arc;

use super::Statement;
use crate::limits::{KEPT_TEXT_MAX_BYTES, TEXTS_MAX, TEXTS_MAX_BYTES};

#[derive(Debug)]
struct Kept {
    statements: Arc<[Statement]>,
    used: u64,
}

/// What a session has read.
#[derive(Debug, Default)]
pub struct Texts {
    kept: HashMap<String, Kept>,
    /// Bytes of all texts.
    bytes: usize,
    /// Counts uses.
    now: u64,
}

impl Texts {
    /// The statements of a text, if it is kept.
    pub fn get(&mut self, text: &str) -> Option<Vec<Statement>> {
        let kept = self.kept.get_mut(text)?;
        self.now += 1;
        kept.used = self.now;
        Some(kept.statements.to_vec())
    }

    /// Keeps a text that is not kept yet, if it is not too long.
    pub fn put(&mut self, text: &str, statements: &[Statement]) {
        if text.len() > KEPT_TEXT_MAX_BYTES {
            return;
        }
        while self.kept.len() >= TEXTS_MAX || self.bytes + text.len() > TEXTS_MAX_BYTES {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(text, _)| text.clone());
            let Some(oldest) = oldest else { break };
            self.kept.remove(&oldest);
            self.bytes -= oldest.len();
        }
        self.now += 1;
        self.bytes += text.len();
        self.kept.insert(text.to_owned(), Kept { statements: statements.into(), used: self.now });
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser;

    fn read(text: &str) -> Vec<Statement> {
        parser::parse(text).unwrap().into_iter().map(Statement::new).collect()
    }

    #[test]
    fn texts_that_were_unused_the_longest_go_first() {
        let mut texts = Texts::default();
        let statements = read("SELECT 1; SELECT 2");
        for number in 0..TEXTS_MAX {
            texts.put(&number.to_string(), &statements);
        }
        assert_eq!(texts.get("0").map(|statements| statements.len()), Some(2));
        texts.put("one more", &statements);
        assert!(texts.get("1").is_none());
        assert!(texts.get("0").is_some() && texts.get("2").is_some() && texts.get("one more").is_some());
        assert_eq!(texts.kept.len(), TEXTS_MAX);
    }

    #[test]
    fn texts_that_take_too_many_bytes_together_make_room() {
        let mut texts = Texts::default();
        let statements = read("SELECT 1");
        let fit = TEXTS_MAX_BYTES / KEPT_TEXT_MAX_BYTES;
        let text = |number: usize| format!("{number:width$}", width = KEPT_TEXT_MAX_BYTES);
        (0..=fit).for_each(|number| texts.put(&text(number), &statements));
        assert!(texts.get(&text(0)).is_none() && texts.get(&text(1)).is_some());
        let bytes = |texts: &Texts| texts.kept.keys().map(String::len).sum::<usize>();
        assert_eq!((texts.kept.len(), texts.bytes), (fit, bytes(&texts)));
        texts.put("short", &statements);
        assert!(texts.get(&text(2)).is_none() && texts.get(&text(1)).is_some());
        assert_eq!(texts.bytes, bytes(&texts));
        texts.clear();
        assert_eq!((texts.bytes, texts.get("short").is_none()), (0, true));
    }

    #[test]
    fn texts_that_are_long_are_not_kept() {
        let mut texts = Texts::default();
        let statements = read("SELECT 1");
        let (longest, longer) = ("x".repeat(KEPT_TEXT_MAX_BYTES), "x".repeat(KEPT_TEXT_MAX_BYTES + 1));
        texts.put(&longest, &statements);
        texts.put(&longer, &statements);
        assert!(texts.get(&longest).is_some() && texts.get(&longer).is_none());
    }
}
