//! Plans and what is done with them: made from bound statements ([`plan`]), kept for the next run
//! ([`template`]), and their printed form ([`explain`]).

pub mod build;
pub mod explain;
pub mod memory;
pub mod node;
pub mod template;

pub use build::{plan, plan_query};
