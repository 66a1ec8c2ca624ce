//! Tests of the whole: real processes on loopback, driven as a user would; the wire and the shell over one store.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "real processes are measured in real time")]

mod clocks;
mod copies;
mod crowd;
mod damage;
mod demo;
mod descriptors;
mod durability;
mod jobs;
mod kills;
mod kills_over_ranges;
mod large_reads;
mod local;
mod node_port;
mod old_stores;
mod outage;
mod overload;
mod pipelines;
mod releases;
mod replicas;
mod restarts;
mod sequences;
mod shell;
mod slow_disk;
mod splits;
mod start_faults;
mod story;
mod support;
mod threads;
mod transactions;
mod verdict;
mod wire;
