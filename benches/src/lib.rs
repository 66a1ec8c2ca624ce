//! The place of the bench suite. Nothing is measured yet: the crate is empty.
