//! `quorate start` and `quorate init`.

use std::path::PathBuf;

use clap::Args;

use super::host::AdminArguments;
use crate::config::{OnLoss, StartOptions};

const START_EXAMPLES: &str = "\
Examples:
  quorate start --data-dir d1 --listen 127.0.0.1:7001 --sql 127.0.0.1:5401 --http 127.0.0.1:8001 \\
      --locality region=eu,zone=a --join 127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003
The same for the other nodes, then once:
  quorate init --host 127.0.0.1:7001";

/// Most threads that serve requests.
const THREADS_MAX: i64 = 1_024;

/// Flags of `quorate start`.
#[derive(Args, Debug, Clone)]
#[command(after_help = START_EXAMPLES)]
pub struct StartArguments {
    /// Folder of this node's store; made where it does not exist
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: PathBuf,
    /// Address for the other nodes and for commands; 0.0.0.0 is every interface, and needs --advertise
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7001")]
    pub listen: String,
    /// Address under which the other nodes and commands reach this one, where that is not --listen
    #[arg(long, value_name = "HOST:PORT")]
    pub advertise: Option<String>,
    /// Address for SQL clients
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5401")]
    pub sql: String,
    /// Address for /health, /ready and /metrics
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8001")]
    pub http: String,
    /// Where the node stands, from wide to narrow; replicas are spread over zones
    #[arg(long, value_name = "TIERS")]
    pub locality: String,
    /// Addresses of the first nodes, this one included
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',', required = true)]
    pub join: Vec<String>,
    /// Allow addresses that other machines reach, although there are no passwords and no encryption yet
    #[arg(long)]
    pub insecure: bool,
    /// Where the node was told that its store must not be used (damaged, copied, restored): empty the data directory, and
    /// join anew. Does nothing where the store is well
    #[arg(long)]
    pub rejoin: bool,
    /// Where a node that is the only one of its cluster was told that its store has lost something: go on with what is
    /// left. Not where other nodes have joined: --rejoin is for that. Does nothing where nothing is lost
    #[arg(long, conflicts_with = "rejoin")]
    pub accept_loss: bool,
    /// Threads that serve requests, those of the disk apart; one a core without this flag. Nodes that share a machine
    /// are faster with their share of its cores each
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=THREADS_MAX))]
    pub threads: Option<u16>,
}

impl From<StartArguments> for StartOptions {
    fn from(arguments: StartArguments) -> Self {
        // The threads are the process's: they run before anything else does.
        let StartArguments {
            data_dir,
            listen,
            advertise,
            sql,
            http,
            locality,
            join,
            insecure,
            rejoin,
            accept_loss,
            ..
        } = arguments;
        let on_loss = match (rejoin, accept_loss) {
            (true, _) => OnLoss::Rejoin,
            (false, true) => OnLoss::Accept,
            (false, false) => OnLoss::Refuse,
        };
        Self { data_dir, listen, advertise, sql, http, locality, join, insecure, on_loss }
    }
}

const INIT_EXAMPLES: &str = "\
Example, on the machine of any of the first nodes:
  quorate init --host 127.0.0.1:7001

Ends when SQL answers on all nodes of --join, and prints a token for commands from other machines.";

/// Flags of `quorate init`.
#[derive(Args, Debug, Clone)]
#[command(after_help = INIT_EXAMPLES)]
pub struct InitArguments {
    /// Where to ask.
    #[command(flatten)]
    pub admin: AdminArguments,
}
