//! Values of sequences. A node takes a block of them at once, in a short transaction of its own that nothing undoes, and gives
//! them out one by one without asking anyone.
//!
//! ```text
//! nextval ──▶ block of this node ──▶ value                                   (no lock but the block's, no wait)
//!                │ used up, or of an older version of the descriptor
//!                ▼
//!             {descriptor, position} read, position written ──▶ a new block  (one round trip for a thousand values)
//!
//! setval  ──▶ {descriptor: next version and epoch} ──▶ all nodes know ──▶ returns
//! ```
//!
//! Expressions are computed without waiting. Where `nextval` finds no value, or `setval` is called, computing the row fails,
//! what is wanted is fetched, and the row is computed again; what it had got before is given to it again, in the same order
//! ([`drawing`]). So each call takes effect once for each row.
//!
//! Invariants: no value is given out twice, but for those of a sequence that cycles, or was set back: a block belongs to one
//! node, and its values lie behind the position that was stored before. A block is used only while this node may rely on its
//! catalog, and only if that knows no newer version of the sequence than the block's: once all nodes know of a change, no
//! value of an older block is given out.

pub mod block;
pub mod blocks;
pub mod drawing;
pub mod fetch;
pub mod memory;
pub mod name;

#[cfg(test)]
mod tests;
