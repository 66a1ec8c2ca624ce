//! The floor: what this machine can do at best of what a database must do. Measured first in each run, in the folder
//! where the systems will keep their data; the systems' figures are shares of it.

mod disk;
mod loopback;
mod store;

use std::path::Path;
use std::time::Duration;

use crate::error::BenchError;
use crate::latency::Latencies;
use crate::report::{Limit, Row};

/// How long each part is measured.
const PART: Duration = Duration::from_millis(1_500);
/// Writers of the store at once, as many as clients of the runs that are compared with it.
pub const STORE_WRITERS: usize = 64;

/// One limit of the machine.
#[derive(Clone, Debug)]
pub struct Measured {
    latencies: Latencies,
    seconds: f64,
}

impl Measured {
    fn per_second(&self) -> f64 {
        self.latencies.count() as f64 / self.seconds
    }
}

/// All of them.
#[derive(Clone, Debug)]
pub struct Floor {
    sync: Measured,
    round_trip: Measured,
    puts: Measured,
    gets: Measured,
    cores: usize,
}

impl Floor {
    /// Measures everything in this folder; blocks for some seconds.
    ///
    /// # Errors
    /// The folder cannot be written, or loopback does not work.
    pub fn measure(folder: &Path, value_bytes: usize) -> Result<Self, BenchError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let sync =
            disk::syncs(folder, PART).map_err(BenchError::io(format!("syncs in {}", folder.display())))?;
        let round_trip = loopback::round_trips(PART).map_err(BenchError::io("round trips on loopback"))?;
        let (puts, gets) = store::puts_and_gets(folder, value_bytes, PART)?;
        Ok(Self { sync, round_trip, puts, gets, cores })
    }

    /// What limits an operation that writes: one client waits for a sync each time, many share them.
    pub fn of_puts(&self, clients: usize) -> Limit {
        if clients == 1 {
            Limit { name: "of fdatasync", per_second: self.sync.per_second() }
        } else {
            Limit { name: "of store puts", per_second: self.puts.per_second() }
        }
    }

    /// What limits an operation that reads: one client waits for a round trip, many share the cores.
    pub fn of_gets(&self, clients: usize) -> Limit {
        if clients == 1 {
            Limit { name: "of round trips", per_second: self.round_trip.per_second() }
        } else {
            Limit { name: "of store gets", per_second: self.gets.per_second() }
        }
    }

    /// The floor as rows of the report.
    pub fn rows(&self) -> Vec<Row> {
        let row = |op: &str, clients, measured: &Measured| {
            Row::new("floor", op, clients, &measured.latencies, measured.seconds)
        };
        vec![
            row("fdatasync of 4 KiB", 1, &self.sync),
            row("loopback round trip", 1, &self.round_trip),
            row("store put, synced", STORE_WRITERS, &self.puts),
            row("store get", self.cores, &self.gets),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floor_measures_all_parts() {
        let folder = tempfile::tempdir().unwrap();
        let short = Duration::from_millis(50);
        assert!(disk::syncs(folder.path(), short).unwrap().latencies.count() > 0);
        assert!(loopback::round_trips(short).unwrap().latencies.count() > 10);
        let (puts, gets) = store::puts_and_gets(folder.path(), 64, short).unwrap();
        assert!(puts.latencies.count() > 0 && gets.latencies.count() > 100);
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert!(left.is_empty(), "nothing is left behind: {left:?}");
    }
}
