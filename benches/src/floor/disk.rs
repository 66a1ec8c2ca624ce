//! How long the disk takes to keep a page that is written over in a file: the least that any log can cost. A file that
//! grows costs more, as the file system then has to keep its new size too.

use std::fs::{File, remove_file};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::Measured;
use crate::latency::Latencies;

/// Bytes written before each sync.
const PAGE_BYTES: usize = 4 << 10;
/// Pages of the file, written over one after the other.
const PAGES: u64 = 4_096;

/// Writes and syncs in turn, for this long.
pub fn syncs(folder: &Path, time: Duration) -> io::Result<Measured> {
    let path = folder.join("floor-syncs");
    let result = write_over(&path, time);
    remove_file(&path)?;
    result
}

fn write_over(path: &Path, time: Duration) -> io::Result<Measured> {
    let file = File::create(path)?;
    let page = [0x5a; PAGE_BYTES];
    let write = |number: u64| file.write_all_at(&page, (number % PAGES) * PAGE_BYTES as u64);
    (0..PAGES).try_for_each(write)?;
    file.sync_all()?;
    let (mut latencies, begun) = (Latencies::default(), Instant::now());
    for number in 0.. {
        if begun.elapsed() >= time {
            break;
        }
        let before = Instant::now();
        write(number)?;
        file.sync_data()?;
        latencies.record(before.elapsed());
    }
    Ok(Measured { latencies, seconds: begun.elapsed().as_secs_f64() })
}
