//! Why a node is silent: while this node holds range 1's lease, it asks at the addresses of nodes that do not report.
//!
//! Who answers there and says that it takes no part ([`super::refusal`]), or is another store by now, will not come back
//! as it was: its node counts as dead at once, not after `node_dead_after`, so that its replicas are replaced. Who does
//! not answer may be back in a moment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use quorate_placement::topology::NodeId;

use super::board::SUSPECT_AFTER;
use super::bootstrap::ask;
use super::bootstrap_message::{BootstrapAnswer, BootstrapRequest, Identity};
use super::member::Member;
use super::node_format::NodeRecord;

/// How often silent nodes are looked for.
const ABSENT_INTERVAL: Duration = Duration::from_secs(2);
/// Longest wait for one answer.
const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(1);
/// Nodes asked in one pass; the next pass is near.
const ASKED_A_PASS_MAX: usize = 64;

impl Member {
    pub(super) async fn look_for_absent_forever(self: Arc<Self>) {
        loop {
            tokio::time::sleep(ABSENT_INTERVAL).await;
            self.look_for_absent().await;
        }
    }

    async fn look_for_absent(&self) {
        let known = self.registry.all();
        let silent = self.with_board(|board, now| {
            let is_silent = |record: &NodeRecord| {
                board.has_listened(now.boot) && board.silence(record.node_id, now.boot) >= SUSPECT_AFTER
            };
            known.into_iter().filter(is_silent).collect::<Vec<_>>()
        });
        let silent = silent.unwrap_or_default();
        let asked = silent.iter().take(ASKED_A_PASS_MAX).map(|record| self.found_at(record));
        let found = join_all(asked).await;
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

    /// What whoever is at a node's address says.
    async fn found_at(&self, record: &NodeRecord) -> Found {
        let request = BootstrapRequest::Identify;
        match ask(self.bootstrap.as_ref(), &record.address, &request, IDENTIFY_TIMEOUT).await {
            Ok(BootstrapAnswer::Identity(identity)) => {
                absence_by(record, &identity).map_or(Found::Well, Found::Absent)
            }
            Ok(_) | Err(_) => Found::Nobody,
        }
    }

    /// Which of these nodes answer at their addresses, asked all at once.
    pub(super) async fn answering(&self, nodes: &[NodeRecord]) -> BTreeSet<NodeId> {
        let nodes = || nodes.iter().take(ASKED_A_PASS_MAX);
        let found = join_all(nodes().map(|record| self.found_at(record))).await;
        let well = nodes().zip(found).filter(|(_, found)| *found == Found::Well);
        well.map(|(record, _)| record.node_id).collect()
    }
}

/// Who is at a node's address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// Nobody who answers.
    Nobody,
    /// The node, and well.
    Well,
    /// Somebody by whom it is known that the node will not come back as it was, and why.
    Absent(String),
}

impl Found {
    fn absence(self) -> Option<String> {
        match self {
            Self::Absent(reason) => Some(reason),
            Self::Nobody | Self::Well => None,
        }
    }
}

fn absence_by(record: &NodeRecord, found: &Identity) -> Option<String> {
    if found.store_id != record.store_id {
        return Some(match found.node_id {
            Some(other) => format!("{other} is at its address now, with another store"),
            None => "at its address is a process with an empty store".to_owned(),
        });
    }
    found.refusal.clone()
}

#[cfg(test)]
mod tests {
    use quorate_engine::hlc::Timestamp;
    use quorate_placement::topology::{Locality, StoreId};

    use super::*;

    #[test]
    fn absence_is_what_the_process_at_the_address_says() {
        let record = NodeRecord {
            node_id: NodeId(2),
            store_id: StoreId(7),
            address: "b:1".to_owned(),
            sql_address: String::new(),
            http_address: String::new(),
            locality: Locality::default(),
            incarnation: 4,
            started: Timestamp::MIN,
            versions: crate::versions::Versions::OWN,
        };
        let well = Identity { store_id: StoreId(7), node_id: Some(NodeId(2)), hello: None, refusal: None };
        assert_eq!(absence_by(&record, &well), None);
        let refused = Identity { refusal: Some("it forgot".to_owned()), ..well.clone() };
        assert_eq!(absence_by(&record, &refused), Some("it forgot".to_owned()));
        let wiped = Identity { store_id: StoreId(8), node_id: None, ..well.clone() };
        assert!(absence_by(&record, &wiped).unwrap().contains("empty store"));
        let other = Identity { store_id: StoreId(8), node_id: Some(NodeId(4)), ..well };
        assert!(
            absence_by(&record, &other).unwrap().contains("n4")
                || absence_by(&record, &other).unwrap().contains('4')
        );
    }
}
