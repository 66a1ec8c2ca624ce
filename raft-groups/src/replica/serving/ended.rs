//! Who waits for the end of which transaction, at the range of its record.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

/// Transactions that somebody waits for. An end wakes those who wait for it, and nobody else.
#[derive(Debug, Default)]
pub(super) struct Ended {
    waiting: Arc<Mutex<BTreeMap<Uuid, Arc<Notify>>>>,
}

/// A place among those who wait for one transaction.
pub(super) struct Waiting {
    all: Arc<Mutex<BTreeMap<Uuid, Arc<Notify>>>>,
    transaction: Uuid,
    told: Arc<Notify>,
}

impl Ended {
    /// Takes a place.
    pub(super) fn wait_for(&self, transaction: Uuid) -> Waiting {
        let told = Arc::clone(self.waiting.lock().entry(transaction).or_default());
        Waiting { all: Arc::clone(&self.waiting), transaction, told }
    }

    /// A transaction may have ended.
    pub(super) fn tell(&self, transaction: Uuid) {
        if let Some(told) = self.waiting.lock().get(&transaction) {
            told.notify_waiters();
        }
    }
}

impl Waiting {
    /// What is told to those who wait.
    pub(super) fn told(&self) -> &Notify {
        &self.told
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        // The map's own, and this one: nobody else is left.
        if Arc::strong_count(&self.told) == 2 {
            all.remove(&self.transaction);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn ended_wakes_those_who_wait_for_that_transaction() {
        let (ended, [one, two]) = (Ended::default(), [1, 2].map(Uuid::from_u128));
        let waiting = [ended.wait_for(one), ended.wait_for(one), ended.wait_for(two)];
        let told = waiting.each_ref().map(|waiting| {
            let mut told = Box::pin(waiting.told().notified());
            told.as_mut().enable();
            told
        });
        ended.tell(one);
        ended.tell(Uuid::from_u128(3));
        assert_eq!(told.map(|told| told.now_or_never().is_some()), [true, true, false]);
        drop(waiting);
        assert!(ended.waiting.lock().is_empty(), "nobody waits");
    }
}
