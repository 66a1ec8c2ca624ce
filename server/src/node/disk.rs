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
    fn used_and_total(&self) -> (u64, u64) {
        let Ok(disk) = rustix::fs::statvfs(&self.path) else { return (0, 0) };
        let total = disk.f_blocks.saturating_mul(disk.f_frsize);
        (total.saturating_sub(disk.f_bavail.saturating_mul(disk.f_frsize)), total)
    }
}
