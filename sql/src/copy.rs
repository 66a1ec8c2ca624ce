//! COPY: lines of CSV or text to rows, and rows to lines.
//!
//! ```text
//! data in pieces → decode (lines to fields) → row (fields to values) → store (parts of one command, or a transaction)
//! ```
//!
//! Outside BEGIN rows are committed in parts, of which one is on its way while the next is decoded; an error names the last
//! line that is stored for good. Inside BEGIN they belong to the user's transaction. Invariant: lines are numbered from 1
//! as an editor numbers them, the header included.

pub mod csv;
pub mod decode;
pub mod input;
pub mod output;
pub mod parts;
pub mod row;
pub mod text;

pub use input::CopyIn;
pub(crate) use input::start_copy_in;
pub(crate) use output::copy_out;

#[cfg(test)]
mod tests;
