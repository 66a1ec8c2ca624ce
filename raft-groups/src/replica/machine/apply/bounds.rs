//! Whether what a command changes lies within a range's bounds.

use quorate_engine::kv::Span;
use quorate_engine::mvcc::key_format::{data_span, txn_span};
use quorate_engine::store::{Batch, Change, Family};

/// Bounds of one family; no end is the end of all keys.
struct Bounds {
    start: Vec<u8>,
    end: Vec<u8>,
}

impl Bounds {
    fn of((start, end): (Vec<u8>, Vec<u8>)) -> Self {
        Self { start, end }
    }

    fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_slice() && (self.end.is_empty() || key < self.end.as_slice())
    }

    /// Whether a removal up to before `end` stays within.
    fn ends_after(&self, end: &[u8]) -> bool {
        self.end.is_empty() || (!end.is_empty() && end <= self.end.as_slice())
    }
}

/// Whether every change is one of keys in `span`.
pub fn covers(span: &Span, changes: &Batch) -> bool {
    let data = Bounds::of(data_span(span));
    let txn = Bounds::of(txn_span(span));
    let lock = Bounds::of((span.start.as_ref().to_vec(), span.end.as_ref().to_vec()));
    let bounds = |family: &Family| match family {
        Family::Data => Some(&data),
        Family::Txn => Some(&txn),
        Family::Lock => Some(&lock),
        // Commands that touch these are refused where they are read.
        Family::Raft | Family::Range => None,
    };
    changes.changes().iter().all(|change| match change {
        Change::Put(family, key, _) | Change::Delete(family, key) => {
            bounds(family).is_some_and(|bounds| bounds.contains(key))
        }
        Change::DeleteRange(family, start, end) => {
            bounds(family).is_some_and(|bounds| bounds.contains(start) && bounds.ends_after(end))
        }
    })
}

#[cfg(test)]
mod tests {
    use quorate_engine::hlc::Timestamp;
    use quorate_engine::kv::Key;
    use quorate_engine::mvcc::key_format::{data_key, data_prefix, txn_key};
    use uuid::Uuid;

    use super::*;

    fn key(text: &str) -> Key {
        Key::from(text.as_bytes())
    }

    fn fits(change: impl Fn(&mut Batch)) -> bool {
        let mut batch = Batch::new();
        change(&mut batch);
        covers(&Span::new(key("b"), key("m")), &batch)
    }

    #[test]
    fn bounds_hold_for_the_user_keys_of_every_family() {
        let at = Timestamp::from_micros(5);
        for (name, is_within) in
            [("a", false), ("b", true), ("b\0", true), ("lzz", true), ("m", false), ("z", false)]
        {
            let put = |batch: &mut Batch| batch.put(Family::Data, data_key(&key(name), at), &b"v"[..]);
            assert_eq!(fits(put), is_within, "version of {name}");
            let put = |batch: &mut Batch| batch.put(Family::Txn, txn_key(&key(name), Uuid::nil()), &b"v"[..]);
            assert_eq!(fits(put), is_within, "record at {name}");
            let delete = |batch: &mut Batch| batch.delete(Family::Lock, key(name).as_ref().to_vec());
            assert_eq!(fits(delete), is_within, "intent of {name}");
        }
    }

    #[test]
    fn bounds_hold_for_both_ends_of_a_removal() {
        let removal = |start: &str, end: Vec<u8>| {
            let start = data_prefix(&key(start));
            fits(|batch| batch.delete_range(Family::Data, start.clone(), end.clone()))
        };
        assert!(removal("b", data_prefix(&key("m"))));
        assert!(!removal("a", data_prefix(&key("c"))));
        assert!(!removal("c", data_prefix(&key("n"))));
        assert!(!removal("c", Vec::new()), "to the end of all keys");
    }
}
