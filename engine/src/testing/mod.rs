//! Help for the tests of this crate and of those above it: fixtures, script runner, stores that compare, lose and fail.

#[cfg(test)]
pub(crate) mod both;
mod damaged;
pub mod evaluator;
mod fault;
pub mod fixture;
mod hooked;
mod mirror;
mod power_cut;
pub mod script;

pub use damaged::{Damage, DamagedStore};
pub use fault::FaultStore;
pub use hooked::{HookedDatabase, Hooks};
pub use mirror::MirrorStore;
pub use power_cut::PowerCutStore;
