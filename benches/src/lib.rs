//! The bench suite: workloads, the systems that they run on, the limits of the machine, and the report.
//!
//! The life of a run, from [`commands`]:
//!
//! 1. [`machine`] says what machine this is and whether it is quiet; [`floor`] measures what it can do at best.
//! 2. [`systems`] starts three processes of Quorate, and the peers that were asked for, each in a folder of its own.
//! 3. For each operation and each number of clients the systems take turns: a [`workload`] gives the clients' work, and the
//!    [`driver`] lets them work for the measured time, in a closed or an open loop.
//! 4. What was written is read back: the [`ledger`] knows what each key may hold. Anything missing makes the run a failure.
//! 5. The [`report`] prints a table with shares of the floor, and writes JSON and a chart.
//!
//! Invariant: all systems get the same values from the same clients; a figure whose data was not verified is not printed
//! as good.

pub mod cli;
pub mod commands;
pub mod driver;
pub mod error;
pub mod floor;
pub mod http;
pub mod keys;
pub mod latency;
pub mod ledger;
pub mod machine;
pub mod process;
pub mod progress;
pub mod report;
pub mod systems;
pub mod values;
pub mod workload;
