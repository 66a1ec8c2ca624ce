//! `quorate node` and `quorate token`.

use clap::{Args, Subcommand};
use quorate_placement::topology::NodeId;

use super::host::AdminArguments;
use super::range::node_id;

const NODE_EXAMPLES: &str = "\
Example:
  quorate node remove n4 --host 127.0.0.1:7001

Exit code 0 when it is removed, 1 when it is not, 2 when no node answers.";

/// `quorate node` and its flags.
#[derive(Args, Debug, Clone)]
#[command(after_help = NODE_EXAMPLES)]
pub struct NodeArguments {
    /// What to do
    #[command(subcommand)]
    pub action: NodeAction,
    /// Where to ask.
    #[command(flatten)]
    pub admin: AdminArguments,
}

/// What to do with nodes.
#[derive(Subcommand, Debug, Clone)]
pub enum NodeAction {
    /// Strike off a node that is gone for good, or never was; its replicas are replaced first
    Remove {
        /// The node, as status shows it: n4 or 4
        #[arg(value_parser = node_id)]
        node: NodeId,
        /// Longest wait in seconds for its replicas to be replaced
        #[arg(long, value_name = "SECONDS", default_value_t = 600)]
        timeout: u64,
    },
}

const TOKEN_EXAMPLES: &str = "\
Example:
  quorate token --host 127.0.0.1:7001 > token
  quorate range move r7 --from n2 --to n4 --host db1:7001 --token-file token";

/// Flags of `quorate token`.
#[derive(Args, Debug, Clone)]
#[command(after_help = TOKEN_EXAMPLES)]
pub struct TokenArguments {
    /// Where to ask.
    #[command(flatten)]
    pub admin: AdminArguments,
}
