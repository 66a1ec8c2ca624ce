//! [`ChangeScan`]: has anything in a span changed since it was read?
//!
//! Versions and intents of the span are walked, a page at a time. With a filter, that of the scan which read the span, a
//! row counts only where what it was, or what it is, passes: the scan would find the same as before over all others.

use uuid::Uuid;

use super::key_format::{data_span, split_data_key, user_key, version_of};
use super::pass::pass;
use super::read::value_at;
use super::visits::Visits;
use super::{Intent, MvccError, intent_format, version_format};
use crate::codec::check::holds;
use crate::hlc::Timestamp;
use crate::kv::{Key, ScanFilter, Span};
use crate::store::{Cursor, Family, Snapshot};

/// Between which times a change counts, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeWindow {
    /// When the span was read: later versions count.
    pub after: Timestamp,
    /// Versions up to here count.
    pub upto: Timestamp,
    /// The transaction that asks. Its intents do not count: they become versions at `upto`.
    pub own: Option<Uuid>,
}

/// What became of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Nothing counts in all of it.
    Nothing,
    /// Nothing counts up to here; this is left to be looked at.
    NotBefore(Span),
    /// This key counts.
    At {
        /// The first such key.
        key: Key,
        /// Timestamp of its newest version in the window.
        timestamp: Timestamp,
    },
}

/// A filter of rows; without one every row counts.
pub type Filter<'a> = Option<&'a mut dyn ScanFilter>;

/// Looks at spans of one snapshot until its visits are used up.
pub struct ChangeScan<'a> {
    snapshot: &'a dyn Snapshot,
    window: ChangeWindow,
    /// Visits of versions and of intents.
    versions: Visits,
    intents: Visits,
}

impl<'a> ChangeScan<'a> {
    /// A scan that visits as many versions, and as many intents.
    pub fn new(snapshot: &'a dyn Snapshot, window: ChangeWindow, visits: Visits) -> Self {
        Self { snapshot, window, versions: visits, intents: visits }
    }

    /// Looks at a span, or at the first part of it: at one key at least.
    ///
    /// # Errors
    /// [`MvccError::Intent`] for the first intent at or below `upto` that may yet become a version that counts.
    pub fn look_at(&mut self, span: &Span, mut filter: Filter<'_>) -> Result<Changed, MvccError> {
        if span.is_empty() || self.window.after >= self.window.upto {
            return Ok(Changed::Nothing);
        }
        let seen = self.refuse_intents(span, reborrowed(&mut filter))?;
        let here =
            seen.as_ref().map_or_else(|| span.clone(), |end| Span::new(span.start.clone(), end.clone()));
        Ok(match self.versions_in(&here, filter)? {
            Changed::Nothing => match seen {
                None => Changed::Nothing,
                Some(end) => left(span, end),
            },
            Changed::NotBefore(rest) => left(span, rest.start),
            changed @ Changed::At { .. } => changed,
        })
    }

    /// Looks at the intents of a span; where not all were looked at, the key at which the rest begins.
    fn refuse_intents(&mut self, span: &Span, mut filter: Filter<'_>) -> Result<Option<Key>, MvccError> {
        let mut cursor = self.snapshot.cursor(Family::Lock, span.start.as_ref(), span.end.as_ref());
        cursor.next()?;
        while let (Some(key), Some(value)) = (cursor.key(), cursor.value()) {
            let intent = intent_format::decode(value)?;
            self.intents.step();
            self.intents.read(value.len());
            let key = Key::from(key);
            holds(span.contains(&key), "the intents of a span lie in it")?;
            let is_foreign =
                intent.write_timestamp <= self.window.upto && self.window.own != Some(intent.transaction);
            if is_foreign && self.intent_counts(&key, &intent, reborrowed(&mut filter))? {
                return Err(MvccError::Intent { key, intent: Box::new(intent) });
            }
            if self.intents.are_spent() {
                return Ok(Some(key.successor()));
            }
            cursor.next()?;
        }
        Ok(None)
    }

    fn intent_counts(&self, key: &Key, intent: &Intent, filter: Filter<'_>) -> Result<bool, MvccError> {
        let Some(filter) = filter else { return Ok(true) };
        if intent.kind.value().is_some_and(|value| filter.passes(key.as_ref(), value)) {
            return Ok(true);
        }
        let old = value_at(self.snapshot, key, self.window.after)?;
        Ok(old.is_some_and(|value| filter.passes(key.as_ref(), &value)))
    }

    fn versions_in(&mut self, span: &Span, mut filter: Filter<'_>) -> Result<Changed, MvccError> {
        let ChangeWindow { after, upto, .. } = self.window;
        let (start, end) = data_span(span);
        let mut cursor = self.snapshot.cursor(Family::Data, &start, &end);
        cursor.next()?;
        while let Some(found) = cursor.key() {
            let (prefix, timestamp) = split_data_key(found)?;
            if timestamp > upto {
                // The newest version is too new, an older one may not be: it is found here in the next round.
                let target = version_of(prefix.to_vec(), upto);
                self.versions.step();
                cursor.seek(&target)?;
                continue;
            }
            let prefix = prefix.to_vec();
            if timestamp > after {
                assert!(timestamp <= upto, "a change lies within the window that is looked at");
                let key = user_key(&prefix)?;
                if self.version_counts(cursor.as_mut(), (&key, &prefix), reborrowed(&mut filter))? {
                    return Ok(Changed::At { key, timestamp });
                }
            }
            pass(cursor.as_mut(), &prefix, || self.versions.step())?;
            let goes_on = cursor.key().is_none_or(|next| next > prefix.as_slice());
            holds(goes_on, "what comes behind a key's versions is a later key")?;
            if self.versions.are_spent() && cursor.key().is_some() {
                return Ok(left(span, user_key(&prefix)?.successor()));
            }
        }
        Ok(Changed::Nothing)
    }

    /// Whether the version under the cursor, or the one that it replaced, passes.
    fn version_counts(
        &mut self,
        cursor: &mut dyn Cursor,
        (key, prefix): (&Key, &[u8]),
        filter: Filter<'_>,
    ) -> Result<bool, MvccError> {
        let Some(filter) = filter else { return Ok(true) };
        let mut passes = |cursor: &dyn Cursor, versions: &mut Visits| -> Result<bool, MvccError> {
            let value = cursor.value().unwrap_or_default();
            versions.read(value.len());
            Ok(version_format::decode(value)?.is_some_and(|value| filter.passes(key.as_ref(), &value)))
        };
        if passes(cursor, &mut self.versions)? {
            return Ok(true);
        }
        self.versions.step();
        cursor.seek(&version_of(prefix.to_vec(), self.window.after))?;
        if cursor.key().is_none_or(|found| !found.starts_with(prefix)) {
            return Ok(false);
        }
        passes(cursor, &mut self.versions)
    }
}

/// What of a span is left from a key on.
fn left(span: &Span, from: Key) -> Changed {
    assert!(from >= span.start, "what is left of a span lies in it");
    let rest = Span::new(from, span.end.clone());
    if rest.is_empty() { Changed::Nothing } else { Changed::NotBefore(rest) }
}

fn reborrowed<'b>(filter: &'b mut Filter<'_>) -> Filter<'b> {
    match filter {
        Some(filter) => Some(&mut **filter),
        None => None,
    }
}
