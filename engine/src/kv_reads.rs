//! [`Reads`]: what a transaction has read, and through which filters.
//!
//! A span that was scanned through a program depends only on rows that pass the program's filter: others may change
//! without a retry. Spans of one program are kept together; beyond [`FILTERS_MAX`] programs, and for programs too long to
//! be worth sending again, a span counts as read whole, which claims more than was read, never less.

use crate::kv::{Key, ScanProgram, Span};
use crate::kv_spans::ReadSpans;
use crate::limits::{FILTER_BYTES_MAX, FILTERS_MAX, SPANS_A_FILTER_MAX};

/// A span that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadSpan {
    /// The keys.
    pub span: Span,
    /// The program of the scan: rows that its filter refuses do not count. `None`: every key counts.
    pub filter: Option<ScanProgram>,
}

impl ReadSpan {
    /// A span of which every key counts.
    pub const fn whole(span: Span) -> Self {
        Self { span, filter: None }
    }

    /// Another span, read through the same filter.
    pub fn with_span(&self, span: Span) -> Self {
        Self { span, filter: self.filter.clone() }
    }
}

/// What a transaction has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// What nobody else writes: not kept.
    own: Vec<Span>,
    whole: ReadSpans,
    filtered: Vec<(ScanProgram, ReadSpans)>,
}

impl Reads {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads of these keys are not kept from now on: nobody else writes them.
    pub fn own(&mut self, span: Span) {
        self.own.push(span);
    }

    /// Adds the keys of a span that was read through a program, or as it is.
    pub fn add(&mut self, span: Span, program: Option<&ScanProgram>) {
        if self.own.iter().any(|own| own.covers(&span)) {
            return;
        }
        match program.and_then(|program| self.spans_of(program)) {
            Some(spans) => spans.add(span),
            None => self.whole.add(span),
        }
    }

    /// Adds one key.
    pub fn add_key(&mut self, key: Key) {
        if self.own.iter().any(|own| own.contains(&key)) {
            return;
        }
        self.whole.add_key(key);
    }

    /// The spans of a program, where they are kept apart.
    fn spans_of(&mut self, program: &ScanProgram) -> Option<&mut ReadSpans> {
        let known = self.filtered.iter().position(|(filter, _)| filter == program);
        let at = match known {
            Some(at) => at,
            None if self.filtered.len() >= FILTERS_MAX || program.0.len() > FILTER_BYTES_MAX => return None,
            None => {
                self.filtered.push((program.clone(), ReadSpans::with_max(SPANS_A_FILTER_MAX)));
                assert!(
                    self.filtered.len() <= FILTERS_MAX,
                    "what is read through more filters counts as a whole"
                );
                self.filtered.len() - 1
            }
        };
        self.filtered.get_mut(at).map(|(_, spans)| spans)
    }

    /// The spans: those read whole by key, then those of each program by key.
    pub fn iter(&self) -> impl Iterator<Item = ReadSpan> + '_ {
        let whole = self.whole.iter().map(ReadSpan::whole);
        whole.chain(self.filtered.iter().flat_map(|(filter, spans)| {
            spans.iter().map(|span| ReadSpan { span, filter: Some(filter.clone()) })
        }))
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.filtered.iter().all(|(_, spans)| spans.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::evaluator::program;

    fn span(start: &str, end: &str) -> Span {
        Span::new(Key::from(start.as_bytes()), Key::from(end.as_bytes()))
    }

    fn shown(reads: &Reads) -> String {
        let one = |read: ReadSpan| {
            let filter = read.filter.map_or(String::new(), |filter| format!(" {}", filter.0.escape_ascii()));
            format!("[{}, {}){filter}", read.span.start, read.span.end)
        };
        reads.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn reads_through_one_program_stay_apart_from_others() {
        let mut reads = Reads::new();
        assert!(reads.is_empty());
        reads.add(span("a", "c"), Some(&program("match x")));
        reads.add(span("b", "d"), Some(&program("match y")));
        reads.add(span("c", "e"), Some(&program("match x")));
        reads.add(span("f", "g"), None);
        reads.add_key(Key::from(b"h".as_slice()));
        assert_eq!(shown(&reads), "[f, g) [h, h\\x00) [a, e) match x [b, d) match y");
        assert!(!reads.is_empty());
    }

    #[test]
    fn reads_of_what_is_owned_are_not_kept() {
        let mut reads = Reads::new();
        reads.add(span("a", "c"), None);
        reads.own(span("b", "d"));
        reads.add(span("b", "d"), Some(&program("match x")));
        reads.add(span("c", "e"), None);
        reads.add_key(Key::from(b"b".as_slice()));
        reads.add_key(Key::from(b"d".as_slice()));
        assert_eq!(shown(&reads), "[a, e)");
    }

    #[test]
    fn reads_through_too_many_or_too_long_programs_count_whole() {
        let mut reads = Reads::new();
        for number in 0..FILTERS_MAX {
            reads.add(span("a", "b"), Some(&program(&format!("match {number}"))));
        }
        reads.add(span("k", "l"), Some(&program("match more")));
        reads.add(span("m", "n"), Some(&program(&"x".repeat(FILTER_BYTES_MAX + 1))));
        reads.add(span("b", "c"), Some(&program("match 0")));
        let whole: Vec<_> = reads.iter().filter(|read| read.filter.is_none()).map(|read| read.span).collect();
        assert_eq!(whole, [span("k", "l"), span("m", "n")]);
        assert_eq!(reads.iter().filter(|read| read.filter.is_some()).count(), FILTERS_MAX);
    }
}
