//! Which threads may wait for the disk: a debug build panics where one does that many others depend on.
//!
//! A thread of an async runtime runs the tasks of many: while it waits for a sync they all stand still, and a slow disk
//! silences a whole node. Such a thread says so once ([`forbid`]); whoever hands work to a thread that may wait lets it
//! wait there ([`allowed`]). Threads that say nothing, as those of tests and tools, may wait.

use std::cell::Cell;

thread_local! {
    static MAY_WAIT: Cell<bool> = const { Cell::new(true) };
}

/// From now on this thread must not wait for the disk, outside of [`allowed`].
pub fn forbid() {
    MAY_WAIT.set(false);
}

/// Runs work that may wait for the disk on this thread.
pub fn allowed<T>(work: impl FnOnce() -> T) -> T {
    /// Puts back what was before, also where the work panics.
    struct Restore(bool);

    impl Drop for Restore {
        fn drop(&mut self) {
            MAY_WAIT.set(self.0);
        }
    }

    let _restore = Restore(MAY_WAIT.replace(true));
    work()
}

/// Whether this thread may wait for the disk.
pub fn are_allowed() -> bool {
    MAY_WAIT.get()
}

/// Every store calls it before it waits for the disk.
///
/// # Panics
/// In debug builds, on a thread that must not wait.
#[track_caller]
pub fn check() {
    debug_assert!(are_allowed(), "a thread that others depend on is about to wait for the disk");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;
    use crate::store::{Batch, Durability, Store};

    #[test]
    fn waits_are_allowed_until_they_are_forbidden_and_for_a_while_after() {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert!(are_allowed());
                forbid();
                assert!(!are_allowed());
                assert!(allowed(are_allowed));
                assert!(std::panic::catch_unwind(|| allowed(|| panic!("as a test wants"))).is_err());
                assert!(!are_allowed());
            });
        });
    }

    #[test]
    fn waits_of_a_store_on_a_forbidden_thread_are_a_defect() {
        let store = MemoryStore::new();
        let on_runtime = std::thread::scope(|scope| {
            let waits = scope.spawn(|| {
                forbid();
                store.write(Batch::new(), Durability::Buffered).unwrap();
                store.write(Batch::new(), Durability::Synced).unwrap();
            });
            waits.join()
        });
        assert!(on_runtime.is_err());
        assert_eq!(store.syncs(), 0);
    }
}
