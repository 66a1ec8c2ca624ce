//! Descriptors of the process: what the store and the node itself need is set aside, and connections get the rest.
//!
//! A node whose store cannot open a file stops. So the process's soft limit is raised to the hard one at the start, and
//! the three ports together never hold more connections than are left.

use quorate_engine::rocks::RocksOptions;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::CONNECTIONS_MAX;
use crate::node::error::StartError;

/// Files that the store opens besides those that it keeps open: logs, what a flush or a compaction writes, parts of
/// snapshots.
const STORE_OTHERS: u64 = 128;
/// What a node has open itself: links to other nodes, questions to them, listeners, the runtime, its log.
const NODE_OWN: u64 = 96;
/// Fewest connections with which a node is of use.
const CONNECTIONS_LEAST: u64 = 64;
/// Most SQL sockets beyond the sessions: for cancel requests, and for telling clients that there are too many.
const STARTING_MAX: usize = 100;
/// Most HTTP connections: probes and scrapers, some of each.
const HTTP_MAX: usize = 256;
/// Most connections of other nodes: two streams of each, and questions.
const NODES_MAX: usize = 512;

/// How many connections each port of a node may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// SQL sessions.
    pub sessions: usize,
    /// SQL sockets that are no session (yet).
    pub starting: usize,
    /// HTTP.
    pub http: usize,
    /// Other nodes.
    pub nodes: usize,
}

/// Raises the process's limit, and shares it out for one of so many nodes in it.
///
/// # Errors
/// The limit is too low for a node.
pub fn share(nodes_in_process: usize) -> Result<Connections, StartError> {
    let limit = raise();
    let connections = Connections::of(limit, nodes_in_process)?;
    let Connections { sessions, starting, http, nodes } = connections;
    tracing::info!(limit, sessions, starting, http, nodes, "descriptors are shared out");
    Ok(connections)
}

/// Raises the soft limit to the hard one; returns what holds then.
fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::warn!(%error, "the soft limit of open files was not raised");
            limit.current.unwrap_or(u64::MAX)
        }
    }
}

impl Connections {
    /// What a limit leaves to each node's connections.
    fn of(limit: u64, nodes_in_process: usize) -> Result<Self, StartError> {
        let nodes_in_process = u64::try_from(nodes_in_process.max(1)).unwrap_or(u64::MAX);
        let kept_open = u64::from(RocksOptions::default().open_files_max.unsigned_abs());
        let own = kept_open + STORE_OTHERS + NODE_OWN;
        let left = (limit / nodes_in_process).saturating_sub(own);
        if left < CONNECTIONS_LEAST {
            let needed = (own + CONNECTIONS_LEAST).saturating_mul(nodes_in_process);
            return Err(StartError::Descriptors { limit, needed });
        }
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let (http, nodes) = ((left / 8).min(HTTP_MAX), (left / 4).min(NODES_MAX));
        let sql = left - http - nodes;
        let starting = (sql / 8).min(STARTING_MAX);
        Ok(Self { sessions: (sql - starting).min(CONNECTIONS_MAX), starting, http, nodes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_of_a_large_limit_give_each_port_its_most() {
        let most = Connections { sessions: CONNECTIONS_MAX, starting: 100, http: 256, nodes: 512 };
        assert_eq!(Connections::of(u64::MAX, 1).unwrap(), most);
        assert_eq!(Connections::of(20_000, 3).unwrap(), most);
    }

    #[test]
    fn descriptors_of_the_store_are_never_given_to_connections() {
        let own = u64::from(RocksOptions::default().open_files_max.unsigned_abs()) + STORE_OTHERS + NODE_OWN;
        for limit in [600, 1_024, 2_000, 4_096, 65_536] {
            let Connections { sessions, starting, http, nodes } = Connections::of(limit, 1).unwrap();
            let all = u64::try_from(sessions + starting + http + nodes).unwrap();
            assert!(all + own <= limit, "{all} of {limit}");
            assert!(sessions > 20 && starting > 0 && http >= 8 && nodes >= 16);
        }
    }

    #[test]
    fn descriptors_that_do_not_do_are_told() {
        let text = Connections::of(256, 1).unwrap_err().to_string();
        assert!(text.contains("256") && text.contains("ulimit -n"), "{text}");
        assert!(Connections::of(1_024, 3).is_err());
    }
}
