//! Three stores over a network in memory, on disks that can lose power. Times are real; everything is waited for with
//! a deadline.

mod cluster;
mod damage;
mod empty;
mod failures;
mod hand_overs;
mod promises;
mod rests;
mod sharded;
mod snapshots;
mod split_faults;
mod split_leaders;
mod split_sizes;
mod splits;
mod transactions;
