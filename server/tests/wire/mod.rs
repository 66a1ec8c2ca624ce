//! PostgreSQL's protocol from outside.

mod cancel;
mod copy;
mod extended;
mod limits;
mod psql;
mod simple;
