//! `quorate demo`.

use clap::{Args, ValueEnum};

use crate::config::{DemoData, DemoOptions};

const EXAMPLES: &str = "\
Examples:
  quorate demo                                  three nodes in zones a, b, c, flights of January 2013, a shell
  quorate demo --nodes 5 --zones a,b,c,d,e
  quorate demo --data none --sql-port 5401      the nodes listen on 5401, 5402, 5403
  quorate demo -e \"SELECT count(*) FROM flights\"  prints the rows alone, tab-separated, and ends";

/// Flags of `quorate demo`.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct DemoArguments {
    /// How many nodes
    #[arg(long, default_value_t = 3)]
    pub nodes: u16,
    /// Zones, over which the nodes are dealt
    #[arg(long, value_delimiter = ',', default_value = "a,b,c")]
    pub zones: Vec<String>,
    /// What to load
    #[arg(long, value_enum, default_value = "flights")]
    pub data: Data,
    /// SQL port of the first node, the others take the next ones; any free ports without this flag
    #[arg(long, value_name = "PORT")]
    pub sql_port: Option<u16>,
    /// Run this instead of opening the shell; may be given several times
    #[arg(short = 'e', long = "execute", value_name = "SQL")]
    pub execute: Vec<String>,
}

/// What the demo loads.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// No tables
    None,
    /// Five tables of nycflights13, flights of January 2013
    Flights,
}

impl From<DemoArguments> for DemoOptions {
    fn from(arguments: DemoArguments) -> Self {
        let DemoArguments { nodes, zones, data, sql_port, execute } = arguments;
        let data = match data {
            Data::None => DemoData::None,
            Data::Flights => DemoData::Flights,
        };
        Self { nodes, zones, data, sql_port, execute }
    }
}
