//! Helpers for tests of this crate and of those above it: nodes of one process that talk over a [`network`].

pub mod network;
