//! The executor: plans to rows. One file per operator; each pulls batches from the one below.
//!
//! Invariants: what an operator keeps in memory is counted against a budget ([`memory`]); everything that waits for the
//! store ends when the statement is cancelled, commits apart; nothing here commits.

pub mod aggregate;
pub mod context;
pub mod delete;
pub mod distinct;
pub mod filter;
pub mod groups;
pub mod insert;
pub mod limit;
pub mod memory;
pub mod operator;
pub mod profile;
pub mod project;
pub mod returning;
pub mod rows;
pub mod scan;
pub mod sort;
pub mod system_scan;
pub mod table_function;
pub mod update;
mod values;

pub use context::ExecContext;
pub use operator::{Operator, build};
