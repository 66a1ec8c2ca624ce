//! All versions that are left on the disks: what really happened, with its time.

use std::collections::BTreeMap;
use std::ops::Bound;

use quorate_engine::hlc::Timestamp;
use quorate_engine::kv::{Key, Span, keyspace};
use quorate_engine::mvcc::key_format::{data_span, decode_data_key};
use quorate_engine::mvcc::version_format;
use quorate_engine::store::Family;
use quorate_engine::store::{Snapshot, Store};

use super::{Broken, View};
use crate::history::Cell;
use crate::workload::TABLES;

/// The versions of one key, by time; `None` is a deletion.
pub type KeyVersions = BTreeMap<Timestamp, Option<Cell>>;

/// The versions of all keys of the tables.
#[derive(Default)]
pub struct Versions {
    keys: BTreeMap<Key, KeyVersions>,
}

impl Versions {
    /// Reads every table from a machine that has it. All replicas were found equal before.
    pub fn read(view: &View) -> Result<Self, Broken> {
        let mut versions = Self::default();
        for (seen, status) in view.replicas().filter(|(_, status)| status.has_lease) {
            let snapshot = seen.store.snapshot();
            let tables = TABLES.into_iter().map(keyspace::table_span);
            for span in tables.filter_map(|table| table.intersection(&status.descriptor.span)) {
                versions.add(snapshot.as_ref(), &span)?;
            }
        }
        Ok(versions)
    }

    fn add(&mut self, snapshot: &dyn Snapshot, span: &Span) -> Result<(), Broken> {
        let damaged = |what: String| ("stored bytes are readable", what);
        let (start, end) = data_span(span);
        let mut cursor = snapshot.cursor(Family::Data, &start, &end);
        cursor.next().expect("a store in memory");
        while let (Some(encoded), Some(value)) = (cursor.key(), cursor.value()) {
            let (key, at) = decode_data_key(encoded).map_err(|error| damaged(error.to_string()))?;
            let value = version_format::decode(value).map_err(|error| damaged(error.to_string()))?;
            let cell = match value {
                None => None,
                Some(bytes) => Some(Cell::decode(&bytes).ok_or_else(|| damaged(format!("{key} at {at}")))?),
            };
            self.keys.entry(key).or_default().insert(at, cell);
            cursor.next().expect("a store in memory");
        }
        Ok(())
    }

    /// All keys with their versions.
    pub fn all(&self) -> impl Iterator<Item = (&Key, &KeyVersions)> {
        self.keys.iter()
    }

    /// The version at exactly this time.
    pub fn at(&self, key: &Key, at: Timestamp) -> Option<Option<Cell>> {
        self.keys.get(key)?.get(&at).copied()
    }

    /// The newest version at or below a time.
    pub fn newest(&self, key: &Key, upto: Timestamp) -> Option<(Timestamp, Option<Cell>)> {
        let versions = self.keys.get(key)?;
        versions.range(..=upto).next_back().map(|(at, cell)| (*at, *cell))
    }

    /// The newest version below a time.
    pub fn before(&self, key: &Key, below: Timestamp) -> Option<(Timestamp, Option<Cell>)> {
        let versions = self.keys.get(key)?;
        let bounds = (Bound::Unbounded, Bound::Excluded(below));
        versions.range::<Timestamp, _>(bounds).next_back().map(|(at, cell)| (*at, *cell))
    }

    /// Keys of a span that have ever been written.
    pub fn keys_of(&self, span: &Span) -> impl Iterator<Item = &Key> {
        let span = span.clone();
        self.keys.range(span.start.clone()..).map(|(key, _)| key).take_while(move |key| span.contains(key))
    }
}
