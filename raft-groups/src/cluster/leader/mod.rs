//! What range 1's leaseholder does for the cluster: it keeps the [`board`] of all reports, places ranges and removes them,
//! works published ones in, repairs and spreads, looks for absent nodes, strikes nodes off, and waits for catalogs.
//!
//! Every member has one, and it does nothing on those that do not hold range 1's lease. It knows the directory and how to
//! ask other nodes, and nothing of what a node does for itself (`agent`).

use std::sync::Arc;

use parking_lot::Mutex;
use quorate_placement::new_range::{NewRangeDecision, place_new_range};
use quorate_placement::policy::Policy;
use quorate_placement::topology::{NodeId, RangeId};
use rand::RngExt;
use rand::rngs::StdRng;

use super::bootstrap::BootstrapTransport;
use super::calls::{Calls, Moment};
use super::directory::Directory;
use super::directory::ranges::Placer;
use super::error::ClusterError;
use super::message::{ClusterAnswer, NodeReport};
use crate::client::router::SYSTEM_RANGE;
use crate::descriptor::RangeDescriptor;

mod absent;
pub(super) mod board;
mod catalogs;
mod publish;
mod ranges;
mod removal;
mod repair;
mod spread;
mod status;
mod view;
mod wrong_clock;

use board::Board;
pub(super) use status::REPORTS_WAIT;

/// What a leader is made of.
pub(super) struct LeaderConfig {
    pub calls: Arc<Calls>,
    pub directory: Arc<Directory>,
    /// Asks at addresses.
    pub bootstrap: Arc<dyn BootstrapTransport>,
    pub rng: Arc<Mutex<StdRng>>,
}

/// The leader's work.
pub(super) struct Leader {
    calls: Arc<Calls>,
    directory: Arc<Directory>,
    bootstrap: Arc<dyn BootstrapTransport>,
    /// What this node keeps while it holds range 1's lease, with the term in which it began.
    board: Mutex<Option<(u64, Board)>>,
    /// One change of the directory at a time.
    directory_lock: tokio::sync::Mutex<()>,
    /// One publication of changed ranges at a time.
    publishing: tokio::sync::Mutex<()>,
    rng: Arc<Mutex<StdRng>>,
}

impl Leader {
    /// A leader without a board: it has one once this node holds range 1's lease.
    pub fn new(config: LeaderConfig) -> Self {
        Self {
            calls: config.calls,
            directory: config.directory,
            bootstrap: config.bootstrap,
            board: Mutex::new(None),
            directory_lock: tokio::sync::Mutex::new(()),
            publishing: tokio::sync::Mutex::new(()),
            rng: config.rng,
        }
    }

    /// Works on the board, if this node holds range 1's lease; a new term begins with a new board.
    pub fn with_board<R>(&self, work: impl FnOnce(&mut Board, Moment) -> R) -> Option<R> {
        let status = self.calls.ranges.status(SYSTEM_RANGE).filter(|status| status.has_lease);
        let now = self.calls.moment();
        let dead_after = self.directory.node_dead_after();
        let mut board = self.board.lock();
        let Some(status) = status else {
            *board = None;
            return None;
        };
        if board.as_ref().is_none_or(|(term, _)| *term != status.term) {
            *board = Some((status.term, Board::new(now, dead_after)));
        }
        board.as_mut().map(|(_, board)| {
            board.set_dead_after(dead_after);
            work(board, now)
        })
    }

    /// Takes a node's report, and gives it a lease on the catalog that it has.
    pub fn answer_report(&self, from: NodeId, report: NodeReport) -> ClusterAnswer {
        let system = self.calls.router.system_range();
        let system = (report.system_generation < system.generation).then(|| system.as_ref().clone());
        let lease = self.with_board(|board, now| (board.report(from, report, now), board.required_version()));
        match lease {
            Some((until, required_version)) => ClusterAnswer::Lease { until, required_version, system },
            None => self.calls.not_leader(),
        }
    }

    /// The node that leads a range, as reported, or as its replica here knows.
    pub fn leader_of(&self, descriptor: &RangeDescriptor) -> Option<NodeId> {
        let range_id = descriptor.range_id;
        let reported = self.with_board(|board, now| board.leader(range_id, now.boot)).flatten();
        let here = || self.calls.ranges.status(range_id).and_then(|status| status.leader_node);
        let any = || descriptor.voters().map(|replica| replica.node_id).next();
        match range_id {
            SYSTEM_RANGE => self.calls.leader().or_else(any),
            _ => reported.or_else(here).or_else(any),
        }
    }
}

impl Placer for Leader {
    fn place(&self, directory: &[RangeDescriptor]) -> Result<NewRangeDecision, ClusterError> {
        let seed = self.rng.lock().random();
        let view = self.view(directory).ok_or_else(|| {
            ClusterError::Unavailable("range 1 went to another leaseholder; repeat the statement".to_owned())
        })?;
        place_new_range(&view, &Policy::default(), seed)
            .map_err(|unplaceable| ClusterError::Refused(unplaceable.to_string()))
    }

    fn entered(&self, ranges: &[RangeId]) {
        self.with_board(|board, now| ranges.iter().for_each(|range| board.entered(*range, now.boot)));
    }
}
