//! Plans: what the executor runs ([`node`]), and their printed form ([`explain`]).
//!
//! Invariant: a plan is data. Nothing here knows who makes plans (binder, planner, rules) or who runs them.

pub mod explain;
pub mod node;
