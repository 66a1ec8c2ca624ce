//! Who answers at a node's address, asked by whoever does not hear the node.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use quorate_placement::topology::NodeId;

use super::bootstrap::{BootstrapTransport, ask};
use super::bootstrap_message::{BootstrapAnswer, BootstrapRequest, Identity};
use super::node_format::NodeRecord;

/// Longest wait for one answer.
const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(1);
/// Nodes asked in one pass; the next pass is near.
pub(super) const ASKED_A_PASS_MAX: usize = 64;

/// What whoever is at a node's address says.
pub(super) async fn found_at(bootstrap: &dyn BootstrapTransport, record: &NodeRecord) -> Found {
    match ask(bootstrap, &record.address, &BootstrapRequest::Identify, IDENTIFY_TIMEOUT).await {
        Ok(BootstrapAnswer::Identity(identity)) => {
            absence_by(record, &identity).map_or(Found::Well, Found::Absent)
        }
        Ok(_) | Err(_) => Found::Nobody,
    }
}

/// Which of these nodes answer at their addresses, asked all at once; at most the first [`ASKED_A_PASS_MAX`] are asked.
pub(super) async fn answering(bootstrap: &dyn BootstrapTransport, nodes: &[NodeRecord]) -> BTreeSet<NodeId> {
    let nodes = || nodes.iter().take(ASKED_A_PASS_MAX);
    let found = join_all(nodes().map(|record| found_at(bootstrap, record))).await;
    let well = nodes().zip(found).filter(|(_, found)| *found == Found::Well);
    well.map(|(record, _)| record.node_id).collect()
}

/// Who is at a node's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nobody who answers.
    Nobody,
    /// The node, and well.
    Well,
    /// Somebody by whom it is known that the node will not come back as it was, and why.
    Absent(String),
}

impl Found {
    /// Why the node will not come back as it was, where that is known.
    pub fn absence(self) -> Option<String> {
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
