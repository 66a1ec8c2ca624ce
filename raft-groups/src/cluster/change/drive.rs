//! Carries the steps of a change out.
