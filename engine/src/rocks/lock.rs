//! [`StoreLock`]: nobody else has this store open. RocksDB has a lock of its own, but takes it only when it opens: what is
//! looked at before, and perhaps cut off, must be nobody's yet.
//!
//! The directory itself is locked against other stores of this process and of others. RocksDB's file is locked too, in
//! RocksDB's way, so that programs that know this alone are seen: that lock is the process's, and ends when the process
//! closes any handle of the file. So the handle is kept until RocksDB is closed.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, fcntl_lock};

use crate::store::StoreError;

/// Held while a store is looked at or open.
#[derive(Debug)]
pub(super) struct StoreLock {
    _folder: File,
    _library: File,
}

impl StoreLock {
    /// Locks the store in a directory.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where it is open elsewhere, [`StoreError::Device`] where it cannot be locked.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let failed = |error: io::Error| StoreError::Device {
            operation: "open",
            detail: format!("{}: {error}", path.display()),
        };
        let locked = || StoreError::Locked { path: path.display().to_string() };
        let folder = File::open(path).map_err(failed)?;
        folder.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => locked(),
            TryLockError::Error(error) => failed(error),
        })?;
        let library = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("LOCK"));
        let library = library.map_err(failed)?;
        match fcntl_lock(&library, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _folder: folder, _library: library }),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => Err(locked()),
            Err(error) => Err(failed(error.into())),
        }
    }
}
