//! What machine this is, and whether it is quiet.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::BenchError;

/// How long the machine is watched before a run.
const WATCH: Duration = Duration::from_millis(500);
/// Share of all cores above which others disturb the figures.
const BUSY_SHARE: f64 = 0.10;
/// What statfs says of file systems in memory: syncs cost nothing there.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// What can be said of it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// The processor's name.
    pub processor: String,
    /// Share of all cores that were in use while nothing of this run ran.
    pub busy: f64,
    /// Whether the data folder lies in memory.
    pub is_in_memory: bool,
}

impl Machine {
    /// Looks for half a second.
    ///
    /// # Errors
    /// The folder cannot be asked.
    pub async fn look(folder: &Path) -> Result<Self, BenchError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let what = format!("asking for the file system of {}", folder.display());
        let file_system =
            rustix::fs::statfs(folder).map_err(std::io::Error::from).map_err(BenchError::io(what))?;
        #[expect(clippy::cast_sign_loss, reason = "a number that identifies, not one that counts")]
        let kind = file_system.f_type as u64;
        Ok(Self {
            cores,
            processor: processor_name().unwrap_or_else(|| "unknown processor".to_owned()),
            busy: watch().await,
            is_in_memory: IN_MEMORY.contains(&kind),
        })
    }

    /// What the reader of the figures must know.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.busy > BUSY_SHARE {
            let share = self.busy * 100.0;
            warnings.push(format!(
                "the machine is busy: {share:.0} % of its cores were in use before this run began; its figures say little"
            ));
        }
        if self.is_in_memory {
            warnings.push(
                "the data folder lies in memory, where syncs cost nothing: give a folder on a disk with --dir"
                    .to_owned(),
            );
        }
        warnings
    }
}

fn processor_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Time in use and time in all of all cores, in ticks.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?;
    let numbers: Vec<u64> = fields.split_whitespace().map_while(|word| word.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; what follows is counted among these already.
    let all: u64 = numbers.iter().take(8).sum();
    let idle: u64 = numbers.iter().skip(3).take(2).sum();
    Some((all - idle, all))
}

/// Share of all cores in use during [`WATCH`].
async fn watch() -> f64 {
    let read = || std::fs::read_to_string("/proc/stat").ok().and_then(|text| ticks(&text));
    let before = read();
    tokio::time::sleep_until(Instant::now() + WATCH).await;
    match (before, read()) {
        (Some((used, all)), Some((used_after, all_after))) if all_after > all => {
            (used_after.saturating_sub(used)) as f64 / (all_after - all) as f64
        }
        _ => 0.0,
    }
}

/// Memory that is only this process's own, in bytes, and its time on processors so far, in seconds.
pub fn process_usage(process_id: u32) -> Option<(u64, f64)> {
    let status = std::fs::read_to_string(format!("/proc/{process_id}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = resident.split_whitespace().next()?.parse().ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{process_id}/stat")).ok()?;
    // The name may hold spaces: the fields are counted from behind its bracket. utime and stime are the 12th and 13th.
    let fields = stat.rsplit_once(')')?.1;
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum();
    Some((kib << 10, ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_count_idle_and_waiting_cores_as_free() {
        let stat = "cpu  10 1 5 100 20 0 2 3 0 0\ncpu0 1 1 1 1\n";
        assert_eq!(ticks(stat), Some((21, 141)));
        assert_eq!(ticks("intr 5"), None);
    }

    #[test]
    fn usage_of_this_process_is_told() {
        let (bytes, seconds) = process_usage(std::process::id()).unwrap();
        assert!(bytes > 1 << 20 && seconds >= 0.0);
        assert_eq!(process_usage(u32::MAX), None);
    }

    #[test]
    fn warnings_come_only_where_there_is_something_to_warn_of() {
        let quiet = Machine { cores: 2, processor: String::new(), busy: 0.02, is_in_memory: false };
        assert_eq!(quiet.warnings().len(), 0);
        assert_eq!(Machine { busy: 0.5, is_in_memory: true, ..quiet }.warnings().len(), 2);
    }
}
