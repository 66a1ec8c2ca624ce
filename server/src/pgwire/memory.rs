//! Memory that the messages of all connections may take together.
//!
//! A message that does not fit a connection's own small buffer takes its length from the budget before its body is read,
//! and gives it back when nothing of it is kept: its statement has run, or the prepared statement or portal that it made
//! is closed. Whoever finds the budget taken waits in order, its client held back by its socket, for a time that ends.

use std::sync::Arc;
use std::time::Duration;

use quorate_sql::error::{SqlError, SqlState};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits::{MESSAGES_LEAST_BYTES, MESSAGES_MOST_BYTES};

/// Part of the machine's memory that is the budget, within these bounds.
const MEMORY_PART: u64 = 8;
/// Bytes of one permit: finer than that nothing is counted.
const UNIT_BYTES: usize = 1 << 10;

/// The budget of a node.
#[derive(Debug)]
pub struct MessageMemory {
    units: Arc<Semaphore>,
    bytes: usize,
    wait_max: Duration,
}

/// What a message has taken; dropping it gives it back.
#[derive(Debug)]
pub struct Reservation {
    units: OwnedSemaphorePermit,
}

impl Reservation {
    /// Adds another to this one.
    pub fn add(&mut self, other: Self) {
        self.units.merge(other.units);
    }
}

impl MessageMemory {
    /// A budget of so many bytes, for which messages wait for so long.
    pub fn new(bytes: usize, wait_max: Duration) -> Arc<Self> {
        let units = Arc::new(Semaphore::new(bytes / UNIT_BYTES));
        Arc::new(Self { units, bytes, wait_max })
    }

    /// Takes so many bytes.
    ///
    /// # Errors
    /// 54000 for more than there are, 53200 where others do not give back enough in time.
    pub async fn reserve(&self, bytes: usize) -> Result<Reservation, SqlError> {
        if bytes > self.bytes {
            let (needed, budget) = (bytes >> 20, self.bytes >> 20);
            let message =
                format!("a message that takes {needed} MiB of memory is beyond this node's {budget} MiB");
            return Err(SqlError::new(SqlState::ProgramLimitExceeded, message)
                .with_hint("Send it in parts; COPY takes data of any size."));
        }
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        match timeout(self.wait_max, Arc::clone(&self.units).acquire_many_owned(units)).await {
            Ok(Ok(units)) => Ok(Reservation { units }),
            Ok(Err(_)) | Err(_) => Err(self.exhausted(bytes)),
        }
    }

    fn exhausted(&self, bytes: usize) -> SqlError {
        let (budget, wait) = (self.bytes >> 20, self.wait_max.as_secs());
        let message = format!("out of memory for a message of {bytes} bytes");
        SqlError::new(SqlState::OutOfMemory, message)
            .with_detail(format!(
                "Messages of this node's connections, and the prepared statements that they made, take the {budget} MiB \
                 there are for them, and gave too little back within {wait} s. The message was not run."
            ))
            .with_hint("Send it again, send it in parts, or close prepared statements with large texts.")
    }
}

/// The budget of a node on this machine.
pub fn node_budget_bytes() -> usize {
    // Where the system does not tell, the least is taken.
    budget_bytes(std::fs::read_to_string("/proc/meminfo").map_or(0, |text| total_bytes(&text)))
}

/// The machine's memory, as the system tells it: `MemTotal:  24606760 kB`.
fn total_bytes(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0).saturating_mul(1 << 10)
}

/// The budget for a machine with this much memory.
fn budget_bytes(machine_bytes: u64) -> usize {
    let part = usize::try_from(machine_bytes / MEMORY_PART).unwrap_or(MESSAGES_MOST_BYTES);
    part.clamp(MESSAGES_LEAST_BYTES, MESSAGES_MOST_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_is_taken_given_back_and_refused() {
        let memory = MessageMemory::new(10 << 10, Duration::from_millis(20));
        let first = memory.reserve(6 << 10).await.unwrap();
        let second = memory.reserve(4 << 10).await.unwrap();
        let error = memory.reserve(1).await.unwrap_err();
        assert_eq!(error.state, SqlState::OutOfMemory);
        drop(second);
        assert!(memory.reserve(5 << 10).await.is_err());
        drop(memory.reserve(4 << 10).await.unwrap());
        let mut first = first;
        first.add(memory.reserve(2 << 10).await.unwrap());
        assert!(memory.reserve(3 << 10).await.is_err());
        drop(first);
        drop(memory.reserve(10 << 10).await.unwrap());
        let error = memory.reserve((10 << 10) + 1).await.unwrap_err();
        assert_eq!(error.state, SqlState::ProgramLimitExceeded, "more than there is is not waited for");
    }

    #[test]
    fn memory_is_a_part_of_the_machines_within_bounds() {
        assert_eq!(total_bytes("MemTotal:       16777216 kB\nMemFree: 1 kB\n"), 16 << 30);
        assert_eq!(total_bytes("nothing"), 0);
        assert!(node_budget_bytes() >= MESSAGES_LEAST_BYTES);
        assert_eq!(budget_bytes(0), MESSAGES_LEAST_BYTES);
        assert_eq!(budget_bytes(8 << 30), 1 << 30);
        assert_eq!(budget_bytes(u64::MAX), MESSAGES_MOST_BYTES);
    }
}
