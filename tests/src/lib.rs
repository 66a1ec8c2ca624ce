//! Tests that belong to no single crate. They are test targets beside this file; the library itself is empty.
//!
//! `tidy.rs` checks the house rules that no lint can. Tests with real processes live in `server/tests`, where cargo
//! gives the binary's path.
