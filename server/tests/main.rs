//! Tests of the whole: real processes on loopback, driven as a user would.

mod demo;
mod durability;
mod kills;
mod outage;
mod start_faults;
mod story;
mod support;
