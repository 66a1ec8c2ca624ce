//! The space of the disk that holds a data directory.

use std::path::PathBuf;

use quorate_raft_groups::cluster::DiskSpace;

/// A folder whose disk is looked at.
pub struct DataDirectory {
    path: PathBuf,
}

impl DataDirectory {
    /// The disk that holds this folder.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl DiskSpace for DataDirectory {
    /// As `df` counts: blocks that only the system may use are neither used nor there.
    fn used_and_total(&self) -> (u64, u64) {
        let Ok(disk) = rustix::fs::statvfs(&self.path) else { return (0, 0) };
        let used = disk.f_blocks.saturating_sub(disk.f_bfree);
        let total = used.saturating_add(disk.f_bavail);
        (used.saturating_mul(disk.f_frsize), total.saturating_mul(disk.f_frsize))
    }
}
