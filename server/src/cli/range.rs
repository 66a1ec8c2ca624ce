//! `quorate range`.

use std::str::FromStr;

use clap::{Args, Subcommand};
use quorate_engine::kv::Key;
use quorate_placement::topology::{NodeId, RangeId};

use super::host::AdminArguments;

const EXAMPLES: &str = "\
Examples:
  quorate range ls --host 127.0.0.1:7001
  quorate range describe r7 --host 127.0.0.1:7001
  quorate range move r7 --from n2 --to n4 --host 127.0.0.1:7001
  quorate range transfer-leader r7 --to n3 --host 127.0.0.1:7001
  quorate range split r7 --host 127.0.0.1:7001

Exit code 0 when it is done, 1 when it is not, 2 when no node answers.";

/// `quorate range` and its flags.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct RangeArguments {
    /// What to do
    #[command(subcommand)]
    pub action: RangeAction,
    /// Where to ask.
    #[command(flatten)]
    pub admin: AdminArguments,
}

/// What to do with ranges.
#[derive(Subcommand, Debug, Clone)]
pub enum RangeAction {
    /// List all ranges: keys, leader, replicas, size
    Ls,
    /// Show one range with each of its replicas, and what is being changed
    Describe {
        /// The range, as ls shows it: r7 or 7
        #[arg(value_parser = range_id)]
        range: RangeId,
    },
    /// Put a replica on another node, and wait until it is there
    Move {
        /// The range, as ls shows it: r7 or 7
        #[arg(value_parser = range_id)]
        range: RangeId,
        /// The node that has the replica: n2 or 2
        #[arg(long, value_name = "NODE", value_parser = node_id)]
        from: NodeId,
        /// The node that is to have it
        #[arg(long, value_name = "NODE", value_parser = node_id)]
        to: NodeId,
        /// Also where two replicas then stand in one zone
        #[arg(long)]
        share_tier: bool,
        /// Longest wait in seconds; the move goes on all the same
        #[arg(long, value_name = "SECONDS", default_value_t = 600)]
        timeout: u64,
    },
    /// Make two ranges of one
    Split {
        /// The range, as ls shows it: r7 or 7
        #[arg(value_parser = range_id)]
        range: RangeId,
        /// First key of the right side in hexadecimal digits; in the middle of the bytes where none is given
        #[arg(long, value_name = "HEX", value_parser = key_of_hex)]
        at: Option<Key>,
    },
    /// Let the replica on another node lead
    TransferLeader {
        /// The range, as ls shows it: r7 or 7
        #[arg(value_parser = range_id)]
        range: RangeId,
        /// The node that is to lead
        #[arg(long, value_name = "NODE", value_parser = node_id)]
        to: NodeId,
    },
}

fn number(text: &str, letter: char, example: &str) -> Result<u64, String> {
    let digits = text.strip_prefix(letter).unwrap_or(text);
    u64::from_str(digits).map_err(|_| format!("write for example {example}"))
}

fn range_id(text: &str) -> Result<RangeId, String> {
    number(text, 'r', "r7").map(RangeId)
}

pub(super) fn node_id(text: &str) -> Result<NodeId, String> {
    number(text, 'n', "n2").map(NodeId)
}

fn key_of_hex(text: &str) -> Result<Key, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    let pairs = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2);
        pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())
    });
    let bytes: Option<Vec<u8>> = pairs.collect();
    bytes
        .filter(|bytes| !bytes.is_empty())
        .map(Key::from)
        .ok_or_else(|| "write pairs of hexadecimal digits, as range describe shows them".to_owned())
}
