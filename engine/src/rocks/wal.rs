//! RocksDB's write-ahead logs, read without RocksDB: whether they are whole.
//!
//! RocksDB's point-in-time recovery ends at the first record that is damaged, and drops what is behind it without an
//! error. Whether that is the torn end that a power cut leaves, or damage to what had been synced, is decided here, before
//! a recovery throws the evidence away. [`record`] knows one record, [`log_file`] a file, [`scan`] all logs that
//! [`manifest`] says are needed; [`batch`] and [`note_format`] are what the records say.

mod batch;
pub(super) mod checksum;
mod log_file;
mod manifest;
pub(super) mod note_format;
mod record;
pub(super) mod scan;
