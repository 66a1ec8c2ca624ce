//! PostgreSQL's protocol from outside.

mod cancel;
mod copy;
mod extended;
mod limits;
mod pipeline;
mod psql;
mod simple;
