//! From bound statements to plans: made for the parameters of one run ([`plan`]), or filled into what is kept from an
//! earlier one ([`template`]).

pub mod build;
pub mod memory;
pub mod template;

pub use build::{plan, plan_query};
