//! Three stores over a network in memory.
