//! The command line of `quorate-bench`. clap lives here.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::driver::Load;
use crate::error::BenchError;
use crate::keys::Distribution;
use crate::report::Files;
use crate::systems::Peer;
use crate::values::{VALUE_MAX_BYTES, VALUE_MIN_BYTES};
use crate::workload::ycsb::Mix;

/// Most clients at once: what a node takes in connections, three nodes together.
pub const CLIENTS_MAX: usize = 3_000;
/// Most keys of a run: the ledger of each system holds about 64 bytes for each.
const KEYS_MAX: u64 = 10_000_000;
/// Longest time of one part of a run.
const SECONDS_MAX: u64 = 3_600;

const EXAMPLES: &str = "\
Examples:
  quorate-bench kv --clients 1,64 --seconds 5
  quorate-bench kv --clients 1,64,256 --peer etcd --peer postgres --json kv.json --svg kv.svg
  quorate-bench kv --clients 64 --rate 5000                 open loop: latencies at 5,000 operations a second
  quorate-bench kv --target postgres://root@127.0.0.1:5401/quorate,postgres://root@127.0.0.1:5402/quorate
  quorate-bench kv --embedded --clients 64
  quorate-bench ycsb --workload a --peer postgres

Exit codes: 0 done and verified, 1 something failed or is missing, 4 wrong usage or a program that is not installed.";

/// Measures Quorate, the machine's limits, and the peers, in one run.
#[derive(Parser, Debug)]
#[command(name = "quorate-bench", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    /// What to measure.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads a command line, the program's name first.
    ///
    /// # Errors
    /// Help was asked for, or a flag is wrong.
    pub fn read<I, T>(arguments: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        Self::try_parse_from(arguments)
    }
}

/// Subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// The machine's limits alone
    Floor(Common),
    /// Upserts and point reads of single keys
    Kv(KvArguments),
    /// The six core workloads of YCSB, on SQL
    Ycsb(YcsbArguments),
    /// Transfers between accounts
    Bank(BankArguments),
    /// TPC-B, as pgbench runs it
    Tpcb(TpcbArguments),
    /// Transactions of many INSERTs that are sent at once
    Pipeline(PipelineArguments),
    /// How long nobody can write when the leader's process is killed
    Failover(FailoverArguments),
    /// How long writers stall when their range is split
    Split(SplitArguments),
    /// What idle ranges cost: memory, processor time, time to start
    Ranges(RangesArguments),
}

/// Flags of every command.
#[derive(Args, Debug, Clone)]
pub struct Common {
    /// Clients at once; a list gives one figure each
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,64", value_parser = clients)]
    pub clients: Vec<usize>,
    /// Measured time of each figure
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    pub seconds: u64,
    /// Time before each measured time
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=SECONDS_MAX))]
    pub warm_up: u64,
    /// Everything that is random follows from it
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Open loop: operations a second of all clients together, due at fixed moments
    #[arg(long, value_name = "PER SECOND", value_parser = rate)]
    pub rate: Option<f64>,
    /// Another system in the same run, taking turns: etcd, postgres
    #[arg(long, value_delimiter = ',')]
    pub peer: Vec<Peer>,
    /// Measure a cluster that runs already, client i at address i mod n; its tables bench_… are replaced
    #[arg(long, value_name = "URL,…", value_delimiter = ',', conflicts_with = "embedded")]
    pub target: Vec<String>,
    /// Measure one node within this process, without wire and SQL (kv only)
    #[arg(long)]
    pub embedded: bool,
    /// The program quorate; the one beside this program where none is given
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
    /// Folder on the disk to be measured; a folder within it is made and removed again
    #[arg(long, value_name = "FOLDER", default_value_os_t = std::env::temp_dir())]
    pub dir: PathBuf,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw throughput and latency over time, with kills and splits; of ranges, what they cost by their number
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Leave the machine's limits out, and all shares of them
    #[arg(long)]
    pub no_floor: bool,
}

impl Common {
    /// How long and how fast.
    pub fn load(&self) -> Load {
        Load {
            warm_up: Duration::from_secs(self.warm_up),
            measured: Duration::from_secs(self.seconds),
            rate: self.rate,
        }
    }

    /// Where the report goes.
    pub fn files(&self) -> Files {
        Files { json: self.json.clone(), svg: self.svg.clone() }
    }

    /// Fails where the run needs nodes of its own, and nothing else.
    ///
    /// # Errors
    /// Names the flag.
    pub fn check_own(&self) -> Result<(), BenchError> {
        if self.embedded || !self.target.is_empty() || !self.peer.is_empty() || self.rate.is_some() {
            let message = "this command starts three nodes itself, in a closed loop: leave --target, --embedded, --peer and --rate away";
            return Err(BenchError::Usage(message.to_owned()));
        }
        Ok(())
    }

