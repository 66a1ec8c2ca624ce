//! [`MvccScan`]: the live pairs of a span at one time, either way.
//!
//! The scan walks the data keys and, beside them, the intents: it stops at whichever comes first. Versions that do not
//! matter are stepped over, and beyond a few of them jumped over by a seek, so that a key with a long history costs one
//! seek and a key with one version costs one step.
//!
//! Invariant: a scan visits no more than its [`Visits`] allow, and then says where it stopped: what lies between two live
//! pairs may be millions of deleted ones.

use super::key_format::{data_prefix, data_prefix_end, data_span, split_data_key, user_key, version_of};
use super::pass::STEPS_MAX;
use super::{MvccError, ReadAt, intent_format, version_format};
use crate::codec::check::holds;
use crate::hlc::Timestamp;
use crate::kv::{Direction, Key, Span, Value};
use crate::mvcc::{Intent, Visits};
use crate::store::{Cursor, Family, Snapshot};

/// A scan over one snapshot. After an error it must not be used again.
pub struct MvccScan<'a> {
    data: Box<dyn Cursor + 'a>,
    locks: Box<dyn Cursor + 'a>,
    direction: Direction,
    at: ReadAt,
    /// Prefix of the user key visited last; its versions have to be passed.
    prefix: Vec<u8>,
    is_started: bool,
    /// The next intent in the way, with the prefix of its key.
    blocked: Option<Blocked>,
    visits: Visits,
    /// The key after which it stopped for want of visits.
    paused: Option<Key>,
}

/// An intent that the scan must not pass.
struct Blocked {
    key: Key,
    prefix: Vec<u8>,
    intent: Intent,
}

/// The version of the user key under [`MvccScan::prefix`] that the read meets, if any.
type Met = Option<(Timestamp, Option<Value>)>;

impl<'a> MvccScan<'a> {
    /// A scan over the keys of `span`, however many there are. Nothing is read yet.
    pub fn new(snapshot: &'a dyn Snapshot, span: &Span, direction: Direction, at: ReadAt) -> Self {
        Self::within(snapshot, span, (direction, at), Visits::UNLIMITED)
    }

    /// A scan that ends when its visits are used up.
    pub fn within(
        snapshot: &'a dyn Snapshot,
        span: &Span,
        (direction, at): (Direction, ReadAt),
        visits: Visits,
    ) -> Self {
        let (start, end) = data_span(span);
        Self {
            data: snapshot.cursor(Family::Data, &start, &end),
            locks: snapshot.cursor(Family::Lock, span.start.as_ref(), span.end.as_ref()),
            direction,
            at,
            prefix: Vec::new(),
            is_started: false,
            blocked: None,
            visits,
            paused: None,
        }
    }

    /// The last key that was visited, where the scan ended for want of visits before the end of its span.
    pub fn paused(&self) -> Option<&Key> {
        self.paused.as_ref()
    }

    /// What was visited so far.
    pub fn visits(&self) -> &Visits {
        &self.visits
    }

    /// The next live pair with the timestamp of its version; `None` at the end, or where the visits are used up
    /// ([`MvccScan::paused`]).
    ///
    /// # Errors
    /// [`MvccError::Intent`] and [`MvccError::Uncertain`] as drawn in [`crate::mvcc`], at the key where they lie.
    #[expect(clippy::should_implement_trait, reason = "an iterator of results would go on after an error")]
    pub fn next(&mut self) -> Result<Option<(Key, Timestamp, Value)>, MvccError> {
        loop {
            if self.is_started && self.visits.are_spent() {
                self.paused = Some(user_key(&self.prefix)?);
                return Ok(None);
            }
            self.advance()?;
            let met = match self.data.key() {
                None => return self.end(),
                Some(_) => self.meet()?,
            };
            self.refuse_blocked()?;
            let Some((timestamp, value)) = met else { continue };
            assert!(timestamp <= self.at.limit(), "a scan gives no version above its limit");
            let key = || user_key(&self.prefix);
            if timestamp > self.at.timestamp {
                return Err(MvccError::Uncertain { key: key()?, timestamp });
            }
            if let Some(value) = value {
                return Ok(Some((key()?, timestamp, value)));
            }
        }
    }

    /// Moves to the first data key of the next user key in the scan's direction.
    fn advance(&mut self) -> Result<(), MvccError> {
        if !self.is_started {
            self.is_started = true;
            self.next_blocked()?;
            return match self.direction {
                Direction::Forward => Ok(self.data.next()?),
                Direction::Reverse => Ok(self.data.seek_before(&[])?),
            };
        }
        for _ in 0..STEPS_MAX {
            if !self.is_at_prefix() {
                return Ok(());
            }
            self.visits.step();
            match self.direction {
                Direction::Forward => self.data.next()?,
                Direction::Reverse => self.data.prev()?,
            }
        }
        if self.is_at_prefix() {
            match self.direction {
                Direction::Forward => self.data.seek(&data_prefix_end(&self.prefix))?,
                Direction::Reverse => self.data.seek_before(&self.prefix)?,
            }
        }
        Ok(())
    }

