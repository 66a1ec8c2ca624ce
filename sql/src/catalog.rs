//! The catalog: tables and their versions, as all nodes agree on them.

pub mod descriptor;