    /// Fails where the run needs SQL and a system has none.
    ///
    /// # Errors
    /// Names the flag.
    pub fn check_sql(&self) -> Result<(), BenchError> {
        if self.embedded {
            return Err(BenchError::Usage(
                "--embedded measures keys and values: it is for kv only".to_owned(),
            ));
        }
        if self.peer.contains(&Peer::Etcd) {
            return Err(BenchError::Usage("etcd has no SQL: it is a peer of kv only".to_owned()));
        }
        Ok(())
    }
}

/// Flags of `kv`.
#[derive(Args, Debug)]
pub struct KvArguments {
    #[expect(missing_docs, reason = "clap would print it as the command's help")]
    #[command(flatten)]
    pub common: Common,
    /// Keys, all of them written before the first figure
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=KEYS_MAX))]
    pub keys: u64,
    /// Bytes of a value
    #[arg(long, value_name = "BYTES", default_value_t = 256, value_parser = value_bytes)]
    pub value_bytes: usize,
    /// uniform or zipfian
    #[arg(long, default_value = "uniform")]
    pub distribution: Distribution,
}

/// Flags of `ycsb`.
#[derive(Args, Debug)]
pub struct YcsbArguments {
    #[expect(missing_docs, reason = "clap would print it as the command's help")]
    #[command(flatten)]
    pub common: Common,
    /// Which of the six, a letter from a to f; a list gives one figure each
    #[arg(long, value_name = "LETTER,…", value_delimiter = ',', default_value = "a")]
    pub workload: Vec<Mix>,
    /// Records, all of them written before the first figure
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=KEYS_MAX / 20))]
    pub keys: u64,
}

/// Flags of `bank`.
#[derive(Args, Debug)]
pub struct BankArguments {
    #[expect(missing_docs, reason = "clap would print it as the command's help")]
    #[command(flatten)]
    pub common: Common,
    /// Accounts; few of them make conflicts
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(2..=KEYS_MAX))]
    pub accounts: u64,
}

/// Flags of `tpcb`.
#[derive(Args, Debug)]
pub struct TpcbArguments {
    #[expect(missing_docs, reason = "clap would print it as the command's help")]
    #[command(flatten)]
    pub common: Common,
    /// Branches, of 10,000 accounts each; fewer than clients make conflicts
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub scale: u64,
}

/// Flags of `pipeline`.
#[derive(Args, Debug)]
pub struct PipelineArguments {
    #[expect(missing_docs, reason = "clap would print it as the command's help")]
    #[command(flatten)]
    pub common: Common,
    /// Rows of a transaction, an INSERT each
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub rows: u64,
}

/// Flags of `failover`.
#[derive(Args, Debug)]
pub struct FailoverArguments {
    #[expect(missing_docs, reason = "clap would print it as the command's help")]
    #[command(flatten)]
    pub common: Common,
    /// How often the leader is killed, for each number of clients
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub kills: u32,
    /// Keys that are written to
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=KEYS_MAX))]
    pub keys: u64,
}

/// Flags of `split`.
#[derive(Args, Debug)]
pub struct SplitArguments {
    #[expect(missing_docs, reason = "clap would print it as the command's help")]
    #[command(flatten)]
    pub common: Common,
    /// How often a range is split, for each number of clients
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub splits: u32,
    /// Keys that are written to
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..=KEYS_MAX))]
    pub keys: u64,
}

/// Flags of `ranges`.
#[derive(Args, Debug)]
pub struct RangesArguments {
    #[expect(missing_docs, reason = "clap would print it as the command's help")]
    #[command(flatten)]
    pub common: Common,
    /// How many ranges; a list gives one figure each
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "100,1000,10000", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub ranges: Vec<u64>,
    /// How long the splits of each number may take
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub patience: u64,
}

fn clients(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| "write numbers, as in 1,64,256".to_owned())?;
    if (1..=CLIENTS_MAX).contains(&number) { Ok(number) } else { Err(format!("from 1 to {CLIENTS_MAX}")) }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "write a number, as in 5000".to_owned())?;
    if rate.is_finite() && (0.1..=1e7).contains(&rate) {
        Ok(rate)
    } else {
        Err("from 0.1 to 10000000".to_owned())
    }
}

fn value_bytes(text: &str) -> Result<usize, String> {
    let bytes: usize = text.parse().map_err(|_| "write a number of bytes".to_owned())?;
    let allowed = VALUE_MIN_BYTES..=VALUE_MAX_BYTES;
    if allowed.contains(&bytes) {
        Ok(bytes)
    } else {
        Err(format!("from {VALUE_MIN_BYTES} to {VALUE_MAX_BYTES}"))
    }
}

#[cfg(test)]
mod tests;
