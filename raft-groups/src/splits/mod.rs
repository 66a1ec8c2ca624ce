//! When a range is split and where: the pure half of splits by size.
//!
//! The life of a split: [`trigger`] says that a range is too large; its keys are counted page by page (`count`) into a
//! [`key::SizeCount`], which chooses the key in the middle; the leaseholder latches the right span and proposes the
//! command (`replica::serving::split`); its apply makes the right side's replica on every node, which the store starts
//! (`store::newborn`); then both sides are published to the directory (`cluster::agent`, `cluster::leader`).

pub(crate) mod count;
pub mod ids;
pub mod key;
pub mod nursery;
pub mod trigger;
