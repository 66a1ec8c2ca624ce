//! How long the disk takes to keep what was appended to a file.

use std::fs::{File, remove_file};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::Measured;
use crate::latency::Latencies;

/// Bytes appended before each sync: a page, as a log's writer often has it.
const APPEND_BYTES: usize = 4 << 10;

/// Appends and syncs in turn, for this long.
pub fn syncs(folder: &Path, time: Duration) -> io::Result<Measured> {
    let path = folder.join("floor-syncs");
    let result = append(&path, time);
    remove_file(&path)?;
    result
}

fn append(path: &Path, time: Duration) -> io::Result<Measured> {
    let mut file = File::create(path)?;
    let (mut latencies, begun) = (Latencies::default(), Instant::now());
    while begun.elapsed() < time {
        let before = Instant::now();
        file.write_all(&[0x5a; APPEND_BYTES])?;
        file.sync_data()?;
        latencies.record(before.elapsed());
    }
    Ok(Measured { latencies, seconds: begun.elapsed().as_secs_f64() })
}
