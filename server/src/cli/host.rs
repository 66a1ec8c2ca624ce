//! Where a command asks, alike in all commands: `--host`, and what entitles it to change something.

use std::path::PathBuf;

use clap::Args;

use crate::config::Address;

/// The node that is asked.
#[derive(Args, Debug, Clone, PartialEq, Eq)]
pub struct HostArguments {
    /// The --listen address of any node
    #[arg(long, value_name = "HOST:PORT", global = true, default_value = "127.0.0.1:7001")]
    pub host: Address,
}

/// The node that is asked to change something.
#[derive(Args, Debug, Clone, PartialEq, Eq)]
pub struct AdminArguments {
    /// Where to ask.
    #[command(flatten)]
    pub to: HostArguments,
    /// The cluster's token, for a node on another machine; else QUORATE_TOKEN has it. On the node's own machine its user
    /// needs none
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,
}
