//! Scan programs: what a range does with the rows of a scan before it sends anything, as bytes, and what runs them.
//!
//! The executor makes a [`program_format::Program`] from a plan's pushed part and sends its bytes with each page; the
//! range's node gives the live pairs to the [`evaluator`]. Invariant: a program is data from another node. Reading it
//! bounds recursion and memory, and a bad one is an error of that scan alone.

pub mod evaluator;
pub mod expr_format;
pub mod output_format;
pub mod program_format;

pub use evaluator::scan_evaluator;

#[cfg(test)]
mod tests;
