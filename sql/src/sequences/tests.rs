//! Values of sequences: blocks against a count one by one, and sessions of several nodes and starts against each other.

mod arithmetic;
mod nodes;
