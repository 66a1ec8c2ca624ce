//! The client's side of ranges: who holds a key, who leads it, and transactions over keys.
//!
//! 1. [`txn`] implements `engine::kv`: a transaction reads at one timestamp, buffers its writes and commits them.
//! 2. [`router`] finds the range of a key in its [`range_cache`], or in the directory that range 1 holds,
//!    and asks its leaseholder, on this node or another.
//! 3. [`route`] decides whom to ask next when one did not answer; [`budget`] bounds how long.

pub mod budget;
pub(crate) mod call;
#[cfg(test)]
pub(crate) mod fake;
pub mod range_cache;
pub mod route;
pub mod router;
#[cfg(test)]
pub(crate) mod script_args;
pub mod txn;