    /// Whether the data cursor stands at a version of the user key visited last. A prefix ends in a terminator, so
    /// that no other user key's versions start with it.
    fn is_at_prefix(&self) -> bool {
        self.data.key().is_some_and(|key| key.starts_with(&self.prefix))
    }

    /// Notes the user key under the data cursor, and finds the version that the read meets.
    fn meet(&mut self) -> Result<Met, MvccError> {
        let Some(found) = self.data.key() else { return Ok(None) };
        let (prefix, timestamp) = split_data_key(found)?;
        // The prefix of a key is never empty: an empty one is that of no key yet.
        let goes_on = self.prefix.is_empty()
            || match self.direction {
                Direction::Forward => prefix > self.prefix.as_slice(),
                Direction::Reverse => prefix < self.prefix.as_slice(),
            };
        holds(goes_on, "a scan meets its keys in order, each of them once")?;
        self.prefix.clear();
        self.prefix.extend_from_slice(prefix);
        match self.direction {
            Direction::Forward => self.meet_forward(timestamp),
            Direction::Reverse => self.meet_reverse(timestamp),
        }
    }

    /// From the newest version down to the first one that is not too new.
    fn meet_forward(&mut self, mut timestamp: Timestamp) -> Result<Met, MvccError> {
        let limit = self.at.limit();
        let mut steps = 0;
        while timestamp > limit {
            self.visits.step();
            if steps < STEPS_MAX {
                self.data.next()?;
            } else {
                self.data.seek(&version_of(self.prefix.clone(), limit))?;
            }
            steps += 1;
            match self.data.key().filter(|key| key.starts_with(&self.prefix)) {
                None => return Ok(None),
                Some(key) => timestamp = split_data_key(key)?.1,
            }
        }
        self.version(timestamp).map(Some)
    }

    /// From the oldest version up to the last one that is not too new.
    fn meet_reverse(&mut self, mut timestamp: Timestamp) -> Result<Met, MvccError> {
        let limit = self.at.limit();
        let mut met = None;
        for _ in 0..STEPS_MAX {
            if timestamp > limit {
                return Ok(met);
            }
            met = Some(self.version(timestamp)?);
            self.visits.step();
            self.data.prev()?;
            match self.data.key().filter(|key| key.starts_with(&self.prefix)) {
                None => return Ok(met),
                Some(key) => timestamp = split_data_key(key)?.1,
            }
        }
        self.data.seek(&version_of(self.prefix.clone(), limit))?;
        match self.data.key().filter(|key| key.starts_with(&self.prefix)) {
            None => Ok(None),
            Some(key) => {
                let timestamp = split_data_key(key)?.1;
                self.version(timestamp).map(Some)
            }
        }
    }

    /// The version under the data cursor.
    fn version(&mut self, timestamp: Timestamp) -> Result<(Timestamp, Option<Value>), MvccError> {
        let value = self.data.value().unwrap_or_default();
        self.visits.read(value.len());
        Ok((timestamp, version_format::decode(value)?))
    }

    /// Finds the next intent that the read must not pass.
    fn next_blocked(&mut self) -> Result<(), MvccError> {
        match self.direction {
            Direction::Forward => self.locks.next()?,
            Direction::Reverse => self.locks.seek_before(&[])?,
        }
        while let (Some(key), Some(value)) = (self.locks.key(), self.locks.value()) {
            let intent = intent_format::decode(value)?;
            if intent.write_timestamp <= self.at.limit() {
                let key = Key::from(key);
                assert!(self.blocked.is_none(), "the first intent in a scan's way stops it");
                self.blocked = Some(Blocked { prefix: data_prefix(&key), key, intent });
                break;
            }
            match self.direction {
                Direction::Forward => self.locks.next()?,
                Direction::Reverse => self.locks.prev()?,
            }
        }
        Ok(())
    }

    /// Fails if an intent lies at the user key reached, or before it in the scan's direction.
    fn refuse_blocked(&mut self) -> Result<(), MvccError> {
        let is_reached = self.blocked.as_ref().is_some_and(|blocked| match self.direction {
            Direction::Forward => blocked.prefix <= self.prefix,
            Direction::Reverse => blocked.prefix >= self.prefix,
        });
        if is_reached { self.end().map(|_| ()) } else { Ok(()) }
    }

    /// The end of the scan, where no intent is left.
    fn end(&mut self) -> Result<Option<(Key, Timestamp, Value)>, MvccError> {
        match self.blocked.take() {
            None => Ok(None),
            Some(Blocked { key, intent, .. }) => Err(MvccError::Intent { key, intent: Box::new(intent) }),
        }
    }
}
