//! The disk that holds a data directory: its space, and how long its store waits for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quorate_engine::rocks::RocksStore;
use quorate_raft_groups::cluster::DiskSpace;
use quorate_raft_groups::cluster::status::DiskSyncs;

/// A folder whose disk is looked at.
pub struct DataDirectory {
    path: PathBuf,
    store: Option<Arc<RocksStore>>,
}

impl DataDirectory {
    /// The disk that holds this folder.
    pub fn new(path: PathBuf) -> Self {
        Self { path, store: None }
    }

    /// With the store that lies there.
    pub fn of_store(self, store: Arc<RocksStore>) -> Self {
        Self { store: Some(store), ..self }
    }
}

impl DiskSpace for DataDirectory {
    fn used_and_total(&self) -> (u64, u64) {
        let Ok(disk) = rustix::fs::statvfs(&self.path) else { return (0, 0) };
        let blocks = Blocks { all: disk.f_blocks, free: disk.f_bfree, available: disk.f_bavail };
        blocks.used_and_total(disk.f_frsize)
    }

    fn syncs(&self) -> DiskSyncs {
        let Some(store) = &self.store else { return DiskSyncs::default() };
        let times = store.sync_times();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        DiskSyncs {
            p99_ms: millis(times.p99),
            longest_ms: millis(times.longest),
            running_ms: millis(times.running),
        }
    }
}

/// What a file system says of its blocks.
struct Blocks {
    all: u64,
    free: u64,
    /// Those of the free ones that a user may take: the rest is kept for the system.
    available: u64,
}

impl Blocks {
    /// In bytes, as `df` counts: blocks that only the system may use are neither used nor there.
    fn used_and_total(&self, block_bytes: u64) -> (u64, u64) {
        let used = self.all.saturating_sub(self.free);
        let total = used.saturating_add(self.available);
        (used.saturating_mul(block_bytes), total.saturating_mul(block_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_kept_for_the_system_are_neither_used_nor_there() {
        let mostly_kept = Blocks { all: 1_000, free: 990, available: 90 };
        assert_eq!(mostly_kept.used_and_total(4_096), (10 * 4_096, 100 * 4_096));
        let none_kept = Blocks { all: 1_000, free: 400, available: 400 };
        assert_eq!(none_kept.used_and_total(512), (600 * 512, 1_000 * 512));
    }

    #[test]
    fn a_disk_is_full_when_no_user_may_take_a_block() {
        let full = Blocks { all: 1_000, free: 50, available: 0 };
        assert_eq!(full.used_and_total(4_096), (950 * 4_096, 950 * 4_096));
    }

    #[test]
    fn the_disk_of_a_folder_has_a_size() {
        let (used, total) = DataDirectory::new(std::env::temp_dir()).used_and_total();
        assert!(total > 0 && used <= total, "{used} of {total} bytes");
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_disk() {
        assert_eq!(DataDirectory::new(PathBuf::from("/nowhere/at/all")).used_and_total(), (0, 0));
    }
}
