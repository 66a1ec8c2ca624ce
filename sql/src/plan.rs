//! Plans and what is done with them: made from bound statements ([`plan`]), and their printed form ([`explain`]).

pub mod build;
pub mod explain;
pub mod node;

pub use build::{plan, plan_query};
