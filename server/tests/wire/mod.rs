//! PostgreSQL's protocol from outside.

mod ahead;
mod cancel;
mod catalogs;
mod copy;
mod extended;
mod fuzz;
mod limits;
mod pipeline;
mod psql;
mod sessions;
mod simple;
