//! Plans and what is done with them: nodes, and their printed form.

pub mod node;
