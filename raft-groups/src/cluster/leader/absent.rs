//! Why a node is silent: while this node holds range 1's lease, it asks at the addresses of nodes that do not report.
//!
//! Who answers there and says that it takes no part (`refusal`), or is another store by now, will not come back as it was:
//! its node counts as dead at once, not after `node_dead_after`, so that its replicas are replaced. Who does not answer may
//! be back in a moment.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use quorate_placement::topology::NodeId;

use super::Leader;
use crate::cluster::identify::{ASKED_A_PASS_MAX, Found, found_at};
use crate::cluster::node_format::NodeRecord;
use crate::limits::SUSPECT_AFTER;

/// How often silent nodes are looked for.
const ABSENT_INTERVAL: Duration = Duration::from_secs(2);

impl Leader {
    /// Asks at the addresses of silent nodes, every few seconds.
    pub async fn look_for_absent_forever(self: Arc<Self>) {
        loop {
            tokio::time::sleep(ABSENT_INTERVAL).await;
            self.look_for_absent().await;
        }
    }

    async fn look_for_absent(&self) {
        let known = self.directory.registry.all();
        let silent = self.with_board(|board, now| {
            let is_silent = |record: &NodeRecord| {
                board.has_listened(now.boot) && board.silence(record.node_id, now.boot) >= SUSPECT_AFTER
            };
            known.into_iter().filter(is_silent).collect::<Vec<_>>()
        });
        let silent = silent.unwrap_or_default();
        let asked = silent.iter().take(ASKED_A_PASS_MAX);
        let found = join_all(asked.map(|record| found_at(self.bootstrap.as_ref(), record))).await;
        for (record, found) in silent.iter().zip(found) {
            self.with_board(|board, _| board.set_answers(record.node_id, found == Found::Well));
            self.note_absence(record.node_id, found.absence());
        }
    }

    fn note_absence(&self, node: NodeId, absence: Option<String>) {
        let is_news = self.with_board(|board, _| board.set_absence(node, absence.clone()));
        if let (Some(true), Some(reason)) = (is_news, absence) {
            tracing::warn!(%node, %reason, "the node takes no part: its replicas are replaced");
        }
    }
}
