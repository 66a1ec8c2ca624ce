//! Puts and gets of single keys; every value that is read is checked against what was written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::driver::Worker;
use crate::error::{Fate, OpError};
use crate::keys::Keys;
use crate::ledger::{Ledger, Wrong};
use crate::systems::KvClient;
use crate::values;

/// Rows of one call of [`KvClient::load`] and [`KvClient::scan`].
const ROWS_AT_ONCE: u64 = 1_000;
/// Wrong values whose words are kept.
const WRONGS_KEPT_MAX: usize = 5;

/// The operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvOp {
    /// Sets a key.
    Put,
    /// Reads a key.
    Get,
}

impl KvOp {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
        }
    }
}

/// What was written to one system, and what was wrong with what came back.
#[derive(Debug)]
pub struct KvRecord {
    /// The writes.
    pub ledger: Ledger,
    /// Bytes of a value.
    pub value_bytes: usize,
    wrongs: AtomicU64,
    words: Mutex<Vec<String>>,
}

impl KvRecord {
    /// Of this many keys.
    pub fn new(keys: usize, value_bytes: usize) -> Arc<Self> {
        let ledger = Ledger::new(keys);
        Arc::new(Self { ledger, value_bytes, wrongs: AtomicU64::new(0), words: Mutex::default() })
    }

    fn note(&self, wrong: &Wrong) {
        self.wrongs.fetch_add(1, Ordering::Relaxed);
        let mut words = self.words.lock();
        if words.len() < WRONGS_KEPT_MAX {
            words.push(wrong.to_string());
        }
    }

    /// How many values were wrong, and the words of the first.
    pub fn wrongs(&self) -> (u64, Vec<String>) {
        (self.wrongs.load(Ordering::Relaxed), self.words.lock().clone())
    }

    fn value(&self, key: u64, stamp: u64) -> String {
        values::make(key, stamp, self.value_bytes)
    }

    /// Writes all keys once; tells how far it is.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn load(&self, client: &mut dyn KvClient, mut tell: impl FnMut(f64)) -> Result<(), OpError> {
        let keys = self.ledger.len();
        for first in (0..keys).step_by(usize::try_from(ROWS_AT_ONCE).unwrap_or(1)) {
            let stamped: Vec<(u64, u64)> =
                (first..keys.min(first + ROWS_AT_ONCE)).map(|key| (key, self.ledger.begin(key))).collect();
            let rows: Vec<(u64, String)> =
                stamped.iter().map(|(key, stamp)| (*key, self.value(*key, *stamp))).collect();
            client.load(&rows).await?;
            for (key, stamp) in stamped {
                self.ledger.acknowledge(key, stamp);
            }
            tell(first as f64 / keys.max(1) as f64);
        }
        Ok(())
    }

    /// Reads all keys and checks each; returns how many were found.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn verify(&self, client: &mut dyn KvClient) -> Result<u64, OpError> {
        let (keys, mut next, mut found) = (self.ledger.len(), 0, 0);
        while next < keys {
            let views: Vec<_> =
                (next..keys.min(next + ROWS_AT_ONCE)).map(|key| self.ledger.before_read(key)).collect();
            let rows = client.scan(next, views.len()).await?;
            let mut rows = rows.into_iter().peekable();
            for (key, view) in (next..).zip(&views) {
                let row = rows.next_if(|(of, _)| *of == key);
                found += u64::from(row.is_some());
                let value = row.as_ref().map(|(_, value)| value.as_str());
                if let Err(wrong) = self.ledger.check(key, view, value) {
                    self.note(&wrong);
                }
            }
            next += views.len() as u64;
        }
        Ok(found)
    }
}

/// One client.
pub struct KvWorker {
    /// Where it writes and reads.
    pub client: Box<dyn KvClient>,
    /// What it does.
    pub op: KvOp,
    /// Which keys.
    pub keys: Keys,
    /// What was written.
    pub record: Arc<KvRecord>,
}

impl KvWorker {
    /// Sets the next key.
    async fn put(&mut self) -> Result<(), OpError> {
        let key = self.keys.next_key();
        let stamp = self.record.ledger.begin(key);
        let value = self.record.value(key, stamp);
        let result = self.client.put(key, &value).await;
        match &result {
            Ok(()) => self.record.ledger.acknowledge(key, stamp),
            Err(error) if error.fate != Fate::Unknown => self.record.ledger.forget(key, stamp),
            Err(_) => {}
        }
        result
    }

    /// Reads the next key.
    async fn get(&mut self) -> Result<(), OpError> {
        let key = self.keys.next_key();
        let view = self.record.ledger.before_read(key);
        let value = self.client.get(key).await?;
        if let Err(wrong) = self.record.ledger.check(key, &view, value.as_deref()) {
            self.record.note(&wrong);
        }
        Ok(())
    }
}

#[async_trait]
impl Worker for KvWorker {
    async fn step(&mut self) -> Result<usize, OpError> {
        match self.op {
            KvOp::Put => self.put().await?,
            KvOp::Get => self.get().await?,
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests;
