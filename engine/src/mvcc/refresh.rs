//! A refresh: may what was read at one time be taken as read at a later one?

use super::{ChangeScan, ChangeWindow, Changed, PageError, Visits};
use crate::hlc::Timestamp;
use crate::kv::{Key, ScanEvaluator, ScanFilter, ScanProgram};
use crate::kv_reads::ReadSpan;
use crate::store::Snapshot;

/// What a refresh found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// Nothing that counts has changed.
    Unchanged,
    /// This key has, at this time.
    Changed {
        /// The first such key.
        key: Key,
        /// Timestamp of its newest version in the window.
        timestamp: Timestamp,
    },
    /// Nothing so far; the visits are used up, and this is left.
    Left(Vec<ReadSpan>),
}

/// Looks at spans in their order, until one has changed or the visits are used up.
///
/// # Errors
/// [`super::MvccError::Intent`] for an intent that may yet become a change that counts; a filter that cannot be read.
pub fn refresh(
    snapshot: &dyn Snapshot,
    reads: &[ReadSpan],
    (window, visits): (ChangeWindow, Visits),
    evaluator: &dyn ScanEvaluator,
) -> Result<Refreshed, PageError> {
    let mut scan = ChangeScan::new(snapshot, window, visits);
    let mut filters = Filters { evaluator, current: None };
    for (at, read) in reads.iter().enumerate() {
        match scan.look_at(&read.span, filters.of(read)?)? {
            Changed::Nothing => {}
            Changed::At { key, timestamp } => {
                assert!(read.span.contains(&key), "what has changed was read");
                return Ok(Refreshed::Changed { key, timestamp });
            }
            Changed::NotBefore(span) => {
                assert!(read.span.covers(&span), "what is left of a refresh is part of it");
                let rest = reads.iter().skip(at + 1).cloned();
                return Ok(Refreshed::Left(std::iter::once(read.with_span(span)).chain(rest).collect()));
            }
        }
    }
    Ok(Refreshed::Unchanged)
}

/// The filter of the last span: spans of one program lie side by side.
struct Filters<'a> {
    evaluator: &'a dyn ScanEvaluator,
    current: Option<(ScanProgram, Box<dyn ScanFilter>)>,
}

impl Filters<'_> {
    fn of(&mut self, read: &ReadSpan) -> Result<super::Filter<'_>, PageError> {
        let Some(program) = &read.filter else { return Ok(None) };
        if self.current.as_ref().is_none_or(|(current, _)| current != program) {
            self.current = Some((program.clone(), self.evaluator.filter(program)?));
        }
        Ok(match &mut self.current {
            Some((_, filter)) => Some(filter.as_mut()),
            None => None,
        })
    }
}
