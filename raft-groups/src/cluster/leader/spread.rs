//! Spreads leaders over the nodes, as range 1's leaseholder: a few hand-overs at a time, until none is needed.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use quorate_placement::leaders::{TransferLeader, next_leader_transfer};
use quorate_placement::view::PendingTransfer;

use super::Leader;
use crate::cluster::error::ClusterError;
use crate::cluster::message::{ClusterAnswer, ClusterRequest};

/// How often leaders are looked at while they are spread well.
const SPREAD_INTERVAL: Duration = Duration::from_secs(1);
/// Pause between rounds while there is something to move.
const ROUND_PAUSE: Duration = Duration::from_millis(200);
/// Longest wait for a hand-over.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(5);

impl Leader {
    /// While this node holds range 1's lease: moves leaders until they are spread.
    pub async fn spread_leaders_forever(self: Arc<Self>) {
        loop {
            self.leave_where_clock_is_wrong().await;
            let pause = match self.spread_leaders().await {
                Ok(0) => SPREAD_INTERVAL,
                Ok(_) => ROUND_PAUSE,
                Err(error) => {
                    tracing::debug!(%error, "leaders could not be looked at");
                    SPREAD_INTERVAL
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// One round; gives how many leaders moved.
    async fn spread_leaders(&self) -> Result<usize, ClusterError> {
        if !self.calls.is_leader() {
            return Ok(0);
        }
        let _no_range_is_being_made = self.directory_lock.lock().await;
        let transfers = self.decide_transfers().await?;
        let moved = join_all(transfers.iter().map(|transfer| self.transfer(transfer))).await;
        let done = transfers.iter().zip(moved).filter(|(_, moved)| *moved).map(|(transfer, _)| transfer);
        let rows: Vec<_> = done
            .map(|transfer| self.directory.placement_row(transfer.range, &transfer.to_string()))
            .collect();
        let count = rows.len();
        // The reasons come after the moves: a leader that moved and is not in the log is better than the reverse.
        self.directory.write_placement_rows(rows).await?;
        self.directory.trim_placement_log().await?;
        Ok(count)
    }

    /// The next moves, each decided with those before it taken as done.
    async fn decide_transfers(&self) -> Result<Vec<TransferLeader>, ClusterError> {
        let directory = self.directory.look().await?;
        let mut transfers: Vec<TransferLeader> = Vec::new();
        loop {
            let pending = transfers.iter().map(|next| PendingTransfer { range: next.range, to: next.to });
            let Some(view) = self.view_after(&directory, pending.collect()) else { return Ok(Vec::new()) };
            match next_leader_transfer(&view) {
                Some(transfer) => transfers.push(transfer),
                None => return Ok(transfers),
            }
        }
    }

    async fn transfer(&self, transfer: &TransferLeader) -> bool {
        tracing::info!(%transfer, "a leader moves");
        let request = ClusterRequest::TransferLease { range_id: transfer.range, to: transfer.to };
        let answer = self.calls.ask_node(transfer.from, &request, TRANSFER_TIMEOUT).await;
        if !matches!(answer, Ok(ClusterAnswer::Done)) {
            tracing::info!(?answer, range = %transfer.range, "the leader stays where it is");
            return false;
        }
        self.with_board(|board, now| board.moved(transfer.range, transfer.to, now.boot));
        true
    }
}
