//! Changes of the catalog, as jobs: what begins is finished or undone, whatever ends in between.
//!
//! ```text
//! CREATE TABLE   job ──▶ range ──▶ published ──▶ all nodes know ──▶ done
//!                 └────────┴── name taken, ROLLBACK, error ──▶ range removed ──▶ undone
//! DROP TABLE     unpublished, with a job ──▶ all nodes know ──▶ ranges removed ──▶ done
//! ADD KEY        job ──▶ range ──▶ writers held ──▶ all nodes know ──▶ rows copied ──▶ in place of the table before
//!                 └────────┴───────────┴── error ──┴─────────────────┴──▶ writers go on, range removed ──▶ undone
//! ```
//!
//! A job is a row of range 1 ([`job`]). [`job_steps`] decides what comes next, [`driver`] does it. The row holds the claim of
//! who drives it: a node, its start, and an epoch that rises each time the job changes hands. Each step's transaction reads
//! the row; the calls that make and remove ranges carry what the row must begin with, and range 1's leaseholder reads it in
//! the transaction that enters them ([`quorate_engine::kv::Fence`]): a driver that was replaced changes nothing.
//!
//! Sequences have no range and need no job: they are rows of range 1 alone, changed by the user's transaction
//! ([`staged_sequences`]), or set by one of their own ([`crate::sequences`]).
//!
//! Invariant: a table is in the catalog only while its range exists, and a range that no table names belongs to a job that
//! is not over.

pub mod add_key;
pub mod adopt;
pub mod create;
pub mod driver;
pub mod drop;
pub mod held;
pub mod id_block;
pub mod ids;
mod in_place;
pub mod job;
pub mod job_format;
pub mod job_steps;
pub mod rows;
pub mod staged;
pub mod staged_sequences;
mod tables;
pub mod timing;

#[cfg(test)]
mod tests;
